"""``--check`` passes on what we convert, and finds what is wrong with a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from fixtures_checkpoints import FULL, SLIDING, build_checkpoint
from fixtures_multimodal import build_multimodal_checkpoint
from safetensors.numpy import load_file, save_file

import main
from inference.cancellation import CancelToken
from inference.errors import LarimarError, ModelFolderError, UnsupportedModelError
from inference.export import check, convert
from inference.export.check import Row, check_folder, difference, table
from inference.export.convert import convert_checkpoint
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder

torch.set_num_threads(1)


@pytest.fixture(scope="module", params=["e2b-q4", "moe-q8", "unified-fp32"])
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    kind, precision = request.param.split("-")
    folder = tmp_path_factory.mktemp(kind)
    checkpoint = build_checkpoint(folder / "checkpoint", kind)
    return checkpoint, convert_checkpoint(checkpoint, folder / "out", precision)  # type: ignore[arg-type]


def _probes(rows: list[Row]) -> str:
    return " ".join(row.probe for row in rows)


def test_what_we_convert_passes_as_a_whole_and_layer_by_layer(converted: tuple[Path, Path]) -> None:
    whole = check_folder(*converted)
    assert all(row.passed for row in whole), table(whole)
    assert "text, 48 tokens" in _probes(whole)
    layers = check_folder(*converted, memory=0)
    assert all(row.passed for row in layers), table(layers)
    assert "text" not in _probes(layers)
    assert {"sliding", "full", "head,"} <= set(_probes(layers).replace("(", "").split())
    assert max(row.difference for row in layers) < 2e-5  # one layer, same weights: nothing but the order of sums


def test_a_head_in_8_bits(tmp_path: Path) -> None:
    checkpoint = build_checkpoint(tmp_path / "checkpoint", "e2b")
    out = convert_checkpoint(checkpoint, tmp_path / "out", "q4", lm_head="q8")
    graph = onnx.load(out / "onnx" / "decoder_model_merged_q4.onnx", load_external_data=False).graph
    products = [node for node in graph.node if node.op_type == "MatMulNBits"]
    bits = [next(field.i for field in node.attribute if field.name == "bits") for node in products]
    assert bits == [4] * (len(bits) - 1) + [8]
    rows = check_folder(checkpoint, out)
    assert all(row.passed for row in rows), table(rows)


@pytest.mark.parametrize("memory", [None, 0])
def test_a_wrong_weight_is_found(converted: tuple[Path, Path], tmp_path: Path, memory: int | None) -> None:
    checkpoint, out = converted
    folder = Path(shutil.copytree(out, tmp_path / "out"))
    (file,) = (folder / "onnx").glob("decoder_model_merged*.onnx")
    graph = onnx.load(file, load_external_data=False).graph
    (tensor,) = (
        tensor
        for tensor in graph.initializer
        if "layers.0.self_attn.o_proj" in tensor.name and "scales" not in tensor.name and tensor.external_data
    )
    place = {entry.key: entry.value for entry in tensor.external_data}
    with (folder / "onnx" / place["location"]).open("r+b") as data:
        data.seek(int(place["offset"]))
        content = np.frombuffer(data.read(int(place["length"])), np.uint8)
        data.seek(int(place["offset"]))
        data.write(np.roll(content, 4 * 8).tobytes())
    rows = check_folder(checkpoint, folder, memory=memory)
    failed = [row for row in rows if not row.passed]
    assert failed, table(rows)
    assert failed[0].probe.startswith("text" if memory is None else "layer 0")
    assert "TOO FAR OFF" in table(rows)


@pytest.mark.parametrize("precision", ["fp32", "q4"])
def test_encoders_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Any) -> None:
    monkeypatch.setattr(convert, "RECIPES", convert.RECIPES[1:])  # the decoder takes time, and has no part in this
    checkpoint = build_multimodal_checkpoint(tmp_path / "checkpoint", "e2b")
    out = convert_checkpoint(checkpoint, tmp_path / "out", precision)
    suffix = convert.SUFFIXES[precision]
    (out / "onnx" / f"decoder_model_merged{suffix}.onnx").write_bytes(b"")
    monkeypatch.setattr(check, "PROBES", ())
    rows = check_folder(checkpoint, out)
    assert _probes(rows) == "image, 66 soft tokens sound, 53 soft tokens"
    assert all(row.passed for row in rows), table(rows)
    if precision == "q4":
        assert all(row.difference > 1e-3 for row in rows), "rounding has no effect: what was compared?"


SMALL = {"num_hidden_layers": 2, "layer_types": [SLIDING, FULL]}


def test_odd_sizes_are_checked(tmp_path: Path) -> None:
    """No kernel of ONNX Runtime has heads of 12 and 20, and none of torch's experts of 45."""
    sizes = {"head_dim": 12, "global_head_dim": 20, "moe_intermediate_size": 45}
    checkpoint = build_checkpoint(tmp_path / "checkpoint", "moe", **SMALL, **sizes)
    out = convert_checkpoint(checkpoint, tmp_path / "out", "q4")
    for memory in (None, 0):
        rows = check_folder(checkpoint, out, memory=memory)
        assert all(row.passed for row in rows), table(rows)
    with pytest.raises(UnsupportedModelError, match="The heads of this model have 12 numbers"):
        convert_checkpoint(checkpoint, tmp_path / "half", "q4f16")
    model = LanguageModel.open(ModelFolder.open(out), provider="cpu", threads=1)
    for _ in model.prefill([2, *range(130, 140)], CancelToken()):
        pass
    assert np.isfinite(model.logits).all()
    model.close()


