"""Attention that is replaced at load does what the runtime's own does, and rounds alike however many rows run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from inference.cancellation import CancelToken
from inference.graphs import decoder, native_operators
from inference.graphs.attention_nodes import without_unread_presents
from inference.graphs.folded_attention import with_folded_attention
from inference.graphs.native_attention import with_native_attention
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder

pytestmark = pytest.mark.parity

CAPACITY = 64
ROWS = (1, 2, 3, 5, 9, 13)
FORMS = {"native": with_native_attention, "written out": with_folded_attention}


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    if request.param == "native" and (reason := native_operators.why_not()):
        if not reason.startswith("this processor"):
            pytest.fail(f"{reason}: python packaging/build_operators.py")
        pytest.skip(reason)
    return str(request.param)


SHARED = {
    "": None,
    "no present": ["second"],
    "unread present": ["second", "second_key", "second_value"],
}
"""What a layer that shares the keys of another hands back, by what it is called; older files name no present."""


def attention_graph(
    heads: int, kv_heads: int, size: int, *, scale: float = 1.0, window: int = -1, shared: str = "", **more: Any
) -> bytes:
    """Return a graph of two attention nodes over one cache: the second reads what the first appended."""

    def value(name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    def node(inputs: list[str], outputs: list[str]) -> onnx.NodeProto:
        return helper.make_node(
            "GroupQueryAttention",
            [*inputs, "last", "total"],
            outputs,
            domain="com.microsoft",
            **{"num_heads": heads, "kv_num_heads": kv_heads, "scale": scale, "local_window_size": window, **more},
        )

    nothing = helper.make_tensor("nothing", TensorProto.FLOAT, [1, 0, kv_heads * size], [])
    nodes = [node(["query", "key", "value", "past_key", "past_value"], ["first", "present_key", "present_value"])]
    outputs = [value("first", [1, "rows", heads * size])]
    if second := SHARED[shared]:
        nodes.append(node(["again", "nothing", "nothing", "present_key", "present_value"], second))
        outputs.append(value("second", [1, "kept", heads * size]))
    cache = [1, kv_heads, "capacity", size]
    graph = helper.make_graph(
        nodes,
        "attention",
        [
            value("query", [1, "rows", heads * size]),
            value("again", [1, "kept", heads * size]),
            value("key", [1, "rows", kv_heads * size]),
            value("value", [1, "rows", kv_heads * size]),
            value("past_key", cache),
            value("past_value", cache),
            value("last", [1], TensorProto.INT32),
            value("total", [], TensorProto.INT32),
        ],
        [*outputs, value("present_key", cache), value("present_value", cache)],
        [nothing],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def run(content: bytes, feeds: dict[str, np.ndarray], cache: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run with the past and the present in one buffer; return the outputs, the buffers among them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if library := native_operators.library():
        options.register_custom_ops_library(str(library))
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array.copy()) for name, array in cache.items()}
    for name, array in feeds.items():
        if name in {node.name for node in session.get_inputs()}:
            binding.bind_cpu_input(name, array)
    for name, buffer in values.items():
        binding.bind_ortvalue_input(f"past_{name}", buffer)
        binding.bind_ortvalue_output(f"present_{name}", buffer)
    others = [node.name for node in session.get_outputs() if not node.name.startswith("present_")]
    for name in others:
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    return dict(zip([*(f"present_{name}" for name in values), *others], binding.copy_outputs_to_cpu(), strict=True))


@given(
    heads=st.sampled_from([(1, 1), (4, 1), (4, 2), (3, 3), (8, 2)]),
    size=st.sampled_from([8, 24]),
    rows=st.integers(1, 7),
    past=st.integers(0, 40),
    window=st.sampled_from([-1, 1, 5, 64]),
    scale=st.sampled_from([1.0, 0.25]),
    shared=st.sampled_from(list(SHARED)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_the_replacement_is_the_same(
    form: str,
    heads: tuple[int, int],
    size: int,
    rows: int,
    past: int,
    window: int,
    scale: float,
    shared: str,
    seed: int,
) -> None:
    content = attention_graph(*heads, size, scale=scale, window=window, shared=shared)
    replaced = FORMS[form](content)
    assert replaced is not None
    operators = {node.op_type for node in onnx.load_model_from_string(replaced).graph.node}
    assert "GroupQueryAttention" not in operators
    draw = np.random.default_rng(seed)

    def states(count: int, number: int) -> np.ndarray:
        return draw.standard_normal((1, count, number * size)).astype(np.float32)

    cache = {name: draw.standard_normal((1, heads[1], CAPACITY, size)).astype(np.float32) for name in ("key", "value")}
    feeds = {
        "query": states(rows, heads[0]),
        "again": states(min(rows, 2), heads[0]),
        "key": states(rows, heads[1]),
        "value": states(rows, heads[1]),
        "last": np.array([past + rows - 1], np.int32),
        "total": np.array(past + rows, np.int32),
    }
    expected, found = run(content, feeds, cache), run(replaced, feeds, cache)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


def test_presents_that_nobody_reads_are_not_made() -> None:
    """The file names them for the sake of others; where it does, the runtime copies the whole cache."""
    named, plain = (attention_graph(4, 2, 8, shared=shared) for shared in ("unread present", "no present"))
    changed = without_unread_presents(named)
    assert changed is not None
    assert onnx.load_model_from_string(changed) == onnx.load_model_from_string(plain)
    assert without_unread_presents(plain) is None
    assert without_unread_presents(attention_graph(4, 2, 8)) is None
    assert without_unread_presents(named[:-9]) is None


def test_files_name_the_present_of_every_layer(drafted: Any) -> None:
    """ONNX Runtime before 1.31, on which transformers.js runs, crashes where an attention node names none."""
    folder = drafted("e2b").folder
    for graph in ("decoder_model_merged", "drafter"):
        nodes = onnx.load(folder.graph(graph), load_external_data=False).graph.node
        outputs = [[name for name in node.output if name] for node in nodes if node.op_type == "GroupQueryAttention"]
        assert {len(names) for names in outputs} == {3}
        assert len({name for names in outputs for name in names}) == 3 * len(outputs)


def test_presents_that_something_reads_stay(form: str) -> None:
    model = onnx.load_model_from_string(attention_graph(4, 2, 8, shared="unread present"))
    model.graph.output.append(helper.make_tensor_value_info("second_value", TensorProto.FLOAT, None))
    content = model.SerializeToString()
    assert without_unread_presents(content) is None
    assert FORMS[form](content) is None
    # read by a branch only
    branch = helper.make_graph([helper.make_node("Identity", ["second_key"], ["inner"])], "branch", [], [])
    branch.output.append(helper.make_tensor_value_info("inner", TensorProto.FLOAT, None))
    model = onnx.load_model_from_string(attention_graph(4, 2, 8, shared="unread present"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["outer"], then_branch=branch, else_branch=branch))
    assert without_unread_presents(model.SerializeToString()) is None


@pytest.mark.parametrize("attribute", [{"do_rotary": 1}, {"softcap": 5.0}, {"smooth_softmax": 1}])
def test_forms_that_are_not_known_stay_as_they_are(form: str, attribute: dict[str, Any]) -> None:
    assert FORMS[form](attention_graph(4, 1, 8, **attribute)) is None


def test_heads_of_odd_sizes_are_written_out() -> None:
    content = attention_graph(4, 1, 12)
    assert with_native_attention(content) is None
    assert with_folded_attention(content) is not None


@pytest.mark.parametrize("precision", ["fp16", "q4f16"])
def test_graphs_in_float16_stay_as_they_are(converted: Any, form: str, precision: str) -> None:
    folder: Path = converted("e2b", precision).folder
    assert FORMS[form](next(folder.glob("onnx/decoder*.onnx")).read_bytes()) is None


@given(cut=st.integers(0, 400), noise=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_damaged_content_is_left_alone(form: str, cut: int, noise: int) -> None:
    content = bytearray(attention_graph(4, 1, 8))
    cut %= len(content)
    content[cut] = noise
    for damaged in (bytes(content), bytes(content[:cut])):
        assert isinstance(FORMS[form](damaged), bytes | None)  # and raises nothing


@pytest.mark.parametrize("kind", ["e2b", "31b", "odd", "moe", "unified"])
@pytest.mark.parametrize("precision", ["q4", "fp32"])
def test_rows_come_to_the_same_bits_one_by_one_and_together(
    converted: Any, form: str, monkeypatch: pytest.MonkeyPatch, kind: str, precision: str
) -> None:
    if form == "written out":
        monkeypatch.setattr(decoder, "with_native_attention", lambda _: None)
    folder: Path = converted(kind, precision).folder
    model = LanguageModel.open(ModelFolder.open(folder), provider="cpu", threads=1)
    try:
        draw = random.Random(kind)
        prompt = [2, *(draw.randrange(110, 500) for _ in range(40))]
        text = [draw.randrange(110, 500) for _ in range(26)]
        assert list(model.prefill(prompt, CancelToken()))[-1] == len(prompt)
        one_by_one = [model.step(token, CancelToken()) for token in text]
        for rows in ROWS:
            model.roll_back(len(prompt))
            together: list[np.ndarray] = []
            while len(together) < len(text):
                done = len(together)
                verified = model.verify(text[done : done + min(rows, model.most_rows)], CancelToken())
                assert verified is not None
                together += list(verified)
            for place, (single, row) in enumerate(zip(one_by_one, together, strict=True)):
                assert single is not None
                # float32 experts multiply the rows that chose them: one by another routine than several
                off = 1e-4 if (kind, precision) == ("moe", "fp32") else 0.0
                assert np.abs(single - row).max() <= off, f"{rows} rows, token {place}"
    finally:
        model.close()
