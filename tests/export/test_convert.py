"""Conversion as a user meets it: what comes out, and what bad checkpoints get to hear."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_checkpoints import build_checkpoint
from safetensors.numpy import load_file, save_file

from inference.errors import CheckpointError, DiskSpaceError, UnsupportedModelError
from inference.export import graph_files
from inference.export.checkpoint import Checkpoint
from inference.export.convert import convert_checkpoint
from inference.model_folder import ModelFolder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", "31b")


@pytest.fixture
def checkpoint(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "tiny"))


def edit_config(checkpoint: Path, **changes: Any) -> None:
    file = checkpoint / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def assert_refused(checkpoint: Path, error: type[Exception], message: str, out: Path | None = None) -> None:
    out = out or checkpoint.parent / "out"
    before = {path.name for path in out.parent.iterdir()}
    with pytest.raises(error, match=message):
        convert_checkpoint(checkpoint, out)
    assert {path.name for path in out.parent.iterdir()} == before, "something was left behind"


@pytest.mark.parametrize(("precision", "suffix"), [("q4", "_q4"), ("q8", "_quantized"), ("fp32", "")])
def test_the_folder_has_the_layout_of_the_ecosystem(checkpoint: Path, precision: Any, suffix: str) -> None:
    out = checkpoint.parent / "deep" / "out"
    stages: list[tuple[str, float]] = []
    convert_checkpoint(checkpoint, out, precision, lambda stage, fraction, _="": stages.append((stage, fraction)))
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    graphs = {
        f"onnx/{graph}{suffix}.onnx{data}"
        for graph in ("decoder_model_merged", "embed_tokens")
        for data in ("", "_data")
    }
    assert names == graphs | {"config.json", "generation_config.json", "tokenizer.json", "larimar.json"}
    folder = ModelFolder.open(out)
    assert folder.suffix == suffix
    assert folder.record["quantization"]["precision"] == precision
    assert set(folder.record["source"]["sha256"]) == {"model.safetensors"}
    assert stages[-1] == ("Done", 1.0)
    assert all(0 <= fraction <= 1 for _, fraction in stages)
    assert {path.name for path in out.parent.iterdir()} == {"out"}


def test_a_multimodal_checkpoint_gives_its_text_model(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / "model.safetensors")
    renamed = {name.replace("model.", "model.language_model.", 1): tensor for name, tensor in tensors.items()}
    save_file(renamed, checkpoint / "model.safetensors")
    text = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(
        json.dumps({"model_type": "gemma4", "text_config": text, "vision_config": {"hidden_size": 8}})
    )
    out = convert_checkpoint(checkpoint, checkpoint.parent / "out", "fp32")
    assert ModelFolder.open(out).record["left_out"] == ["vision encoder"]


def test_shards_are_read_through_their_index(checkpoint: Path) -> None:
    _shard(checkpoint)
    convert_checkpoint(checkpoint, checkpoint.parent / "out")


def test_weights_are_read_exactly_whatever_their_dtype(checkpoint: Path) -> None:
    import torch
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    name = "model.norm.weight"
    values = torch.tensor([1.5, -2.25, 3.140625, 1e-30, -65504.0])
    others = load_torch(checkpoint / "model.safetensors")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        save_torch({**others, name: values.to(dtype)}, checkpoint / "model.safetensors")
        read = Checkpoint(checkpoint).read(name)
        np.testing.assert_array_equal(read, values.to(dtype).float().numpy())
    np.testing.assert_array_equal(Checkpoint(checkpoint).read(name, slice(1, 3)), read[1:3])


def test_not_a_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", CheckpointError, "There is no folder")
    (tmp_path / "empty").mkdir()
    assert_refused(tmp_path / "empty", CheckpointError, r"config\.json is missing")
    edit_config(checkpoint, model_type="llama")
    assert_refused(checkpoint, UnsupportedModelError, "of the type “llama”")


def test_damaged_config(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text('{"model_type": "gem')
    assert_refused(checkpoint, CheckpointError, "damaged")


def test_no_weights(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    assert_refused(checkpoint, CheckpointError, "no safetensors files")


def test_missing_shard_is_named(checkpoint: Path) -> None:
    second = _shard(checkpoint)
    second.unlink()
    assert_refused(checkpoint, CheckpointError, f"{second.name} is missing")


def test_truncated_shard_is_named(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10_000])
    assert_refused(checkpoint, CheckpointError, r"model\.safetensors is damaged or was cut off")
    file.write_bytes(b"")
    assert_refused(checkpoint, CheckpointError, r"model\.safetensors is damaged or was cut off")
    file.write_bytes(b"\xff" * 4096)
    assert_refused(checkpoint, CheckpointError, r"model\.safetensors is damaged or was cut off")


def test_missing_tensor_is_named(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.layers.3.mlp.up_proj.weight"]
    save_file(tensors, file)
    assert_refused(checkpoint, CheckpointError, r"lacks the tensor “model\.layers\.3\.mlp\.up_proj\.weight”")


def test_shape_that_does_not_fit_the_config(checkpoint: Path) -> None:
    edit_config(checkpoint, intermediate_size=128)
    assert_refused(checkpoint, CheckpointError, r"has the shape \[96, 64\]")


def test_integer_weights_are_refused(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    tensors["model.norm.weight"] = tensors["model.norm.weight"].astype(np.int32)
    save_file(tensors, file)
    assert_refused(checkpoint, CheckpointError, "has the dtype I32")


def test_a_file_that_shrinks_while_it_is_read(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    out = checkpoint.parent / "out"

    def truncate(stage: str, fraction: float, _: str = "") -> None:
        if stage == "Tracing decoder model merged" and fraction == pytest.approx(6 / 7):
            file.write_bytes(file.read_bytes()[:20_000])

    with pytest.raises(CheckpointError, match="ends too early"):
        convert_checkpoint(checkpoint, out, progress=truncate)
    assert not out.exists()


def test_tokenizer_is_needed(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    assert_refused(checkpoint, CheckpointError, r"tokenizer\.json is missing")


def test_a_folder_in_use_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    assert_refused(checkpoint, CheckpointError, "exists already", out)
    assert (out / "letter.txt").read_text() == "dear"


def test_too_little_disk_space(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(graph_files.shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 4096))
    assert_refused(checkpoint, DiskSpaceError, "Nothing was written")


def test_a_conversion_interrupted_early_leaves_nothing(checkpoint: Path) -> None:
    def interrupt(stage: str, _: float, detail: str = "") -> None:
        if stage.startswith("Writing"):
            raise KeyboardInterrupt

    before = {path.name for path in checkpoint.parent.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(checkpoint, checkpoint.parent / "out", progress=interrupt)
    assert {path.name for path in checkpoint.parent.iterdir()} == before


def _shard(checkpoint: Path) -> Path:
    """Split the one file in two with an index; return the second."""
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    names = sorted(tensors)
    halves = {
        "model-00001-of-00002.safetensors": names[: len(names) // 2],
        "model-00002-of-00002.safetensors": names[len(names) // 2 :],
    }
    for half, members in halves.items():
        save_file({name: tensors[name] for name in members}, checkpoint / half)
    file.unlink()
    weight_map = {name: half for half, members in halves.items() for name in members}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return checkpoint / "model-00002-of-00002.safetensors"
