"""Small nodes that are joined into our own operators: the same numbers, and what is left alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inference.graphs.native_rows import with_native_rows

Array = NDArray[np.float32]
FLOAT = TensorProto.FLOAT


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Graph:
    """A graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, op_type: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = f"{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], domain=domain, **attributes))
        return name

    def norm(self, states: str, width: int, seed: int = 0, **attributes: Any) -> str:
        given = {"axis": -1, "epsilon": 1e-6, "stash_type": 1} | attributes
        weight = self.constant(1 + 0.1 * drawn(seed, width))
        return self.add("SimplifiedLayerNormalization", states, weight, **given)

    def content(self, inputs: dict[str, int], outputs: list[str]) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "rows",
            [helper.make_tensor_value_info(name, kind, None) for name, kind in inputs.items()],
            [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def heads_graph(heads: int, size: int, *, turned: bool, flat: tuple[int, ...] = (0, 0, -1)) -> bytes:
    graph = Graph()
    apart = graph.add("Reshape", "states", graph.constant([1, -1, heads, size], np.int64), allowzero=1)
    states = graph.add("Reshape", graph.norm(apart, size), graph.constant(flat, np.int64))
    inputs = {"states": FLOAT}
    if turned:
        angles = ["positions", "cosines", "sines"]
        states = graph.add("RotaryEmbedding", states, *angles, domain="com.microsoft", num_heads=heads)
        inputs |= {"positions": TensorProto.INT64, "cosines": FLOAT, "sines": FLOAT}
    return graph.content(inputs, [states])


def sum_graph(width: int, *, factor: bool = True, after: bool = True, shared: bool = False, **norm: Any) -> bytes:
    graph = Graph()
    normed = graph.norm("states", width, **norm)
    total = graph.add("Add", "residual", normed)
    if factor:
        total = graph.add("Mul", total, graph.constant([0.7]))
    outputs = [total, graph.norm(total, width, seed=1)] if after else [total]
    return graph.content({"states": FLOAT, "residual": FLOAT}, [*outputs, *([normed] if shared else [])])


def gate_graph(width: int, approximate: str = "tanh") -> bytes:
    graph = Graph()
    gate, up = (graph.add("MatMul", "states", graph.constant(drawn(seed, 16, width))) for seed in (1, 2))
    gelu = graph.add("Gelu", gate, approximate=approximate)
    return graph.content({"states": FLOAT}, [graph.add("Mul", gelu, up)])


def session_of(content: bytes, library: Path | None, threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    if library is not None:
        options.register_custom_ops_library(str(library))
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def operators(content: bytes | None) -> Counter[str]:
    assert content is not None
    return Counter(node.op_type for node in onnx.load_model_from_string(content).graph.node)


def assert_same(library: Path, content: bytes, feeds: dict[str, Any], wanted: dict[str, int]) -> None:
    joined = with_native_rows(content)
    assert operators(joined) == wanted
    assert joined is not None
    expected = session_of(content, None).run(None, feeds)
    for threads in (1, 2):
        found = session_of(joined, library, threads).run(None, feeds)
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6 * max(1, np.abs(other).max(initial=0)))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.one_of(st.integers(1, 5), st.integers(100, 200)),
    heads=st.sampled_from([1, 2, 8]),
    size=st.sampled_from([8, 16, 24, 256]),
    part=st.sampled_from([1.0, 0.5, 0.25]),
    turned=st.booleans(),
    amount=st.sampled_from([1e-6, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_normed_heads(
    native_library: Path, rows: int, heads: int, size: int, part: float, turned: bool, amount: float, seed: int
) -> None:
    feeds: dict[str, Any] = {"states": drawn(seed, 1, rows, heads * size) * np.float32(amount)}
    if turned:
        angles = drawn(seed, rows + 3, size // 2)
        if part < 1:  # as the family does it: no turn where the angle is 0
            angles[:, int(size // 2 * part) :] = 0
        positions = np.random.default_rng(seed).integers(0, rows + 3, (1, rows))
        feeds |= {"positions": positions, "cosines": np.cos(angles), "sines": np.sin(angles)}
    wanted = {"NormedRotary": 1} if turned else {"NormedHeads": 1}
    assert_same(native_library, heads_graph(heads, size, turned=turned), feeds, wanted)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.one_of(st.integers(1, 5), st.integers(100, 200)),
    width=st.sampled_from([8, 24, 64, 1536]),
    factor=st.booleans(),
    after=st.booleans(),
    amount=st.sampled_from([1e-6, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_sums(native_library: Path, rows: int, width: int, factor: bool, after: bool, amount: float, seed: int) -> None:
    feeds = {"states": drawn(seed, 1, rows, width) * np.float32(amount), "residual": drawn(seed + 1, 1, rows, width)}
    assert_same(native_library, sum_graph(width, factor=factor, after=after), feeds, {"AddNorm": 1})


@settings(max_examples=40, deadline=None)
@given(
    rows=st.one_of(st.integers(1, 5), st.integers(100, 200)),
    width=st.sampled_from([8, 24, 512]),
    amount=st.sampled_from([1e-3, 1.0, 30.0]),
    seed=st.integers(0, 99),
)
def test_gates(native_library: Path, rows: int, width: int, amount: float, seed: int) -> None:
    feeds = {"states": drawn(seed, 1, rows, 16) * np.float32(amount)}
    assert_same(native_library, gate_graph(width), feeds, {"MatMul": 2, "GatedGelu": 1})


@pytest.mark.parametrize("kind", ["heads", "turned", "sums"])
def test_rows_come_to_the_same_bits_alone_and_together(native_library: Path, kind: str) -> None:
    count = 9
    feeds: dict[str, Any] = {"states": drawn(1, 1, count, 512)}
    if kind == "sums":
        content = sum_graph(512)
        feeds["residual"] = drawn(2, 1, count, 512)
    else:
        content = heads_graph(2, 256, turned=kind == "turned")
        if kind == "turned":
            feeds |= {
                "positions": np.arange(count)[None],
                "cosines": drawn(3, count, 128),
                "sines": drawn(4, count, 128),
            }
    joined = with_native_rows(content)
    assert joined is not None
    session = session_of(joined, native_library)
    together = session.run(None, feeds)
    for row in range(count):
        one = {
            name: value if name in ("cosines", "sines") else value[:, row : row + 1] for name, value in feeds.items()
        }
        for alone, all_rows in zip(session.run(None, one), together, strict=True):
            np.testing.assert_array_equal(alone[0, 0], all_rows[0, row])


@pytest.mark.parametrize(
    "content",
    [
        heads_graph(2, 12, turned=True),
        heads_graph(2, 16, turned=False, flat=(1, 1, -1)),
        sum_graph(12),
        sum_graph(16, shared=True, after=False),
        sum_graph(16, stash_type=10, after=False),
        gate_graph(16, approximate="none"),
        gate_graph(12),
    ],
    ids=["odd heads", "another shape", "odd width", "norm used elsewhere", "another type inside", "exact", "odd gate"],
)
def test_what_has_another_form_stays(content: bytes) -> None:
    assert with_native_rows(content) is None


def test_what_a_branch_uses_stays() -> None:
    graph = Graph()
    normed = graph.norm("states", 16)
    total = graph.add("Add", "residual", normed)
    inner = helper.make_node("Identity", [normed], ["inner"])
    other = helper.make_node("Identity", ["residual"], ["other"])
    branches = {
        name: helper.make_graph([node], name, [], [helper.make_tensor_value_info(node.output[0], FLOAT, None)])
        for name, node in (("then_branch", inner), ("else_branch", other))
    }
    chosen = graph.add("If", "condition", **branches)
    inputs = {"states": FLOAT, "residual": FLOAT, "condition": TensorProto.BOOL}
    assert with_native_rows(graph.content(inputs, [total, chosen])) is None


def test_a_second_weight_without_a_factor() -> None:
    content = sum_graph(16, factor=False)
    joined = onnx.load_model_from_string(with_native_rows(content) or b"")
    (node,) = joined.graph.node
    assert list(node.input[3:4]) == [""]
    assert len(node.input) == 5
    assert len(node.output) == 2


@given(cut=st.integers(0, 900), noise=st.integers(0, 255))
@settings(max_examples=80, deadline=None)
def test_damaged_content_is_left_alone(cut: int, noise: int) -> None:
    content = bytearray(sum_graph(16))
    cut %= len(content)
    content[cut] = noise
    for damaged in (bytes(content), bytes(content[:cut])):
        assert isinstance(with_native_rows(damaged), bytes | None)  # and raises nothing


def test_shapes_that_do_not_fit_are_refused(native_library: Path) -> None:
    turned = with_native_rows(heads_graph(2, 16, turned=True))
    assert turned is not None
    session = session_of(turned, native_library)
    feeds = {
        "states": drawn(1, 1, 3, 32),
        "positions": np.arange(3)[None],
        "cosines": drawn(1, 3, 8),
        "sines": drawn(2, 3, 8),
    }
    session.run(None, feeds)
    for name, wrong in (
        ("positions", np.array([[0, 1, 3]])),  # there is no angle for it
        ("positions", np.array([[0, -1, 2]])),
        ("positions", np.arange(2)[None]),
        ("states", drawn(1, 1, 3, 48)),
        ("sines", drawn(2, 4, 8)),
    ):
        with pytest.raises(Exception, match="do not fit together"):
            session.run(None, feeds | {name: wrong})


def test_operators_of_other_domains_stay() -> None:
    for name, domain in (
        ("RotaryEmbedding", ""),
        ("SimplifiedLayerNormalization", "stranger"),
        ("Reshape", "stranger"),
    ):
        model = onnx.load_model_from_string(heads_graph(2, 16, turned=True))
        for node in model.graph.node:
            if node.op_type == name:
                node.domain = domain
        kinds = operators(with_native_rows(model.SerializeToString()) or model.SerializeToString())
        assert "NormedRotary" not in kinds


def test_a_value_that_is_made_twice_is_left_to_the_runtime() -> None:
    model = onnx.load_model_from_string(sum_graph(16))
    model.graph.node.append(model.graph.node[0])
    assert with_native_rows(model.SerializeToString()) is None
