"""Sessions of our own operators that several threads run at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from operator_contracts import expected

N, K = 300, 512
Array = NDArray[Any]


def session_of(library: Path, bits: int, constants: dict[str, Array], threads: int = 2) -> onnxruntime.InferenceSession:
    """Return a session of one product whose matrix is given, or fed."""
    kinds = {"rows": TensorProto.FLOAT, "weights": TensorProto.UINT8, "scales": TensorProto.FLOAT}
    attributes = {"K": K} | ({"pack": 1} if bits == 4 else {})
    graph = helper.make_graph(
        [helper.make_node(f"Int{bits}MatMul", [*kinds], ["product"], domain="larimar", **attributes)],
        "threads",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items() if name not in constants],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(library))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("larimar", 1)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def matrix(seed: int, bits: int, n: int = N) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    weights = random.integers(0, 256, (n, K // 32, 4 * bits)).astype(np.uint8)
    return {"weights": weights, "scales": random.normal(0, 0.01, (n, K // 32)).astype(np.float32)}


def rows(seed: int, count: int) -> Array:
    return np.random.default_rng(seed).normal(0, 1, (count, K)).astype(np.float32)


def product(bits: int, given: dict[str, Array]) -> Array:
    attributes = {"K": K} | ({"pack": 1} if bits == 4 else {})
    return expected(f"Int{bits}MatMul", attributes, list(given.values()), [True])[0]


def at_once(tasks: list[Callable[[], None]]) -> None:
    """Run all tasks, each in a thread of its own, from the same moment on; raise what the first failed with."""
    barrier = threading.Barrier(len(tasks))
    errors: list[BaseException] = []

    def begin(task: Callable[[], None]) -> None:
        barrier.wait()
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.fixture(params=["best", "AVX2"])
def library(request: pytest.FixtureRequest, native_library: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LARIMAR_NATIVE_AVX512", "1" if request.param == "best" else "0")
    return native_library


@pytest.mark.parametrize("bits", [4, 8])
def test_first_runs_at_once_share_one_packed_matrix(library: Path, bits: int) -> None:
    constants = matrix(1, bits)
    right = {count: product(bits, {"rows": rows(count, count), **constants}) for count in (1, 3, 20, 40)}
    for _ in range(5):
        session = session_of(library, bits, constants)

        def run(count: int, session: onnxruntime.InferenceSession = session) -> None:
            for _ in range(3):
                (found,) = session.run(None, {"rows": rows(count, count)})
                np.testing.assert_allclose(found, right[count], atol=0.02 * np.abs(right[count]).max())

        at_once([lambda count=count: run(count) for count in (*right, *right)])  # type: ignore[misc]


@pytest.mark.parametrize("bits", [4, 8])
def test_matrices_that_are_fed_do_not_meet(library: Path, bits: int) -> None:
    """Each thread has a matrix of its own size and contents in the same session."""
    session = session_of(library, bits, {})

    def run(seed: int) -> None:
        given = {"rows": rows(seed, 2 + 9 * seed), **matrix(seed, bits, n=40 + 17 * seed)}
        right = product(bits, given)
        for _ in range(5):
            (found,) = session.run(None, given)
            np.testing.assert_allclose(found, right, atol=0.02 * np.abs(right).max())

    at_once([lambda seed=seed: run(seed) for seed in range(4)])  # type: ignore[misc]


def test_sessions_come_and_go_beside_each_other(library: Path) -> None:
    constants = matrix(2, 4)
    right = product(4, {"rows": rows(3, 3), **constants})

    def run() -> None:
        for _ in range(6):
            (found,) = session_of(library, 4, constants, threads=1).run(None, {"rows": rows(3, 3)})
            np.testing.assert_allclose(found, right, atol=0.02 * np.abs(right).max())

    at_once([run] * 4)
