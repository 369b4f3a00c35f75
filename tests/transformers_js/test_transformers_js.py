"""Folders that we convert run in transformers.js, on the ONNX Runtime that it pins, as they do in transformers.

The checkpoint has what E2B and E4B have: layers that share keys, per-layer embeddings, eyes and ears. Node.js and npm
may be missing, then the tests skip; what they install is ours to bring, with ``install.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="these tests need the export extra")
pytest.importorskip("transformers", reason="these tests need the export extra")

from fixtures_checkpoints import FULL, SLIDING  # noqa: E402
from fixtures_encoders import traced_once  # noqa: E402
from fixtures_multimodal import build_multimodal_checkpoint, images, sounds  # noqa: E402
from install import is_installed, node_modules, why_not  # noqa: E402

from inference.export import decoder  # noqa: E402
from inference.export.checkpoint import Checkpoint  # noqa: E402
from inference.export.convert import convert_checkpoint  # noqa: E402
from inference.export.weights import WeightPlan  # noqa: E402
from inference.media.image import image_features  # noqa: E402
from inference.media.log_mel import log_mel  # noqa: E402

torch.set_num_threads(1)

pytestmark = [pytest.mark.parity, pytest.mark.skipif(bool(why_not()), reason=why_not())]

HERE = Path(__file__).parent
NEW_TOKENS = 16
BUDGET = 70
TOKENS = {
    "boi": (298, "<|image>"),
    "eoi": (299, "<image|>"),
    "image": (300, "<|image|>"),
    "audio": (301, "<|audio|>"),
    "boa": (303, "<|audio>"),
    "eoa": (304, "<audio|>"),
}
IMAGE, AUDIO = TOKENS["image"][0], TOKENS["audio"][0]
TEXT = {
    "num_hidden_layers": 5,
    "layer_types": [SLIDING, FULL, SLIDING, SLIDING, FULL],
    "num_kv_shared_layers": 2,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not is_installed():
        pytest.fail("transformers.js is not installed: python tests/transformers_js/install.py")
    folder = tmp_path_factory.mktemp("js") / "checkpoint"
    one_layer = {"num_hidden_layers": 1}
    build_multimodal_checkpoint(folder, "e2b", text_config=TEXT, vision_config=one_layer, audio_config=one_layer)
    keys = {"image": "image_token_id", "audio": "audio_token_id", "boi": "boi_token_id", "boa": "boa_token_id"}
    _edit(folder / "config.json", {key: TOKENS[name][0] for name, key in keys.items()} | {"video_token_id": 302})
    # what published checkpoints have: names for the tokens of media, and a processor that says little
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for number, text in TOKENS.values():
        vocabulary[text] = vocabulary.pop(f"t{number}")
        tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": number, "content": text})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    names = {f"{name}_token": text for name, (_, text) in TOKENS.items()}
    settings = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, **names}))
    processor = {"processor_class": "Gemma4Processor", "image_processor": {"max_soft_tokens": BUDGET}}
    (folder / "processor_config.json").write_text(json.dumps(processor))
    return folder


def _edit(file: Path, changes: dict[str, Any]) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@contextmanager
def decoder_traced_once(pieces: dict[Any, Any]) -> Iterator[None]:
    """Within the block, parts of the decoder are traced only if they have not been before."""
    original = decoder.trace

    def trace(module: Any, inputs: dict[str, Any], *arguments: Any) -> Any:
        sizes = sum(parameter.numel() for parameter in module.parameters())
        shapes = tuple((name, tuple(tensor.shape)) for name, tensor in inputs.items())
        key = (type(module).__name__, getattr(module, "layer_type", ""), sizes, shapes, str(arguments[1]))
        if key not in pieces:
            pieces[key] = original(module, inputs, *arguments)
        return pieces[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "trace", trace)
        yield


@pytest.fixture(scope="module")
def converted(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``converted(precision)``: the model folder, made once."""
    pieces: dict[Any, Any] = {}

    @cache
    def make(precision: Any) -> Path:
        with traced_once("js"), decoder_traced_once(pieces):
            return convert_checkpoint(checkpoint, tmp_path_factory.mktemp("js") / f"tiny-{precision}", precision)

    return make


