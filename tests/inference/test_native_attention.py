"""Our own operators for attention: their numbers, their bits, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

Array = NDArray[np.float32]
MOST_FEW = 16
"""Rows that come to the same bits as alone."""


def session_of(
    library: Path, heads: int, kv_heads: int, window: int, *, scale: float = 0.5, threads: int = 2
) -> onnxruntime.InferenceSession:
    """Return a session of one node that owns its keys, and one that reads them again for the first query only."""

    def value(name: str, kind: int = TensorProto.FLOAT) -> helper.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, None)

    attributes = {"num_heads": heads, "kv_num_heads": kv_heads, "window": window, "scale": scale}
    states = ["query", "key", "value", "past_key", "past_value", "last"]
    owned = ["output", "present_key", "present_value"]
    nodes = [
        helper.make_node("Attention", states, owned, domain="larimar", **attributes),
        helper.make_node("SharedAttention", ["query", *owned[1:], "last"], ["again"], domain="larimar", **attributes),
    ]
    inputs = [value(name, TensorProto.INT32 if name == "last" else TensorProto.FLOAT) for name in states]
    graph = helper.make_graph(nodes, "attention", inputs, [value(name) for name in (*owned, "again")])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("larimar", 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.register_custom_ops_library(str(library))
    content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def feeds_of(
    keys: Array, values: Array, query: Array, start: int, capacity: int, filler: float = 0.0
) -> dict[str, NDArray[np.generic]]:
    """Return inputs for rows at ``start`` and after, of states [positions, Hkv, D]."""
    rows, (_, kv_heads, size) = len(query), keys.shape
    past = np.full((2, 1, kv_heads, capacity, size), filler, np.float32)
    for buffer, states in zip(past, (keys, values), strict=True):
        buffer[0, :, :start] = states[:start].transpose(1, 0, 2)
    return {
        "query": query.reshape(1, rows, -1),
        "key": keys[start : start + rows].reshape(1, rows, -1),
        "value": values[start : start + rows].reshape(1, rows, -1),
        "past_key": past[0],
        "past_value": past[1],
        "last": np.array([start + rows - 1], np.int32),
    }


def expected(keys: Array, values: Array, query: Array, start: int, window: int, scale: float) -> NDArray[np.float64]:
    """Return what attention is by its definition, [rows, H, D]."""
    rows, heads, _ = query.shape
    result = np.zeros(query.shape)
    group = heads // keys.shape[1]
    for row in range(rows):
        end = start + row + 1
        seen = slice(max(0, end - window) if window else 0, end)
        for head in range(heads):
            scores = keys[seen, head // group].astype(np.float64) @ query[row, head] * scale
            weights = np.exp(scores - scores.max())
            result[row, head] = weights @ values[seen, head // group] / weights.sum()
    return result


@settings(max_examples=80, deadline=None)
@given(
    heads=st.sampled_from([(1, 1), (8, 1), (4, 2), (2, 1), (3, 1), (12, 2), (16, 1)]),
    size=st.sampled_from([8, 16, 24, 64, 256]),
    rows=st.one_of(st.integers(1, 16), st.integers(17, 90)),
    start=st.one_of(st.integers(0, 40), st.integers(200, 300)),
    window=st.sampled_from([0, 1, 5, 64]),
    size_of_scores=st.sampled_from([0.1, 1.0, 40.0]),
    seed=st.integers(0, 99),
)
def test_it_attends(
    native_library: Path,
    heads: tuple[int, int],
    size: int,
    rows: int,
    start: int,
    window: int,
    size_of_scores: float,
    seed: int,
) -> None:
    keys, values = drawn(seed, start + rows, heads[1], size), drawn(seed + 1, start + rows, heads[1], size)
    query = drawn(seed + 2, rows, heads[0], size)
    scale = size_of_scores / size**0.5
    session = session_of(native_library, *heads, window, scale=scale)
    # what lies behind the last row is never read
    feeds = feeds_of(keys, values, query, start, start + rows + 9, filler=np.nan)
    output, present_key, present_value, again = session.run(None, feeds)
    reference = expected(keys, values, query, start, window, scale)
    assert output.shape == (1, rows, heads[0] * size)
    np.testing.assert_allclose(
        output.reshape(reference.shape), reference, rtol=0, atol=3e-6 * max(1, size_of_scores**2)
    )
    np.testing.assert_array_equal(again, output)
    for present, states in ((present_key, keys), (present_value, values)):
        np.testing.assert_array_equal(present[0, :, : start + rows], states.transpose(1, 0, 2))


@pytest.mark.parametrize(("heads", "kv_heads", "size"), [(8, 1, 256), (8, 1, 512), (4, 2, 64), (3, 1, 16)])
@pytest.mark.parametrize("window", [0, 100])
def test_rows_come_to_the_same_bits_alone_and_together(
    native_library: Path, heads: int, kv_heads: int, size: int, window: int
) -> None:
    """However many rows run, on however many threads."""
    start, capacity = 700, 800
    keys, values = drawn(1, capacity, kv_heads, size), drawn(2, capacity, kv_heads, size)
    query = drawn(3, MOST_FEW, heads, size)
    sessions = {threads: session_of(native_library, heads, kv_heads, window, threads=threads) for threads in (1, 4)}
    alone = [
        sessions[1].run(["output"], feeds_of(keys, values, query[row : row + 1], start + row, capacity))[0][0]
        for row in range(MOST_FEW)
    ]
    for count in (1, 2, 3, 5, 9, 16):
        for threads, session in sessions.items():
            (together,) = session.run(["output"], feeds_of(keys, values, query[:count], start, capacity))
            np.testing.assert_array_equal(together[0], np.concatenate(alone[:count]), err_msg=f"{threads} threads")


def test_bound_in_place_only_new_rows_are_written(native_library: Path) -> None:
    keys, values, query = drawn(1, 12, 2, 16), drawn(2, 12, 2, 16), drawn(3, 2, 4, 16)
    feeds = feeds_of(keys, values, query, 10, 20, filler=7.0)
    session = session_of(native_library, 4, 2, 0)
    binding = session.io_binding()
    buffers = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(feeds[f"past_{name}"].copy()) for name in ("key", "value")
    }
    for name in ("query", "key", "value", "last"):
        binding.bind_cpu_input(name, feeds[name])
    for name, buffer in buffers.items():
        binding.bind_ortvalue_input(f"past_{name}", buffer)
        binding.bind_ortvalue_output(f"present_{name}", buffer)
    for name in ("output", "again"):
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    for name, states in (("key", keys), ("value", values)):
        np.testing.assert_array_equal(buffers[name].numpy()[0, :, :12], states.transpose(1, 0, 2))
        assert (buffers[name].numpy()[0, :, 12:] == 7).all()


def test_what_does_not_fit_is_refused(native_library: Path) -> None:
    keys, values, query = drawn(1, 12, 2, 16), drawn(2, 12, 2, 16), drawn(3, 2, 4, 16)
    feeds = feeds_of(keys, values, query, 10, 20)
    session = session_of(native_library, 4, 2, 0)
    for name, wrong in (
        ("last", np.array([20], np.int32)),  # behind the end of the buffers
        ("last", np.array([0], np.int32)),  # two rows, of which one would lie before their beginning
        ("last", np.array([3, 4], np.int32)),
        ("query", drawn(3, 1, 2, 48)),
        ("key", drawn(3, 1, 3, 32)),
        ("past_value", drawn(3, 1, 2, 19, 16)),
        ("past_key", drawn(3, 1, 1, 20, 16)),
    ):
        with pytest.raises(Exception, match="the shapes do not fit together"):
            session.run(None, feeds | {name: wrong})
