"""Folders that we convert run in transformers.js and give the tokens that transformers gives.

Needs Node.js and the packages that ``install.py`` fetches; skips without them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="these tests need the export extra")
pytest.importorskip("transformers", reason="these tests need the export extra")

from fixtures_multimodal import build_multimodal_checkpoint, images, sounds  # noqa: E402
from install import node_modules  # noqa: E402

from inference.export import convert  # noqa: E402

torch.set_num_threads(1)

HERE = Path(__file__).parent
NODE = shutil.which("node")
IMAGE, AUDIO, VIDEO = 300, 301, 302
NEW_TOKENS = 24

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(NODE is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (node_modules() / "@huggingface" / "transformers").is_dir(),
        reason="transformers.js is not installed: python tests/transformers_js/install.py",
    ),
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_multimodal_checkpoint(tmp_path_factory.mktemp("js") / "checkpoint", "e2b")
    config = json.loads((folder / "config.json").read_text())
    config |= {"image_token_id": IMAGE, "audio_token_id": AUDIO, "video_token_id": VIDEO}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> Any:
    from transformers import Gemma4ForConditionalGeneration

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Gemma4ForConditionalGeneration.from_pretrained(checkpoint).eval()
    model.set_attn_implementation("eager")
    return model


def _javascript(folder: Path, request: dict[str, Any], tmp_path: Path) -> list[int]:
    inputs = {}
    for name, array in request.pop("inputs").items():
        kind = {"int64": "int64", "float32": "float32", "bool": "bool"}[str(array.dtype)]
        inputs[name] = {"type": kind, "dims": list(array.shape), "data": array.ravel().tolist()}
    file = tmp_path / "request.json"
    file.write_text(
        json.dumps({"folder": str(folder), "max_new_tokens": NEW_TOKENS, "media": False, **request, "inputs": inputs})
    )
    assert NODE is not None
    command = [NODE, str(HERE / "generate.mjs"), str(node_modules()), str(file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    tokens: list[int] = json.loads(result.stdout.splitlines()[-1])
    assert len(set(tokens)) > 3, "too uniform to tell anything"
    return tokens


def _reference(model: Any, inputs: dict[str, np.ndarray]) -> list[int]:
    with torch.no_grad():
        tokens = model.generate(
            **{name: torch.from_numpy(array) for name, array in inputs.items()},
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=[1, 106, 50],
            pad_token_id=0,
        )
    return [int(token) for token in tokens[0, inputs["input_ids"].shape[1] :]]


def _text(ids: list[int]) -> dict[str, np.ndarray]:
    return {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}


PROMPTS = ([2, *range(130, 150)], [2, 17, 400, 33, 251], [2, *range(440, 400, -3)])


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert.convert_checkpoint(checkpoint, tmp_path_factory.mktemp("js") / "tiny", "fp32")


@pytest.mark.parametrize("ids", PROMPTS, ids=["long", "short", "down"])
def test_text(folder: Path, reference: Any, tmp_path: Path, ids: list[int]) -> None:
    assert _javascript(folder, {"inputs": _text(ids)}, tmp_path) == _reference(reference, _text(ids))


def test_text_in_four_bits(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers.js finds the files of every precision, and runs the same kernels as ONNX Runtime does here."""
    from inference.cancellation import CancelToken
    from inference.language_model import LanguageModel
    from inference.model_folder import ModelFolder

    monkeypatch.setattr(convert, "RECIPES", convert.RECIPES[:2])  # the encoders take time, and have no part in this
    folder = convert.convert_checkpoint(checkpoint, tmp_path / "tiny", "q4")
    ids = list(PROMPTS[0])
    model = LanguageModel.open(ModelFolder.open(folder), provider="cpu", threads=1)
    for _ in model.prefill(ids, CancelToken()):
        pass
    ours: list[int] = []
    while len(ours) < NEW_TOKENS and not {1, 106, 50} & set(ours[-1:]):
        ours.append(int(model.logits.argmax()))
        model.step(ours[-1], CancelToken())
    model.close()
    assert _javascript(folder, {"inputs": _text(ids)}, tmp_path) == ours


def test_image(folder: Path, reference: Any, tmp_path: Path) -> None:
    pixels, positions = images([(2, 3)], 9 * 8)
    inputs = {
        **_text([2, 130, *[IMAGE] * 6, 99, 45, 211]),
        "pixel_values": pixels,
        "image_position_ids": positions,
    }
    request = {"media": True, "inputs": inputs}
    assert _javascript(folder, request, tmp_path) == _reference(reference, _with_types(inputs))


def test_sound(folder: Path, reference: Any, tmp_path: Path) -> None:
    features, mask = sounds([(40, 40)])
    inputs = {
        **_text([2, 130, *[AUDIO] * 10, 99, 45, 211]),
        "input_features": features,
        "input_features_mask": mask,
    }
    request = {"media": True, "inputs": inputs}
    assert _javascript(folder, request, tmp_path) == _reference(reference, _with_types(inputs))


def _with_types(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add what transformers wants to know about the tokens: 1 for an image, 3 for sound."""
    ids = inputs["input_ids"]
    return {**inputs, "mm_token_type_ids": np.where(ids == IMAGE, 1, np.where(ids == AUDIO, 3, 0))}
