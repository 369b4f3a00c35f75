"""What a stranger's checkpoint says is looked at before anything is made of it: a sentence, soon, in little memory."""

from __future__ import annotations

import copy
import json
import os
import random
import signal
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_checkpoints import build_checkpoint
from fuzzing import examples
from safetensors.numpy import save_file

import main
from inference.errors import CheckpointError, LarimarError, UnsupportedModelError
from inference.export.checkpoint import Checkpoint
from inference.export.convert import convert_checkpoint, origin
from inference.export.drafter_checkpoint import DrafterCheckpoint, is_drafter
from inference.export.processor_files import processor_files
from inference.export.recipes import RECIPES
from inference.export.staging import conversion_key
from inference.export.weights import WeightPlan

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
DEEP = "[" * 100_000
DIGITS = "9" * 5000

CONFIG: dict[str, Any] = {
    "model_type": "gemma4",
    "text_config": {
        "model_type": "gemma4_text",
        "vocab_size": 16,
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "global_head_dim": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 4,
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 0,
        "final_logit_softcapping": 30.0,
        "rms_norm_eps": 1e-6,
        "eos_token_id": [1, 106],
        "pad_token_id": 0,
        "use_bidirectional_attention": None,
        "rope_parameters": {
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    },
    "vision_config": {"hidden_size": 8, "num_hidden_layers": 1, "patch_size": 16, "position_embedding_size": 16},
    "audio_config": {"hidden_size": 8, "num_hidden_layers": 1, "subsampling_conv_channels": [8, 4]},
    "image_token_id": 12,
    "audio_token_id": 13,
    "backbone_hidden_size": 8,
    "num_centroids": 4,
}
TENSORS = {
    "model.language_model.embed_tokens.weight": np.ones((16, 8), np.float32),
    "model.language_model.layers.0.input_layernorm.weight": np.ones(8, np.float32),
    "model.language_model.layers.1.input_layernorm.weight": np.ones(8, np.float16),
    "model.vision_tower.patch_embedder.input_proj.weight": np.ones((8, 8), np.float32),
}
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint that is whole as far as it is looked at before graphs are built."""
    path = tmp_path / "checkpoint"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "tokenizer.json").write_text("{}")
    save_file(TENSORS, path / "model.safetensors")
    return path


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """End a test that waits for a pipe, or computes for ever."""
    if sys.platform == "win32":
        yield
        return

    def late(*_: object) -> None:
        raise TimeoutError("this takes too long")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def look(folder: Path) -> None:
    """Do all that ``convert`` does before it builds a graph, and read every tensor."""
    is_drafter(folder)
    source = Checkpoint(folder)
    for recipe in RECIPES:
        recipe.applies(source)
    WeightPlan(source, "q4")
    processor_files(source, ("vision_encoder", "audio_encoder"))
    conversion_key(folder, {})
    origin(source)
    assert source.media_tokens is not None
    for name in source.names():
        source.read(name)


def sentence_of(folder: Path) -> str:
    """Return what is said of a folder; nothing where nothing is wrong with it."""
    try:
        look(folder)
    except LarimarError as error:
        said = str(error)
        assert said.endswith("."), said
        assert len(said) < 1500
        assert said.isprintable()
        return said
    return ""


def set_config(folder: Path, path: str, value: Any) -> None:
    config = copy.deepcopy(CONFIG)
    *groups, name = path.split(".")
    part = config
    for group in groups:
        part = part[group]
    part[name] = value
    (folder / "config.json").write_text(json.dumps(config))


def set_header(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = folder / "model.safetensors"
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    changed = change(header)
    text = json.dumps(header if changed is None else changed).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def test_nothing_is_wrong_with_it(folder: Path) -> None:
    assert sentence_of(folder) == ""


def test_how_media_are_prepared_is_written_whole(folder: Path) -> None:
    """transformers.js knows no defaults for sound, and finds the processor's class in the second file."""
    from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
    from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

    own = {"image_processor": {"max_soft_tokens": 70}, "image_seq_length": 70, "ours": True}
    (folder / "processor_config.json").write_text(json.dumps(own))
    files = processor_files(Checkpoint(folder), ("vision_encoder", "audio_encoder"))
    processor, other = files["processor_config.json"], files["preprocessor_config.json"]
    assert (processor["ours"], processor["image_seq_length"]) == (True, 70)
    assert processor["image_processor"]["max_soft_tokens"] == 70
    sound = {**Gemma4AudioFeatureExtractor().to_dict(), "mel_floor": 0.001}
    assert (
        processor["feature_extractor"].items()
        >= {name: value for name, value in sound.items() if name not in ("mel_filters", "window")}.items()
    )
    for name, value in Gemma4ImageProcessorPil(max_soft_tokens=70).to_dict().items():
        assert np.all(processor["image_processor"][name] == np.array(value)), name
    assert other["processor_class"] == processor["processor_class"] == "Gemma4Processor"
    assert {"image_processor_type", "feature_extractor_type", "fft_length", "patch_size"} <= other.keys()
    # what the checkpoint has stays, and a model that neither sees nor hears gets nothing
    assert processor_files(Checkpoint(folder), ("embed_tokens",)) == {"processor_config.json": own}
    (folder / "processor_config.json").write_text('{"image_processor": 3}')
    with pytest.raises(CheckpointError, match="no group of settings"):
        processor_files(Checkpoint(folder), ("vision_encoder",))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("text_config.num_hidden_layers", 10**9, "from 1 to 1,000"),
        ("text_config.num_hidden_layers", -1, "num_hidden_layers"),
        ("text_config.num_hidden_layers", 3, "layer_types"),
        ("text_config.head_dim", 10**12, "head_dim"),
        ("text_config.head_dim", 7, "an even number"),
        ("text_config.head_dim", "8", "head_dim"),
        ("text_config.vocab_size", 2**40, "vocab_size"),
        ("text_config.vocab_size", 17, "do not belong together"),
        ("text_config.hidden_size", True, "hidden_size"),
        ("text_config.num_key_value_heads", 3, "num_key_value_heads"),
        ("text_config.sliding_window", 0, "sliding_window"),
        ("text_config.rms_norm_eps", -1.0, "rms_norm_eps"),
        ("text_config.final_logit_softcapping", 0, "final_logit_softcapping"),
        ("text_config.eos_token_id", 2**32, "eos_token_id"),
        ("text_config.eos_token_id", [1] * 5000, "eos_token_id"),
        ("text_config.layer_types", ["full_attention", "chunked_attention"], "“chunked_attention”"),
        ("text_config.rope_parameters", {"full_attention": {"rope_type": "dynamic"}}, "“dynamic”"),
        ("text_config.rope_parameters", {"full_attention": {"partial_rotary_factor": 10**9}}, "partial_rotary_factor"),
        ("text_config.per_layer_config", {"0": {"head_dim": 10**9}}, "head_dim"),
        ("text_config", [1, 2], "text_config"),
        ("vision_config", "large", "vision_config"),
        ("vision_config.position_embedding_size", 10**15, "position_embedding_size"),
        ("audio_config.attention_chunk_size", -5, "attention_chunk_size"),
        ("audio_config.subsampling_conv_channels", [1, 2, 3], "two whole numbers"),
        ("image_token_id", 2**32, "image_token_id"),
        ("image_token_id", {"id": 3}, "image_token_id"),
        ("image_token_id", [3], "image_token_id"),
        ("model_type", ["gemma4"], "is of the type"),
        ("model_type", "\x1b[2Jgemma4", "is of the type"),
        ("quantization_config", "int4", "quantised in a way"),
        ("quantization_config", {"quant_method": "compressed-tensors", "config_groups": 3}, "quantised in a way"),
    ],
)
def test_values_of_the_configuration(folder: Path, path: str, value: Any, said: str) -> None:
    set_config(folder, path, value)
    assert said in sentence_of(folder)


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, None), ("vision", None), ("all", UnsupportedModelError)]
    + [(value, CheckpointError) for value in (True, False, 1, "absurd", "", ["vision"], {"vision": True})],
)
def test_who_sees_whom(folder: Path, value: Any, error: type[Exception] | None) -> None:
    """A model in which all tokens see one another is refused; it used to be made causal without a word."""
    set_config(folder, "text_config.use_bidirectional_attention", value)
    if error is None:
        look(folder)
        return
    with pytest.raises(error, match="use_bidirectional_attention"):
        look(folder)


