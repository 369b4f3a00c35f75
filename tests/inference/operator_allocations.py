"""Lets every allocation of our own operators fail, one after the other; a child process for tests.

    python operator_allocations.py SANITIZED_LIBRARY

A failed allocation has to come out as such, and the next run of the same session has to be right. Prints how many
failed.
"""

from __future__ import annotations

import ctypes
import sys

import malformed_operators
import numpy as np
import onnxruntime
from malformed_operators import Case, feeds_of, model_of, wanted


def main(library: str) -> int:
    fail = ctypes.CDLL(library).larimar_fail_allocation
    fail.argtypes = [ctypes.c_long]
    failed = 0
    for number, maker in enumerate(malformed_operators.MAKERS):
        for seed in range(4):
            case = maker(np.random.default_rng([number, seed]))
            content, right, feeds = model_of(case), wanted(case), feeds_of(case)
            assert right is not None
            for count in range(1000):
                options = onnxruntime.SessionOptions()
                options.log_severity_level = 4
                options.intra_op_num_threads = 2
                options.register_custom_ops_library(library)
                fail(count)
                try:
                    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
                    session.run(None, feeds)
                except Exception as error:  # of the runtime's types
                    demand("bad_alloc" in str(error), error)
                else:
                    break
                finally:
                    fail(-1)
                failed += 1
                session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
                fail_in_run(fail, count, session, case)
            else:
                raise AssertionError("there is no end of allocations")
    return failed


def demand(condition: bool, error: Exception) -> None:
    if not condition:
        raise error


def fail_in_run(fail: ctypes._NamedFuncPointer, count: int, session: onnxruntime.InferenceSession, case: Case) -> None:
    """Let an allocation of a run fail, if there are so many, and run again."""
    right, feeds = wanted(case), feeds_of(case)
    assert right is not None
    fail(count)
    try:
        session.run(None, feeds)
    except Exception as error:  # of the runtime's types
        demand("bad_alloc" in str(error), error)
    finally:
        fail(-1)
    assert not malformed_operators.difference(case, session.run(None, feeds), right)


if __name__ == "__main__":
    print(main(sys.argv[1]))
