"""Drafters as a user meets them: converted with their model or added to it, and refused where they do not belong."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fixtures_checkpoints import FULL, SLIDING, build_checkpoint, text_classes
from fixtures_drafters import build_drafter_checkpoint
from safetensors.numpy import load_file, save_file

import main
from inference.errors import CheckpointError, DiskSpaceError, LarimarError, ModelFolderError, UnsupportedModelError
from inference.export import drafter as drafter_module
from inference.export import graph_files
from inference.export.add_drafter import add_drafter
from inference.export.check import check_folder
from inference.export.checkpoint import Checkpoint
from inference.export.convert import convert_checkpoint
from inference.export.drafter import build_drafter, drafter_plan
from inference.export.drafter_checkpoint import DrafterCheckpoint, is_drafter, open_drafter
from inference.export.tracing import Piece
from inference.graphs.drafter import Drafter, has_drafter
from inference.kv_cache import CacheSpec, KVCache
from inference.model_folder import ModelFolder

SMALL = {"num_hidden_layers": 2, "layer_types": [SLIDING, FULL], "num_kv_shared_layers": 0}
ORDERED = {
    "hidden_size": 40,
    "use_ordered_embeddings": True,
    "num_centroids": 32,
    "centroid_intermediate_top_k": 4,
    "layer_types": [SLIDING, FULL],
}


@pytest.fixture(autouse=True)
def traced_once(monkeypatch: pytest.MonkeyPatch, pieces: dict[Any, Piece]) -> None:
    """Tracing takes seconds and is always the same here; the parity tests trace every time."""
    trace = drafter_module.trace

    def remembered(module: Any, inputs: dict[str, Any], dynamic: Any, outputs: Any) -> Piece:
        shapes = tuple((name, tuple(tensor.shape)) for name, tensor in inputs.items())
        key = (type(module).__name__, getattr(module, "layer_type", None), shapes, tuple(outputs))
        if key not in pieces:
            pieces[key] = trace(module, inputs, dynamic, outputs)
        return pieces[key]

    monkeypatch.setattr(drafter_module, "trace", remembered)


@pytest.fixture(scope="module")
def pieces() -> dict[Any, Piece]:
    return {}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a target, and a drafter of it with a dense head and one with ordered embeddings."""
    root = tmp_path_factory.mktemp("checkpoints")
    build_checkpoint(root / "target", "31b", **SMALL)
    target = text_classes("31b")[1].from_pretrained(root / "target")
    build_drafter_checkpoint(root / "dense", "31b", target, layer_types=[SLIDING, FULL])
    build_drafter_checkpoint(root / "ordered", "31b", target, **ORDERED)
    return root


@pytest.fixture(scope="module")
def plain_folder(checkpoints: Path) -> Path:
    """The target without a drafter, q4."""
    return convert_checkpoint(checkpoints / "target", checkpoints / "plain")


@pytest.fixture
def folder(plain_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain_folder, tmp_path / "folder"))