@pytest.mark.parametrize("name", ["config.json", INDEX, "processor_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (DEEP, "nested too deeply"),
        ('{"a": ' + DIGITS + "}", "too many digits"),
        ('{"a": Infinity}', "Infinity"),
        ('{"a": 1e999}', "too many digits"),
        ('{"a": 1, "a": 2}', "two values"),
        ("[]", "does not hold a JSON object"),
        ("", "is no JSON"),
        ("{" + '"a": [' + "0," * 2_000_000 + "0]}", "too many values"),
        (b"\xff\xfe\x00", "is no text"),
    ],
)
def test_texts_that_are_no_configuration(folder: Path, name: str, content: str | bytes, said: str) -> None:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert said in sentence_of(folder)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _itself(path: Path) -> None:
    path.symlink_to(path.name)


@POSIX
@pytest.mark.parametrize("make", [_pipe, _itself, Path.mkdir])
@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", INDEX, "tokenizer.json", "generation_config.json", "chat_template.jinja"],
)
def test_what_is_no_file(folder: Path, tmp_path: Path, name: str, make: Callable[[Path], object]) -> None:
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    with pytest.raises(CheckpointError) as caught:
        convert_checkpoint(folder, tmp_path / "out")
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "out").exists()


@POSIX
def test_what_is_no_part_of_it_is_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "other.safetensors")
    os.mkfifo(folder / "notes.json")
    (folder / "loop.json").symlink_to("loop.json")
    look(folder)


