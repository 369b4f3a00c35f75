"""Our own operators for products with 4-bit and 8-bit weights: their numbers, and the graphs that they take part in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inference.cancellation import CancelToken
from inference.graphs import native_operators
from inference.graphs import session as session_module
from inference.graphs.loading import weight_files
from inference.graphs.native_products import with_native_products
from inference.graphs.session import open_session
from inference.language_model import LanguageModel
from inference.memory import release_unused, unmap_pages
from inference.model_folder import ModelFolder, default_model_folder

BLOCK = 32
MOST_FEW = 16
"""Rows that come to the same bits as alone."""


@pytest.fixture(scope="module", params=["best", "AVX2"])
def library(request: pytest.FixtureRequest, native_library: Path) -> Iterator[Path]:
    """The library, with the kernels that it takes here, and with those of plainer processors where these are others."""
    if request.param == "AVX2" and "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the best are those for AVX2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LARIMAR_NATIVE_AVX512", "1" if request.param == "best" else "0")
        yield native_library


def graph_of(
    weights: NDArray[np.uint8], scales: NDArray[np.floating], *, zero_points: bool = False, **attributes: int
) -> bytes:
    """Return a graph of one product, rows [M, K] to [M, N]."""
    n, blocks, _ = weights.shape
    kind = helper.np_dtype_to_tensor_dtype(scales.dtype)
    inputs = ["rows", "weights", "scales"]
    initializers = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(scales, "scales")]
    if zero_points:
        inputs.append("zero_points")
        initializers.append(numpy_helper.from_array(np.full((n, (blocks + 1) // 2), 0x88, np.uint8), "zero_points"))
    given = {"N": n, "K": blocks * BLOCK, "bits": 4, "block_size": BLOCK, "accuracy_level": 4} | attributes
    node = helper.make_node("MatMulNBits", inputs, ["product"], domain="com.microsoft", **given)
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("rows", kind, ["M", given["K"]])],
        [helper.make_tensor_value_info("product", kind, ["M", n])],
        initializers,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def made_up(seed: int, n: int, blocks: int, bits: int = 4) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    weights = random.integers(0, 256, (n, blocks, BLOCK * bits // 8)).astype(np.uint8)
    return weights, random.normal(0, 0.01, (n, blocks)).astype(np.float32)


def session_of(library: Path, content: bytes, threads: int = 2, *, pack: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(library))
    native = with_native_products(content, pack=pack, eight_bits=True)
    assert native is not None
    return onnxruntime.InferenceSession(native, options, providers=["CPUExecutionProvider"])


def product(session: onnxruntime.InferenceSession, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = session.run(None, {"rows": rows})[0]
    return result


def rounded(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return rows as they are after rounding to 8 bits in blocks."""
    parts = rows.reshape(len(rows), rows.shape[1] // BLOCK, BLOCK).astype(np.float64)
    scales = np.abs(parts).max(-1, keepdims=True) / 127
    return (np.rint(parts / np.where(scales, scales, 1)) * scales).reshape(rows.shape)


def plain(weights: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the weights as numbers, [N, K]."""
    values = np.stack([weights & 15, weights >> 4], axis=-1).reshape(len(weights), -1, BLOCK).astype(np.float64) - 8
    return (values * scales[..., None]).reshape(len(weights), -1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 150),
    blocks=st.integers(1, 14),
    rows=st.integers(0, 60),
    size=st.sampled_from([1e-20, 1e-3, 1.0, 1e4]),
    pack=st.booleans(),
)
def test_it_multiplies(library: Path, seed: int, n: int, blocks: int, rows: int, size: float, pack: bool) -> None:
    weights, scales = made_up(seed, n, blocks)
    given_rows = (np.random.default_rng(seed).normal(0, size, (rows, blocks * BLOCK))).astype(np.float32)
    given_rows[::3] = 0
    result = product(session_of(library, graph_of(weights, scales), pack=pack), given_rows)
    expected = rounded(given_rows) @ plain(weights, scales).T
    assert result.shape == (rows, n)
    # products of 8 and 4 bits are exact: what is left is float32's rounding and ties of rounding to 8 bits
    assert np.abs(result - expected).max(initial=0) <= 2e-3 * np.abs(expected).max(initial=0)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 150),
    k=st.integers(1, 1000),
    rows=st.integers(0, 60),
    size=st.sampled_from([1e-20, 1e-3, 1.0, 1e4]),
)
def test_it_multiplies_by_8_bits(native_library: Path, seed: int, n: int, k: int, rows: int, size: float) -> None:
    weights, scales = made_up(seed, n, -(-k // BLOCK), bits=8)
    given_rows = np.random.default_rng(seed).normal(0, size, (rows, k)).astype(np.float32)
    result = product(session_of(native_library, graph_of(weights, scales, bits=8, K=k)), given_rows)
    values = (weights.astype(np.float64) - 128) * scales[..., None]
    expected = given_rows.astype(np.float64) @ values.reshape(n, -1)[:, :k].T
    assert result.shape == (rows, n)
    largest = np.abs(given_rows.astype(np.float64)) @ np.abs(values.reshape(n, -1)[:, :k]).T
    assert (np.abs(result - expected) <= 1e-5 * largest + 1e-30).all()  # float32's rounding: rows are not rounded


@pytest.mark.parametrize(("n", "k"), [(64, 1536), (1000, 160), (33, 4096), (4096, 250)])
def test_rows_of_8_bit_products_come_to_the_same_bits_alone_and_together(native_library: Path, n: int, k: int) -> None:
    content = graph_of(*made_up(1, n, -(-k // BLOCK), bits=8), bits=8, K=k)
    one, four = session_of(native_library, content, threads=1), session_of(native_library, content, threads=4)
    rows = np.random.default_rng(2).normal(0, 1, (70, k)).astype(np.float32)
    alone = np.concatenate([product(one, rows[place : place + 1]) for place in range(MOST_FEW)])
    for count in range(1, MOST_FEW + 1):
        np.testing.assert_array_equal(product(one, rows[:count]), alone[:count])
        np.testing.assert_array_equal(product(four, rows[:count]), alone[:count])
    np.testing.assert_array_equal(product(one, rows), product(four, rows))


@pytest.mark.parametrize(("n", "blocks"), [(64, 48), (1000, 5), (33, 384), (4096, 8)])
def test_rows_come_to_the_same_bits_alone_and_together(library: Path, n: int, blocks: int) -> None:
    session = session_of(library, graph_of(*made_up(1, n, blocks)))
    rows = np.random.default_rng(2).normal(0, 1, (MOST_FEW, blocks * BLOCK)).astype(np.float32)
    alone = np.concatenate([product(session, rows[place : place + 1]) for place in range(len(rows))])
    in_file = session_of(library, graph_of(*made_up(1, n, blocks)), pack=False)
    for count in range(1, MOST_FEW + 1):
        np.testing.assert_array_equal(product(session, rows[:count]), alone[:count])
        np.testing.assert_array_equal(product(in_file, rows[:count]), alone[:count])


def test_neither_threads_nor_packing_change_anything(library: Path) -> None:
    content = graph_of(*made_up(3, 5001, 16))
    rows = np.random.default_rng(4).normal(0, 1, (70, 512)).astype(np.float32)
    one = session_of(library, content, threads=1)
    others = [session_of(library, content, threads=4), session_of(library, content, threads=3, pack=False)]
    for count in (1, 7, 70):
        expected = product(one, rows[:count])
        for session in others:
            np.testing.assert_array_equal(product(session, rows[:count]), expected)


def test_many_sessions_share_the_memory_of_packed_weights_and_give_it_back(library: Path) -> None:
    rows = np.random.default_rng(4).normal(0, 1, (1, 1536)).astype(np.float32)
    content = graph_of(*made_up(3, 20_000, 48))  # 15 MB
    kept = session_of(library, content)
    expected = product(kept, rows)
    held = anonymous_bytes()
    for _ in range(20):
        np.testing.assert_array_equal(product(session_of(library, content), rows), expected)
        release_unused()
    assert anonymous_bytes() - held < 160 << 20
    np.testing.assert_array_equal(product(kept, rows), expected)


def test_it_comes_close_to_the_runtimes_own(library: Path) -> None:
    content = graph_of(*made_up(5, 300, 10))
    runtime = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(6).normal(0, 1, (20, 320)).astype(np.float32)
    for count in (1, 20):
        theirs = product(runtime, rows[:count])
        assert np.abs(product(session_of(library, content), rows[:count]) - theirs).max() < 0.01 * np.abs(theirs).max()


def test_only_products_of_the_known_form_are_replaced() -> None:
    weights, scales = made_up(1, 16, 4)
    assert with_native_products(graph_of(weights, scales), pack=True) is not None
    assert with_native_products(graph_of(weights, scales.reshape(-1)), pack=True) is not None
    assert with_native_products(graph_of(weights, scales, zero_points=True), pack=True) is None
    assert with_native_products(graph_of(weights, scales, accuracy_level=1), pack=True) is None, (
        "rows must not be rounded"
    )
    assert with_native_products(graph_of(weights, scales.astype(np.float16)), pack=True) is None
    assert with_native_products(graph_of(weights, scales, bits=8), pack=True, eight_bits=True) is None, (
        "half a byte each"
    )
    eight = graph_of(*made_up(1, 16, 4, bits=8), bits=8)
    assert with_native_products(eight, pack=True) is None
    assert with_native_products(eight, pack=True, eight_bits=True) is not None
    assert with_native_products(graph_of(weights, scales, block_size=64), pack=True) is None
    assert with_native_products(graph_of(weights, scales, N=15), pack=True) is None, "sizes that contradict each other"


def test_what_is_no_graph_is_left_to_the_runtime() -> None:
    content = graph_of(*made_up(1, 16, 4))
    for damaged in (b"", b"no graph", content[: len(content) // 2], content[:-1]):
        assert with_native_products(damaged, pack=True) is None


def test_shapes_that_do_not_fit_are_refused(library: Path) -> None:
    model = onnx.load_from_string(with_native_products(graph_of(*made_up(1, 16, 4)), pack=True) or b"")
    scales = next(each for each in model.graph.initializer if each.name == "scales")
    scales.CopyFrom(numpy_helper.from_array(np.ones((16, 3), np.float32), "scales"))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(str(library))
    with pytest.raises(Exception, match="the shapes do not fit together"):
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def refuse(*_: object) -> None:
    raise RuntimeError("an operator of that name is registered already")


@pytest.fixture
def anew() -> Iterator[None]:
    """Lets a test change whether the library is used."""
    native_operators.why_not.cache_clear()
    yield
    native_operators.why_not.cache_clear()


@pytest.mark.usefixtures("anew")
def test_without_the_library_the_runtime_multiplies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native_operators.SWITCH, "0")
    assert native_operators.library() is None
    assert native_operators.why_not() == "LARIMAR_NATIVE_OPERATORS is 0"
    monkeypatch.delenv(native_operators.SWITCH)
    native_operators.why_not.cache_clear()
    monkeypatch.setattr(native_operators, "LIBRARY", tmp_path / "library.so")
    assert native_operators.why_not() == "they were not built"
    native_operators.why_not.cache_clear()
    native_operators.LIBRARY.write_bytes(b"no library")
    assert native_operators.why_not() == "their library is damaged or for another system"
    runs(tmp_path)


@pytest.mark.usefixtures("anew", "native_library")
def test_a_library_that_the_runtime_refuses_leaves_the_work_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime.SessionOptions, "register_custom_ops_library", refuse)
    assert native_operators.why_not() == "ONNX Runtime does not take them"
    runs(tmp_path)


def runs(folder: Path) -> None:
    graph = folder / "graph.onnx"
    graph.write_bytes(graph_of(*made_up(1, 16, 4)))
    assert product(open_session(graph, "cpu"), np.ones((1, 128), np.float32)).shape == (1, 16)


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("count", [1, 3, 200])
def test_a_model_says_the_same_with_and_without(library: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    tokens = np.random.default_rng(7).integers(300, 2000, 64 + count).tolist()
    logits = []
    for switch in ("1", "0"):
        monkeypatch.setenv(native_operators.SWITCH, switch)
        native_operators.why_not.cache_clear()
        model = LanguageModel.open(ModelFolder.open(default_model_folder()), provider="cpu", threads=1)
        list(model.prefill(tokens[:64], CancelToken()))
        rows = model.verify(tokens[64:], CancelToken()) if count < 10 else None
        if rows is None:
            list(model.prefill(tokens, CancelToken()))
        logits.append(model.logits)
        model.close()
    native, runtime = logits
    # both round rows to 8 bits, on different sides of near ties
    assert np.abs(native - runtime).max() < 0.1 * np.abs(runtime).max()
    assert np.corrcoef(native, runtime)[0, 1] > 0.999


@pytest.mark.parametrize("room", [None, 1 << 30])
def test_weights_stay_in_the_file_where_memory_is_short(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int | None
) -> None:
    """A matrix of 60 MB adds no more than a few to the memory that is the process's own."""
    monkeypatch.setattr(session_module, "available_bytes", lambda: room)
    folder = tmp_path / "large"
    folder.mkdir()
    weights, scales = made_up(1, 65536, 48)
    model = onnx.load_from_string(graph_of(weights, scales))
    onnx.save(model, folder / "graph.onnx", save_as_external_data=True, location="graph.onnx_data", size_threshold=1024)
    del model, weights, scales
    release_unused()
    before = anonymous_bytes()
    session = open_session(folder / "graph.onnx", "cpu", threads=1)
    expected = product(session, np.ones((1, 1536), np.float32))
    assert anonymous_bytes() - before < 20 << 20
    unmap_pages(weight_files(folder / "graph.onnx"))
    np.testing.assert_array_equal(product(session, np.ones((1, 1536), np.float32)), expected)
    shutil.rmtree(folder)
    product(session, np.ones((1, 1536), np.float32))  # a deleted file lives on as long as it is mapped


def anonymous_bytes() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("the system does not tell")
    line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def branch_graph(
    *, shared: bool = False, replaceable: bool = False, inside: bool = False, wrong: bool = False
) -> bytes:
    """Return a graph with a product in the branch of an If, of a matrix of the graph around it."""
    weights, scales = made_up(1, 64, 4)
    values = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(scales[:-1] if wrong else scales, "scales"),
    ]
    attributes = {"N": 64, "K": 128, "bits": 4, "block_size": 32, "accuracy_level": 4}
    names = ["rows", "weights", "scales"]
    node = helper.make_node("MatMulNBits", names, ["inner"], domain="com.microsoft", **attributes)
    inner, outer = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("inner", "product"))
    other = helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, None)
    nothing = helper.make_node("Constant", [], ["other"], value_float=0.0)
    branches = {
        "then_branch": helper.make_graph([node], "then", [], [inner], values if inside else []),
        "else_branch": helper.make_graph([nothing], "else", [], [other]),
    }
    nodes = [helper.make_node("If", ["chosen"], ["product"], **branches)]
    outputs = [outer]
    if shared:
        nodes.append(helper.make_node("Identity", ["scales"], ["again"]))
        outputs.append(helper.make_tensor_value_info("again", onnx.TensorProto.FLOAT, None))
    inputs = [
        helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, ["M", 128]),
        helper.make_tensor_value_info("chosen", onnx.TensorProto.BOOL, []),
    ]
    if replaceable:
        inputs.append(helper.make_tensor_value_info("scales", onnx.TensorProto.FLOAT, [64, 4]))
    graph = helper.make_graph(nodes, "branch", inputs, outputs, [] if inside else values)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


