"""Files of graphs that a stranger made: what names our own operators, is no file, or is damaged in any byte."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from inference.errors import ModelFolderError
from inference.graphs import onnx_bytes
from inference.graphs.folded_attention import with_folded_attention
from inference.graphs.graph_file import check_graph_file, names_own_operators
from inference.graphs.half_cache import with_half_cache
from inference.graphs.hidden_state import hidden_state_name
from inference.graphs.native_attention import with_native_attention
from inference.graphs.native_products import with_native_products
from inference.graphs.native_rows import with_native_rows
from inference.graphs.onnx_bytes import MODEL_GRAPH, count_uses, graph_of, write_field
from inference.graphs.session import open_session
from inference.model_folder import default_model_folder

DEMO = default_model_folder() / "onnx" / "decoder_model_merged_q4.onnx"
DRAFTER = default_model_folder() / "onnx" / "drafter_q4.onnx"


def own_node(output: str = "y") -> onnx.NodeProto:
    return helper.make_node("GatedGelu", ["x", "x"], [output], domain="larimar")


def model_of(nodes: list[onnx.NodeProto], *domains: str, functions: list[onnx.FunctionProto] | None = None) -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [8]) for name in "xy"]
    graph = helper.make_graph(nodes, "stranger", values[:1], values[1:])
    opsets = [helper.make_opsetid(domain, 1 if domain else 21) for domain in ("", *domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions or [], producer_name="larimar")
    model.ir_version = 10
    content: bytes = model.SerializeToString()
    return content


def in_branch() -> bytes:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    branch = helper.make_graph([own_node("inner")], "branch", [], [value])
    choice = helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)
    return model_of([helper.make_node("Cast", ["x"], ["condition"], to=TensorProto.BOOL), choice])


def in_function(domain: str) -> bytes:
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("larimar", 1)]
    function = helper.make_function(domain, "Twice", ["x"], ["y"], [own_node()], opsets)
    return model_of([helper.make_node("Twice", ["x"], ["y"], domain=domain)], domain, functions=[function])


def oddly_written() -> bytes:
    """The domain with a length of two bytes where one is enough: to a reader it is the same."""
    content = model_of([own_node()])
    assert content.count(b"\x3a\x07larimar") == 1
    longer = content.replace(b"\x3a\x07larimar", b"\x3a\x87\x00larimar")
    graph = bytes(graph_of(content)).replace(b"\x3a\x07larimar", b"\x3a\x87\x00larimar")
    node_length = graph[1]
    assert longer != content
    # the lengths of the node and of the graph around it grow with it
    graph = graph[:1] + bytes([node_length + 1]) + graph[2:]
    return content.replace(write_field(MODEL_GRAPH, bytes(graph_of(content))), write_field(MODEL_GRAPH, graph))


@pytest.mark.parametrize(
    "make",
    [
        lambda: model_of([own_node()], "larimar"),
        lambda: model_of([own_node()]),
        lambda: model_of([helper.make_node("Gelu", ["x"], ["y"])], "larimar"),
        in_branch,
        lambda: in_function("larimar"),
        lambda: in_function("mine"),
        oddly_written,
    ],
    ids=["a node", "a node alone", "a version", "in a branch", "a function", "in a function", "oddly written"],
)
def test_files_that_name_our_own_operators_are_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = tmp_path / "decoder.onnx"
    path.write_bytes(make())
    with pytest.raises(ModelFolderError, match="names operators that only Larimar itself puts into graphs"):
        open_session(path, "cpu")


def test_a_file_that_names_them_and_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decoder.onnx"
    path.write_bytes(b"\x0b" + model_of([own_node()]))  # begins with a group, which no message of ONNX has
    with pytest.raises(ModelFolderError, match="only Larimar itself"):
        check_graph_file(path)


def test_names_that_only_look_alike_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "decoder.onnx"
    alike = helper.make_node("Identity", ["x"], ["larimar"], name="larimar")
    path.write_bytes(model_of([alike, helper.make_node("Identity", ["larimar"], ["y"])]))
    check_graph_file(path)
    session = open_session(path, "cpu")
    assert session.run(None, {"x": np.ones(8, np.float32)})[0].sum() == 8
    for own in default_model_folder().glob("onnx/*.onnx"):
        check_graph_file(own)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder.onnx", tmp_path / "pipe.onnx"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, Path(os.devnull)):
        with pytest.raises(ModelFolderError, match="is not a file"):
            open_session(path, "cpu")
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate((2 << 30) + 1)
    with pytest.raises(ModelFolderError, match="larger than an ONNX graph can be"):
        open_session(large, "cpu")
    for content in (b"", b"no graph", b"\x80" * 100_000):
        (tmp_path / "damaged.onnx").write_bytes(content)
        with pytest.raises(ModelFolderError, match="cannot be loaded"):
            open_session(tmp_path / "damaged.onnx", "cpu")


def nested(depth: int) -> bytes:
    """Return a model of graphs within graphs."""
    node = helper.make_node("Identity", ["x"], ["y"]).SerializeToString()
    for _ in range(depth):
        graph = write_field(1, node)
        node = write_field(4, b"If") + write_field(5, write_field(6, graph)) + write_field(2, b"y")
    return write_field(MODEL_GRAPH, write_field(1, node))


def test_graphs_within_graphs_have_an_end() -> None:
    for depth in (5000, 40):
        model = nested(depth)
        with pytest.raises(ValueError, match="graphs within graphs"):
            count_uses(graph_of(model))
        assert names_own_operators(memoryview(model)), "where it cannot be told, it is"
        every_reader(model)
    assert count_uses(graph_of(nested(20))) == {"x": 1}
    assert not names_own_operators(memoryview(nested(20)))


def test_graphs_without_an_end_of_nodes_are_left_to_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_bytes, "_MOST_FIELDS", 1000)
    monkeypatch.setattr(onnx_bytes, "_MOST_NAMES", 1500)
    node = write_field(1, helper.make_node("Identity", ["x"], ["y"]).SerializeToString())
    wide = write_field(1, helper.make_node("Sum", ["x"] * 900, ["y"]).SerializeToString())
    for graph, what in ((node * 1001, "fields"), (b"\x0a\x00" * 1001, "fields"), (wide * 2, "names")):
        model = write_field(MODEL_GRAPH, graph)
        with pytest.raises(ValueError, match=f"too many {what}"):
            count_uses(graph_of(model))
        every_reader(model)
    assert count_uses(graph_of(write_field(MODEL_GRAPH, node * 1000)))["x"] == 1000


def every_reader(content: bytes) -> None:
    """Give content to all that read graphs; they raise nothing."""
    for read in (with_native_attention, with_native_rows, with_folded_attention, with_half_cache):
        assert isinstance(read(content), bytes | None)
    assert isinstance(with_native_products(content, pack=True, eight_bits=True), bytes | None)
    assert isinstance(names_own_operators(memoryview(content)), bool)


ODD = (b"\x80" * 12, b"\xff" * 9 + b"\x01", b"\x00", b"\x0b", b"\xff\xff\xff\xff\x0f", b"larimar", b"MatMulNBits",
       b"If", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")  # fmt: skip


@pytest.mark.usefixtures("native_library")
@given(data=st.data())
@settings(max_examples=examples(60), deadline=None)
def test_graphs_damaged_in_any_byte_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from([DEMO, DRAFTER])).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.integers(0, 4)):
            case 0:
                content[place] = data.draw(st.integers(0, 255))
            case 1:
                content[place:place] = data.draw(st.sampled_from(ODD))
            case 2:
                del content[place : place + data.draw(st.integers(1, 40))]
            case 3:
                content[place : place + 8] = data.draw(st.sampled_from(ODD))
            case _:
                del content[max(1, place) :]
    every_reader(bytes(content))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content)
    with contextlib.suppress(ModelFolderError):
        hidden_state_name(path)