def _overlap(header: dict[str, Any]) -> None:
    for name in ("model.language_model.layers.0.input_layernorm.weight", "model.vision_tower.patch_embedder"):
        if name in header:
            header[name]["data_offsets"] = [0, 32]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_overlap, "lie on one another"),
        (lambda header: next(iter(header.values())).update(data_offsets=[-8, 24]), "cannot be"),
        (lambda header: next(iter(header.values())).update(data_offsets=[0, 2**60]), "cannot be"),
        (lambda header: next(iter(header.values())).update(data_offsets=[32, 0]), "cannot be"),
        (lambda header: next(iter(header.values())).update(data_offsets=[0]), "cannot be"),
        (lambda header: next(iter(header.values())).update(data_offsets="all"), "cannot be"),
        (lambda header: next(iter(header.values())).update(shape=[2**31, 2**31]), "cannot be"),
        (lambda header: next(iter(header.values())).update(shape=[-1, -8]), "cannot be"),
        (lambda header: next(iter(header.values())).update(shape=[1] * 100), "cannot be"),
        (lambda header: next(iter(header.values())).update(shape=None), "cannot be"),
        (lambda header: next(iter(header.values())).update(dtype=7), "cannot be"),
        (lambda header: next(iter(header.values())).update(dtype="Q" * 99), "cannot be"),
        (lambda header: [1, 2], "damaged"),
        (lambda header: dict.fromkeys(header, 3), "cannot be"),
        (lambda header: {}, "no token embedding"),
    ],
)
def test_headers_that_lie(folder: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    set_header(folder, change)
    assert said in sentence_of(folder)


@pytest.mark.parametrize("length", [2**60, 2**64 - 1, 2**31, 5, 0])
def test_headers_of_any_length(folder: Path, length: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])
    tracemalloc.start()
    try:
        assert "damaged" in sentence_of(folder)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@POSIX
def test_a_header_as_long_as_its_file(folder: Path) -> None:
    """A file of 8 GB that takes no room on the disk."""
    file = folder / "model.safetensors"
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", 8 << 30))
        stream.truncate((8 << 30) + 8)
    assert "list of tensors" in sentence_of(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("../other.safetensors", "/etc/other.safetensors", "a/b.safetensors", "..\\x.safetensors", "C:x.safetensors"),
        *("weights.bin", INDEX, "", "a\x00.safetensors", "x" * 5000 + ".safetensors", 7, None, ["a.safetensors"]),
    ],
)
def test_an_index_names_files_of_its_folder(folder: Path, name: Any) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": {"model.embed_tokens.weight": name}}))
    assert "no safetensors file of its own folder" in sentence_of(folder)


def test_an_index_that_promises_what_is_not_there(folder: Path) -> None:
    names = {f"model.layers.{number}.weight": f"model-{number:05}-of-09999.safetensors" for number in range(9999)}
    (folder / INDEX).write_text(json.dumps({"weight_map": names}))
    assert "others are missing" in sentence_of(folder)
    (folder / INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(names, "model.safetensors")}))
    assert "lacks 9999 tensors that the index promises" in sentence_of(folder)
    for content in ({}, {"weight_map": {}}, {"weight_map": [1]}, {"weight_map": None}):
        (folder / INDEX).write_text(json.dumps(content))
        assert "does not say which file" in sentence_of(folder)


def test_weights_that_lie_twice(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    (folder / "two.safetensors").write_bytes((folder / "one.safetensors").read_bytes())
    assert "do not belong together" in sentence_of(folder)


class _Runs:
    def __reduce__(self) -> Any:
        return os._exit, (7,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_pickled_weights_are_never_opened(folder: Path, name: str) -> None:
    import pickle

    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(_Runs()))
    assert f"pickled ({name})" in sentence_of(folder)


@pytest.mark.parametrize(
    "changes", [{"hidden_activation": "nonsense"}, {"pad_token_id": 10**6}, {"num_kv_shared_layers": 2}]
)
def test_what_nobody_can_build_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    """Values of the right kind and in range, of which transformers makes no model."""
    two = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    checkpoint = build_checkpoint(tmp_path / "checkpoint", "31b", **two)
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, **changes}))
    assert main.main(["convert", str(checkpoint), str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("larimar: ")
    assert said.endswith(".")
    assert not list(tmp_path.glob("*out*"))


# -- a great many ------------------------------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    *(-1, 0, 1, 2, 3, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 10**299),
    *(0.5, -0.0, 1e-300, 1e300, -1e18, 64.0),
    *("", "8", "\x1b]0;title\x07", "x" * 10_000, "../../etc/passwd", "\udc80", "full_attention", "F32"),
    *(True, False, None, [], {}, [[]], {"": {}}, [1, 2], [-1, 2**40], {"head_dim": 3}, [None], ["a"] * 2000),
]


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*at, key))