def _text(ids: list[int]) -> dict[str, np.ndarray]:
    return {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}


@cache
def runs() -> dict[str, dict[str, np.ndarray]]:
    """Return what the model is asked, by kind: as a processor would give it."""
    pixels, positions = images([(2, 3)], 9 * 8)
    features, mask = sounds([(40, 40)])
    picture = {"pixel_values": pixels, "image_position_ids": positions}
    sound = {"input_features": features, "input_features_mask": mask}
    return {
        "text": _text([2, *range(130, 150)]),
        "a short text": _text([2, 17, 400, 33, 251]),
        "image": {**_text([2, 130, *[IMAGE] * 6, 99, 45, 211]), **picture},
        "sound": {**_text([2, 130, *[AUDIO] * 10, 99, 45, 211]), **sound},
        "both": {**_text([2, 130, *[IMAGE] * 6, 99, 45, *[AUDIO] * 10, 211, 60]), **picture, **sound},
    }


PICTURE = np.random.default_rng(4).integers(0, 256, (336, 480, 3), np.uint8)  # just as large as the budget has it
SOUND = (0.3 * np.sin(np.arange(9000) ** 1.3 / 40)).astype(np.float32)


@pytest.fixture(scope="module")
def answers(converted: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``answers(precision)``: what transformers.js makes of every run."""

    @cache
    def ask(precision: str) -> dict[str, Any]:
        prepared = {
            name: {
                "inputs": {
                    key: {"type": str(array.dtype), "dims": list(array.shape), "data": array.ravel().tolist()}
                    for key, array in inputs.items()
                }
            }
            for name, inputs in runs().items()
        }
        raw = {
            "text": "<bos> t130 <|image|> t99 <|audio|> t45 t211",
            "image": {"width": PICTURE.shape[1], "height": PICTURE.shape[0], "data": PICTURE.ravel().tolist()},
            "sound": SOUND.tolist(),
        }
        wanted = {**prepared, "raw": raw} if precision == "fp32" else prepared
        request = {
            "folder": str(converted(precision)),
            "runs": {name: {**run, "max_new_tokens": NEW_TOKENS} for name, run in wanted.items()},
        }
        folder = tmp_path_factory.mktemp("request")
        (folder / "request.json").write_text(json.dumps(request))
        node = shutil.which("node")
        assert node is not None
        files = [str(folder / name) for name in ("request.json", "answer.json")]
        command = [node, str(HERE / "generate.mjs"), str(node_modules()), *files]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert result.returncode == 0, f"{result.returncode}: {result.stderr[-3000:]}"
        answer = json.loads(Path(files[1]).read_text())
        assert answer["class"] == "Gemma4ForConditionalGeneration"
        found: dict[str, Any] = answer["runs"]
        return found

    return ask


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> Any:
    """``reference(precision)``: transformers' model, the weights of its language model rounded as in our graphs."""
    from transformers import Gemma4ForConditionalGeneration

    @cache
    def make(precision: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = Gemma4ForConditionalGeneration.from_pretrained(checkpoint).eval()
        model.set_attn_implementation("eager")
        source = Checkpoint(checkpoint)
        plan = WeightPlan(source, precision)
        names = [name for name in source.names() if name.startswith(source.text_prefix)]
        state = {name: torch.from_numpy(plan.effective(name, table="embed_tokens" in name)) for name in names}
        model.load_state_dict(state, strict=False)
        return model

    return make


def _expected(model: Any, inputs: dict[str, np.ndarray]) -> tuple[list[int], np.ndarray]:
    """Return the tokens that transformers gives, and its logits after the prompt."""
    ids = inputs["input_ids"]
    kinds = np.where(ids == IMAGE, 1, np.where(ids == AUDIO, 3, 0))
    tensors = {name: torch.from_numpy(array) for name, array in {**inputs, "mm_token_type_ids": kinds}.items()}
    with torch.no_grad():
        logits = model(**tensors).logits[0, -1].numpy()
        tokens = model.generate(
            **tensors, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=[1, 106, 50], pad_token_id=0
        )
    return [int(token) for token in tokens[0, ids.shape[1] :]], logits


@pytest.mark.parametrize("name", list(runs()))
def test_answers_equal_those_of_transformers(answers: Any, reference: Any, name: str) -> None:
    found = answers("fp32")[name]
    tokens, logits = _expected(reference("fp32"), runs()[name])
    np.testing.assert_allclose(found["logits"], logits, atol=2e-3)
    assert found["tokens"] == tokens
    assert len(set(tokens)) > 3, "too uniform to tell anything"


@pytest.mark.parametrize("name", list(runs()))
def test_answers_in_four_bits(answers: Any, converted: Any, reference: Any, name: str) -> None:
    """They are those of our graphs here, and near to transformers', whose weights alone are rounded alike."""
    found = answers("q4")[name]
    logits = np.array(found["logits"])
    ours = _here(converted("q4"), "_q4", runs()[name])
    assert np.sqrt(np.square(logits - ours).mean()) < 0.02 * ours.std()
    _, expected = _expected(reference("q4"), runs()[name])
    assert np.corrcoef(logits, expected)[0, 1] > 0.95
    assert int(logits.argmax()) in np.argsort(-expected)[:5]
    assert len(set(found["tokens"])) > 2


def _here(folder: Path, suffix: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return the logits after a prompt that ONNX Runtime gives here, its graphs put together by hand."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3

    def opened(graph: str) -> onnxruntime.InferenceSession:
        file = folder / "onnx" / f"{graph}{suffix}.onnx"
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    ids = inputs["input_ids"]
    rows = dict(
        zip(("inputs_embeds", "per_layer_inputs"), opened("embed_tokens").run(None, {"input_ids": ids}), strict=True)
    )
    if "pixel_values" in inputs:
        feeds = {"pixel_values": inputs["pixel_values"], "pixel_position_ids": inputs["image_position_ids"]}
        rows["inputs_embeds"][ids == IMAGE] = opened("vision_encoder").run(["image_features"], feeds)[0]
    if "input_features" in inputs:
        feeds = {name: inputs[name] for name in ("input_features", "input_features_mask")}
        rows["inputs_embeds"][ids == AUDIO] = opened("audio_encoder").run(["audio_features"], feeds)[0]
    session = opened("decoder_model_merged")
    cache = {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        for node in session.get_inputs()
        if node.name.startswith("past_key_values.")
    }
    positions = {"attention_mask": np.ones_like(ids), "position_ids": np.arange(ids.shape[1])[None]}
    logits: np.ndarray = session.run(["logits"], {**rows, **cache, **positions})[0]
    return logits[0, -1]


def test_its_own_processor_prepares_media_as_we_do(answers: Any, reference: Any) -> None:
    """``AutoProcessor`` opens our folder by ``preprocessor_config.json``, and gives what Larimar computes."""
    found = answers("fp32")["raw"]
    inputs = {
        name: np.array(value["data"], value["type"]).reshape(value["dims"]) for name, value in found["inputs"].items()
    }
    ours = image_features(PICTURE, BUDGET)
    np.testing.assert_allclose(inputs["pixel_values"][0], ours.pixel_values, atol=1e-6)
    np.testing.assert_array_equal(inputs["image_position_ids"][0], ours.position_ids)
    features, mask = log_mel(SOUND)
    np.testing.assert_array_equal(inputs["input_features_mask"][0], mask)
    np.testing.assert_allclose(inputs["input_features"][0], features, atol=2e-3)
    ids = inputs["input_ids"][0].tolist()
    boa, eoa, boi, eoi = (TOKENS[name][0] for name in ("boa", "eoa", "boi", "eoi"))
    heard = [boa, *[AUDIO] * 14, eoa]
    assert ids == [2, 130, boi, *[IMAGE] * BUDGET, eoi, 99, *heard, 45, 211]
    tokens, logits = _expected(reference("fp32"), inputs)
    np.testing.assert_allclose(found["logits"], logits, atol=2e-3)
    assert found["tokens"] == tokens