@pytest.fixture
def drafter(checkpoints: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoints / "ordered", tmp_path / "drafter"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edit_config(checkpoint: Path, **changes: Any) -> None:
    file = checkpoint / "config.json"
    config = json.loads(file.read_text())
    text = changes.pop("text_config", {})
    file.write_text(json.dumps({**config, **changes, "text_config": {**config["text_config"], **text}}))


def edit_tensors(checkpoint: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


def test_both_at_once_or_one_after_the_other(checkpoints: Path, folder: Path, tmp_path: Path) -> None:
    together = convert_checkpoint(checkpoints / "target", tmp_path / "together", drafter=checkpoints / "ordered")
    stages: list[tuple[str, float]] = []
    assert not has_drafter(ModelFolder.open(folder))
    add_drafter(checkpoints / "ordered", folder, lambda stage, fraction, detail="": stages.append((stage, fraction)))
    assert contents(folder).keys() == contents(together).keys()
    for name, content in contents(together).items():
        if name.endswith(".json"):
            assert json.loads((folder / name).read_text()) == json.loads(content), name
        else:
            assert (folder / name).read_bytes() == content, name
    opened = ModelFolder.open(folder)
    assert has_drafter(opened)
    assert opened.record["drafter"]["name"] == "ordered"
    assert set(opened.record["drafter"]["sha256"]) == {"model.safetensors"}
    assert opened.config["transformers.js_config"]["use_external_data_format"]["drafter_q4.onnx"] == 1
    assert stages[-1] == ("Done", 1.0)
    assert {stage for stage, _ in stages} == {"Tracing drafter", "Writing drafter", "Done"}
    open_drafter_graph(folder)


@pytest.mark.parametrize(("name", "precision", "bits"), [("dense", "q4", 4), ("dense", "q8", 8), ("ordered", "q4", 8)])
def test_what_is_quantised(checkpoints: Path, name: str, precision: Any, bits: int) -> None:
    """Every matrix; 4 bits become 8 for ordered embeddings, whose clusters are looked up."""
    source = DrafterCheckpoint(checkpoints / name)
    graph = build_drafter(source, drafter_plan(source, precision)).graph
    matrices = [node for node in graph if node.op_type in ("MatMulNBits", "GatherBlockQuantized")]
    assert {node.attributes["bits"].as_int() for node in matrices} == {bits}
    assert not [node for node in graph if node.op_type in ("MatMul", "Linear")]
    assert ("GatherBlockQuantized" in {node.op_type for node in matrices}) == (name == "ordered")


@pytest.mark.parametrize(("hidden", "clusters"), [(40, 256), (36, 512)])
def test_clusters_of_any_size_are_found(
    checkpoints: Path, folder: Path, tmp_path: Path, hidden: int, clusters: int
) -> None:
    """A cluster is one row to look up; one that is no multiple of a block was cut along an axis that is not there."""
    target = text_classes("31b")[1].from_pretrained(checkpoints / "target")
    sizes = {**ORDERED, "hidden_size": hidden, "num_centroids": clusters, "centroid_intermediate_top_k": 9}
    drafter = build_drafter_checkpoint(tmp_path / "drafter", "31b", target, **sizes)
    add_drafter(drafter, folder)
    rows = check_folder(checkpoints / "target", folder, drafter=drafter)
    assert [row.passed for row in rows if row.probe.startswith("drafter")] == [True]


def test_what_was_trained_for_4_bits_gets_them(checkpoints: Path, tmp_path: Path) -> None:
    trained = Path(shutil.copytree(checkpoints / "ordered", tmp_path / "tiny-it-qat-q4_0-unquantized-assistant"))
    source = DrafterCheckpoint(trained)
    graph = build_drafter(source, drafter_plan(source, "q4")).graph
    assert {node.attributes["bits"].as_int() for node in graph if "bits" in node.attributes} == {4}


def test_clusters_are_the_rows_in_their_order(checkpoints: Path) -> None:
    source = DrafterCheckpoint(checkpoints / "ordered")
    table, ordering = source.read("model.embed_tokens.weight"), source.token_ordering()
    clusters = source.read(DrafterCheckpoint.CLUSTERS)
    assert clusters.shape == (32, 512 // 32 * 40)
    np.testing.assert_array_equal(clusters.reshape(512, 40), table[ordering])
    np.testing.assert_array_equal(source.read(DrafterCheckpoint.CLUSTERS, slice(3, 7)), clusters[3:7])


def test_a_drafter_that_leaves_the_number_of_shared_layers_to_the_reader(drafter: Path) -> None:
    edit_config(drafter, text_config={"num_kv_shared_layers": 0})
    assert DrafterCheckpoint(drafter).text_config.num_kv_shared_layers == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"backbone_hidden_size": 48}, "the hidden size is 48 for the drafter and 64 for the model"),
        (
            {"text_config": {"num_key_value_heads": 4}},
            "the number of key/value heads of sliding attention is 4 for the drafter and 2 for the model",
        ),
        ({"text_config": {"head_dim": 32}}, "the head size of sliding attention is 32 for the drafter and 16"),
        ({"model_type": "gemma4"}, "is of the type “gemma4”; Gemma 4’s drafters are"),
        ({"text_config": {"hidden_size_per_layer_input": 8}}, "built otherwise than Gemma 4’s"),
        ({"text_config": {"num_kv_shared_layers": 1}}, "built otherwise than Gemma 4’s"),
        ({"num_centroids": 33}, "into 33 clusters"),
        ({"centroid_intermediate_top_k": 64}, "looks at 64 of them"),
        ({"num_centroids": None}, "gives “None” for num_centroids"),
    ],
)
def test_what_does_not_belong_is_refused(
    checkpoints: Path, folder: Path, drafter: Path, changes: dict[str, Any], sentence: str
) -> None:
    edit_config(drafter, **changes)
    assert_refused(checkpoints, folder, drafter, UnsupportedModelError, sentence)


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.pop(name)


