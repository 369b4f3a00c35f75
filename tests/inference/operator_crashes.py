"""Graphs and feeds that once ended the process, or were answered with numbers of before; a child process for tests.

    python operator_crashes.py LIBRARY CASE

Prints "refused: …" with the runtime's sentence, or the numbers that came out.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOAT, BYTE, INT32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT32


def session_of(
    op: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    kinds: Mapping[str, int],
    constants: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> onnxruntime.InferenceSession:
    """Return a session of one of our operators."""
    graph = helper.make_graph(
        [helper.make_node(op, inputs, outputs, domain="larimar", **attributes)],
        "crash",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("larimar", 1)]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(sys.argv[1])
    content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def heads(count: int, states: tuple[int, ...]) -> None:
    """The number of heads, times 8, wraps around 2⁶⁴."""
    session = session_of(
        "NormedHeads", ["x", "w"], ["y"], {"x": FLOAT, "w": FLOAT}, num_heads=count, epsilon=1e-6
    )  # fmt: skip
    session.run(None, {"x": ones(*states), "w": ones(8)})


def attention() -> None:
    kinds = {"q": FLOAT, "k": FLOAT, "v": FLOAT, "last": INT32}
    attributes = {"num_heads": (1 << 60) + 2, "kv_num_heads": 1, "window": 0, "scale": 1.0}
    session = session_of("SharedAttention", [*kinds], ["y"], kinds, **attributes)
    cache = ones(1, 1, 8, 16)
    session.run(None, {"q": ones(1, 2, 32), "k": cache, "v": cache, "last": np.array([3], np.int32)})


def second_weight_alone() -> None:
    kinds = dict.fromkeys(["x", "w", "r", "after"], FLOAT)
    session = session_of("AddNorm", ["x", "w", "r", "", "after"], ["y"], kinds, epsilon=1e-6)
    session.run(None, {"x": ones(2, 16), "w": ones(16), "r": ones(2, 16), "after": ones(16)})


def second_output_alone() -> None:
    kinds = dict.fromkeys(["x", "w", "r"], FLOAT)
    session = session_of("AddNorm", [*kinds], ["y", "normed"], kinds, epsilon=1e-6)
    session.run(None, {"x": ones(2, 16), "w": ones(16), "r": ones(2, 16)})


def fewer_rows_at_the_same_address() -> None:
    """Of the first run's 4096 rows, all but four are no longer mapped in the second."""
    session = session_of("Int4MatMul", ["x", "w", "s"], ["y"], {"x": FLOAT, "w": BYTE, "s": FLOAT}, K=4096, pack=0)
    size, kept = 4096 * 128 * 16, 4 * 128 * 16
    mapped = mmap.mmap(-1, size)
    weights = np.frombuffer(mapped, np.uint8).reshape(4096, 128, 16)
    session.run(None, {"x": ones(1, 4096), "w": weights, "s": ones(4096, 128)})
    ctypes.CDLL(None).munmap(ctypes.c_void_p(weights.ctypes.data + kept), ctypes.c_size_t(size - kept))
    print(session.run(None, {"x": ones(1, 4096), "w": weights[:4], "s": ones(4, 128)})[0].tolist(), flush=True)


def other_scales() -> None:
    weights = np.full((8, 2, 16), 0x99, np.uint8)
    session = session_of(
        "Int4MatMul", ["x", "w", "s"], ["y"], {"x": FLOAT, "s": FLOAT}, {"w": weights}, K=64, pack=1
    )  # fmt: skip
    for scale in (1, 2, 0.5):
        print(session.run(None, {"x": ones(1, 64), "s": ones(8, 2) * np.float32(scale)})[0][0, 0], flush=True)
    session.run(None, {"x": ones(1, 64), "s": ones(1)})


def other_contents_at_the_same_address() -> None:
    kinds = {"x": FLOAT, "w": BYTE, "s": FLOAT}
    session = session_of("Int4MatMul", [*kinds], ["y"], kinds, K=64, pack=1)
    weights = np.full((8, 2, 16), 0x99, np.uint8)
    for content in (0x99, 0xAA):
        weights[...] = content
        print(session.run(None, {"x": ones(1, 64), "w": weights, "s": ones(8, 2)})[0][0, 0], flush=True)


CASES: dict[str, Callable[[], None]] = {
    "2**61 heads": lambda: heads(1 << 61, (1, 0)),
    "2**61 + 1 heads": lambda: heads((1 << 61) + 1, (4, 8)),
    "2**60 + 2 heads that attend": attention,
    "a second weight alone": second_weight_alone,
    "a second output alone": second_output_alone,
    "fewer rows at the same address": fewer_rows_at_the_same_address,
    "other scales": other_scales,
    "other contents at the same address": other_contents_at_the_same_address,
}


if __name__ == "__main__":
    try:
        CASES[sys.argv[2]]()
    except Exception as error:  # of the runtime's types
        print(f"refused: {error}")