def test_noise_of_float32_is_told_from_errors(tmp_path: Path) -> None:
    """Sharp attention magnifies the last bits; what transformers does in float64 is the measure then."""
    checkpoint = build_checkpoint(tmp_path / "checkpoint", "31b")
    tensors = load_file(checkpoint / "model.safetensors")
    sharp = {name: tensor * (4 if "q_norm" in name or "k_norm" in name else 1) for name, tensor in tensors.items()}
    save_file(sharp, checkpoint / "model.safetensors")
    out = convert_checkpoint(checkpoint, tmp_path / "out", "fp32")
    rows = check_folder(checkpoint, out)
    assert all(row.passed for row in rows), table(rows)
    (text,) = (row for row in rows if row.probe.startswith("text"))
    assert text.against == "transformers, float64", "there is no noise in it: what was checked?"
    assert text.limit is not None
    assert text.limit < 0.2
    # and an error is still one
    sharp["model.layers.3.self_attn.o_proj.weight"] = np.roll(sharp["model.layers.3.self_attn.o_proj.weight"], 1)
    save_file(sharp, checkpoint / "model.safetensors")
    assert "TOO FAR OFF" in table(check_folder(checkpoint, out))


def test_what_goes_wrong_in_a_check_is_told(
    converted: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Any) -> Any:
        raise RuntimeError("strides should be multiple of 16 bytes")

    monkeypatch.setattr(check, "PROBES", (fails,))
    with pytest.raises(LarimarError, match=r"could not be made \(RuntimeError: strides"):
        check_folder(*converted)


def test_a_difference_that_is_no_number_fails() -> None:
    assert not Row("probe", "reference", float("nan"), limit=1e-3).passed
    assert Row("probe", "reference", 0.5).passed
    assert difference(np.array([1.0, 3.0]), np.array([1.0, 3.0])) == 0
    assert difference(np.array([2.0, 4.0]), np.array([1.0, 3.0])) == pytest.approx(1.0)


def test_a_folder_of_unknown_origin_is_refused(converted: tuple[Path, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted[1], tmp_path / "out"))
    (folder / "larimar.json").unlink()
    with pytest.raises(ModelFolderError, match="does not say how it was converted"):
        check_folder(converted[0], folder)


@pytest.mark.parametrize(("difference_", "code"), [(1e-6, 0), (1.0, 1)])
def test_the_command_says_it_in_its_exit_code(
    converted: tuple[Path, Path],
    difference_: float,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(check, "PROBES", (lambda _: [Row("the probe", "nothing", difference_, limit=1e-3)],))
    before = json.loads((converted[1] / "larimar.json").read_text())
    arguments: list[Any] = ["convert", converted[0], converted[1], "--check"]
    assert main.main([str(argument) for argument in arguments]) == code
    said = capsys.readouterr()
    assert "the probe" in said.out
    assert ("TOO FAR OFF" in said.out) == bool(code)
    assert json.loads((converted[1] / "larimar.json").read_text()) == before