def _set(name: str, value: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.__setitem__(name, value(tensors[name]))


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (_drop("model.layers.1.layer_scalar"), "lacks the tensor “model.layers.1.layer_scalar”"),
        (_drop("model.embed_tokens.weight"), "no token embedding"),
        (_drop("masked_embedding.token_ordering"), "lacks the tensor “masked_embedding.token_ordering”"),
        (_set("masked_embedding.token_ordering", lambda ordering: ordering + 1), "names tokens that do not exist"),
        (_set("masked_embedding.token_ordering", lambda ordering: ordering[:-1]), r"has the shape \[511\]"),
        (_set("masked_embedding.token_ordering", lambda ordering: ordering.astype(np.float32)), "the dtype F32"),
        (_set("model.embed_tokens.weight", lambda table: table[:256]), r"has the shape \[256, 40\]"),
        (_set("post_projection.weight", lambda matrix: matrix[:-1]), r"has the shape \[63, 40\]"),
    ],
)
def test_damaged_drafters_are_refused(
    checkpoints: Path, folder: Path, drafter: Path, edit: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    edit_tensors(drafter, edit)
    assert_refused(checkpoints, folder, drafter, CheckpointError, sentence, convert_too=False)


def assert_refused(
    checkpoints: Path,
    folder: Path,
    drafter: Path,
    error: type[LarimarError],
    sentence: str,
    *,
    convert_too: bool = True,
) -> None:
    before = contents(folder)
    with pytest.raises(error, match=sentence.replace("(", r"\(")):
        add_drafter(drafter, folder)
    assert contents(folder) == before
    if convert_too:
        with pytest.raises(error, match=sentence.replace("(", r"\(")):
            convert_checkpoint(checkpoints / "target", folder.parent / "out", drafter=drafter)
        assert not (folder.parent / "out").exists()


def test_a_drafter_is_no_model(checkpoints: Path, tmp_path: Path) -> None:
    assert is_drafter(checkpoints / "ordered")
    assert not is_drafter(checkpoints / "target")
    assert not is_drafter(tmp_path)
    with pytest.raises(UnsupportedModelError, match="gemma4_assistant"):
        convert_checkpoint(checkpoints / "ordered", tmp_path / "out")
    with pytest.raises(ModelFolderError, match="There is no model folder"):
        add_drafter(checkpoints / "ordered", tmp_path / "nowhere")


def test_a_second_drafter_is_refused(checkpoints: Path, folder: Path) -> None:
    (folder / "onnx" / "drafter_q4.onnx").write_bytes(b"precious")
    before = contents(folder)
    with pytest.raises(ModelFolderError, match="has a drafter already"):
        add_drafter(checkpoints / "dense", folder)
    assert contents(folder) == before


def test_another_vocabulary_is_refused(checkpoints: Path) -> None:
    target = Checkpoint(checkpoints / "target").text_config
    target.vocab_size = 1024
    with pytest.raises(UnsupportedModelError, match="the vocabulary is 512 for the drafter and 1024 for the model"):
        open_drafter(checkpoints / "dense", target)


def change_cache_type(folder: Path, element_type: int) -> None:
    file = folder / "onnx" / "decoder_model_merged_q4.onnx"
    model = onnx.load(file, load_external_data=False)
    for value in model.graph.input:
        if value.name.startswith("past_key_values."):
            value.type.tensor_type.elem_type = element_type
    onnx.save(model, file)


def test_a_drafter_reads_what_the_decoder_keeps(checkpoints: Path, folder: Path) -> None:
    change_cache_type(folder, onnx.TensorProto.INT8)
    with pytest.raises(UnsupportedModelError, match="in a form that a drafter cannot read"):
        add_drafter(checkpoints / "dense", folder)
    change_cache_type(folder, onnx.TensorProto.FLOAT16)
    add_drafter(checkpoints / "dense", folder)
    open_drafter_graph(folder, dtype=np.float16)


def test_nothing_is_left_when_it_does_not_work_out(
    checkpoints: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(stage: str, _fraction: float, _detail: str = "") -> None:
        if stage.startswith("Writing"):
            raise KeyboardInterrupt

    before = contents(folder)
    with pytest.raises(KeyboardInterrupt):
        add_drafter(checkpoints / "dense", folder, interrupt)
    assert contents(folder) == before

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(graph_files.shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 4096))
    with pytest.raises(DiskSpaceError, match="Nothing was written"):
        add_drafter(checkpoints / "dense", folder)
    assert contents(folder) == before


def test_a_folder_that_cannot_be_written_to(checkpoints: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("inference.export.add_drafter.tempfile.mkdtemp", refuse)
    with pytest.raises(ModelFolderError, match="cannot be written to: Permission denied"):
        add_drafter(checkpoints / "dense", folder)


def open_drafter_graph(folder: Path, *, heads: int = 2, size: int = 16, dtype: Any = np.float32) -> Drafter:
    specs = {f"past_key_values.0.{part}": CacheSpec(heads, size, dtype, 8) for part in ("key", "value")}
    specs |= {f"past_key_values.1.{part}": CacheSpec(1, 32, dtype) for part in ("key", "value")}
    return Drafter(ModelFolder.open(folder), KVCache(specs, 1024), provider="cpu", threads=1)


def test_opening_what_does_not_fit(checkpoints: Path, folder: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"lacks onnx/drafter_q4\.onnx"):
        open_drafter_graph(folder)
    add_drafter(checkpoints / "dense", folder)
    open_drafter_graph(folder)
    open_drafter_graph(folder, dtype=np.float16)  # a cache in half precision fits too
    for changes in ({"heads": 1}, {"size": 32}, {"dtype": np.float64}):
        with pytest.raises(ModelFolderError, match="is not a drafter for this model"):
            open_drafter_graph(folder, **changes)
    config = json.loads((folder / "config.json").read_text())
    for changes in ({"hidden_size": 48}, {"vocab_size": 500}, {"layer_types": [FULL, FULL]}, {"layer_types": None}):
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(ModelFolderError, match="is not a drafter for this model"):
            open_drafter_graph(folder)
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(folder / "onnx" / "embed_tokens_q4.onnx", folder / "onnx" / "drafter_q4.onnx")
    with pytest.raises(ModelFolderError, match="is not a drafter for this model"):
        open_drafter_graph(folder)
    (folder / "onnx" / "drafter_q4.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelFolderError, match="cannot be loaded"):
        open_drafter_graph(folder)


def test_the_command_adds_a_drafter(checkpoints: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["convert", str(checkpoints / "dense"), str(folder)]) == 0
    assert has_drafter(ModelFolder.open(folder))
    assert main.main(["convert", str(checkpoints / "dense"), str(folder)]) == 1
    assert "has a drafter already" in capsys.readouterr().err
    out = folder.parent / "out"
    assert main.main(["convert", str(checkpoints / "target"), str(out), "--drafter", str(checkpoints / "target")]) == 1
    assert "Gemma 4’s drafters are" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("name", ["dense", "ordered"])
def test_the_check_covers_the_drafter(checkpoints: Path, folder: Path, name: str) -> None:
    add_drafter(checkpoints / name, folder)
    *_, row = check_folder(checkpoints / "target", folder, drafter=checkpoints / name)
    assert (row.probe, row.agreement) == ("drafter, 4 guesses", "4 of 4")
    assert row.passed
    assert row.difference < 1e-4
    graph = onnx.load(folder / "onnx" / "drafter_q4.onnx", load_external_data=False).graph
    (tensor,) = (tensor for tensor in graph.initializer if tensor.name.startswith("pre_projection.weight_q"))
    place = {entry.key: entry.value for entry in tensor.external_data}
    with (folder / "onnx" / place["location"]).open("r+b") as data:
        data.seek(int(place["offset"]))
        data.write(b"\x5a" * (int(place["length"]) // 2))
    *_, row = check_folder(checkpoints / "target", folder, drafter=checkpoints / name)
    assert not row.passed


def test_the_check_of_a_drafter_needs_the_model(
    checkpoints: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.main(["convert", str(checkpoints / "dense"), str(folder), "--check"])
    assert "--check takes the model’s own checkpoint" in capsys.readouterr().err
    assert not has_drafter(ModelFolder.open(folder))