def _spoiled(value: Any, draw: random.Random) -> Any:
    """Return JSON with a few values changed, added, moved or taken out."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        paths = list(_paths(value))
        if not paths:
            return draw.choice(HOSTILE)
        *groups, last = draw.choice(paths)
        part = value
        for group in groups:
            part = part[group]
        what = draw.random()
        if what < 0.75:
            part[last] = copy.deepcopy(draw.choice(HOSTILE))
        elif what < 0.85 and isinstance(part, dict):
            part[draw.choice(("__class__", "to_dict", "per_layer_config", "auto_map", "rope_scaling"))] = draw.choice(
                HOSTILE
            )
        elif isinstance(part, dict):
            del part[last]
        else:
            part[last] = copy.deepcopy(part[:1])
    return value


def _garbled(content: bytes, draw: random.Random) -> bytes:
    """Return bytes of which some are others, missing, or there twice."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 3, 20))):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(5):
            case 0:
                changed[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                del changed[place : place + draw.choice((1, 8, 200))]
            case 2:
                changed[place:place] = draw.choice((b"[" * 3000, b"9" * 600, b'{"a":', b"\x00", b"NaN", b'"', b"\\u"))
            case 3:
                changed[place:place] = changed[: draw.choice((1, 40))]
            case _:
                del changed[place:]
        if not changed:
            break
    return bytes(changed)


def _spoil_config(folder: Path, draw: random.Random) -> None:
    (folder / "config.json").write_text(json.dumps(_spoiled(CONFIG, draw)))


def _garble_config(folder: Path, draw: random.Random) -> None:
    (folder / "config.json").write_bytes(_garbled(json.dumps(CONFIG).encode(), draw))


def _spoil_header(folder: Path, draw: random.Random) -> None:
    set_header(folder, lambda header: _spoiled(header, draw))


def _garble_weights(folder: Path, draw: random.Random) -> None:
    file = folder / "model.safetensors"
    content = file.read_bytes()
    if draw.random() < 0.3:
        content = struct.pack("<Q", draw.choice((0, 1, 2**20, 2**40, 2**62, 2**64 - 1))) + content[8:]
    file.write_bytes(_garbled(content, draw))


def _spoil_index(folder: Path, draw: random.Random) -> None:
    content = {"metadata": {"total_size": 9}, "weight_map": dict.fromkeys(TENSORS, "model.safetensors")}
    text = json.dumps(_spoiled(content, draw)).encode()
    (folder / INDEX).write_bytes(_garbled(text, draw) if draw.random() < 0.3 else text)


def _spoil_processor(folder: Path, draw: random.Random) -> None:
    content = {
        "processor_class": "Gemma4Processor",
        "image_processor": {"max_soft_tokens": 70, "patch_size": 16},
        "feature_extractor": {"sampling_rate": 16000},
    }
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).write_text(json.dumps(_spoiled(content, draw)))


def _spoil_drafter(folder: Path, draw: random.Random) -> None:
    config = {**CONFIG, "model_type": "gemma4_assistant", "use_ordered_embeddings": True}
    (folder / "config.json").write_text(json.dumps(_spoiled(config, draw)))


SPOILERS = (
    _spoil_config,
    _garble_config,
    _spoil_header,
    _garble_weights,
    _spoil_index,
    _spoil_processor,
    _spoil_drafter,
)


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__.strip("_"))
def test_whatever_a_checkpoint_says(folder: Path, spoil: Callable[[Path, random.Random], None]) -> None:
    """Either nothing is wrong, or a sentence says what is; nothing else is raised."""
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    said = 0
    for seed in range(examples(45)):
        for file in folder.iterdir():
            if file.name not in whole:
                file.unlink()
        for name, content in whole.items():
            (folder / name).write_bytes(content)
        spoil(folder, random.Random(f"{spoil.__name__} {seed}"))
        try:
            said += bool(sentence_of(folder))
            if spoil is _spoil_drafter:
                DrafterCheckpoint(folder)
        except LarimarError:
            said += 1
        except BaseException as error:
            error.add_note(f"seed {seed}: {(folder / 'config.json').read_bytes()[:3000]!r}")
            raise
    assert said, "nothing was ever wrong: what was tried?"