@pytest.mark.parametrize("inside", [False, True])
def test_a_matrix_of_a_branch_moves_into_it(library: Path, tmp_path: Path, inside: bool) -> None:
    """Where it is a constant for the runtime, and still mapped from its file."""
    path = tmp_path / "graph.onnx"
    model = onnx.load_from_string(branch_graph(inside=inside))
    onnx.save(model, path, save_as_external_data=not inside, location="graph.onnx_data", size_threshold=64)
    native = onnx.load_from_string(with_native_products(path.read_bytes(), pack=True) or b"")
    (node,) = native.graph.node
    then = next(each.g for each in node.attribute if each.name == "then_branch")
    assert [each.op_type for each in then.node] == ["Int4MatMul"]
    assert [each.name for each in then.initializer] == ["weights", "scales"]
    assert not native.graph.initializer
    rows = np.random.default_rng(1).normal(0, 1, (3, 128)).astype(np.float32)
    feeds = {"rows": rows, "chosen": np.array(True)}
    (found,) = open_session(path, "cpu").run(None, feeds)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_the_runtime_calls_a_matrix_in_a_branch_constant(native_library: Path) -> None:
    """So that one of a wrong shape is refused when the graph is opened, not when the branch is first chosen."""
    model = onnx.load_from_string(with_native_products(branch_graph(inside=True), pack=True) or b"")
    then = next(each.g for each in model.graph.node[0].attribute if each.name == "then_branch")
    then.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(3, np.float32), "scales"))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(str(native_library))
    with pytest.raises(Exception, match="the shapes do not fit together"):
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def test_a_matrix_that_may_change_is_left_to_the_runtime() -> None:
    assert with_native_products(branch_graph(), pack=True) is not None
    assert with_native_products(branch_graph(shared=True), pack=True) is None, "it cannot move: it has another use"
    assert with_native_products(branch_graph(replaceable=True), pack=True) is None
    model = onnx.load_from_string(graph_of(*made_up(1, 16, 4)))
    model.graph.input.append(helper.make_tensor_value_info("scales", onnx.TensorProto.FLOAT, [16, 4]))
    assert with_native_products(model.SerializeToString(), pack=True) is None
    assert with_native_products(branch_graph(wrong=True), pack=True) is None


def test_products_of_another_domain_stay() -> None:
    model = onnx.load_from_string(graph_of(*made_up(1, 16, 4)))
    model.graph.node[0].domain = "stranger"
    assert with_native_products(model.SerializeToString(), pack=True) is None


def test_what_is_no_number_stays_none(library: Path) -> None:
    """In rows: rounding to 8 bits makes no noise of it. Amounts too small for a scale count as zeros."""
    weights, scales = made_up(1, 40, 2)
    for pack in (True, False):
        session = session_of(library, graph_of(weights, scales), pack=pack)
        for count in (1, 3, 20):
            rows = np.ones((count, 64), np.float32)
            clean = product(session, rows)
            for odd in (np.nan, np.inf, -np.inf):
                rows[count // 2, 40] = odd
                result = product(session, rows)
                assert np.isnan(result[count // 2]).all()
                others = np.arange(count) != count // 2
                np.testing.assert_array_equal(result[others], clean[others])
            rows[count // 2] = 1e-40
            assert np.abs(product(session, rows)[count // 2]).max() < 1e-38
