"""Our own operators given what a stranger's graph could give them: a refusal or right numbers, and never a signal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sanitizers
from fuzzing import examples
from operator_crashes import CASES

HERE = Path(__file__).resolve().parent
KINDS = {"best": "1", "AVX2": "0"}


@pytest.fixture(scope="module")
def sanitized_library() -> Path:
    if reason := sanitizers.why_not():
        pytest.skip(reason)
    return sanitizers.build()


def run(program: str, *arguments: str, **variables: str) -> str:
    """Run a program of this folder; return its output."""
    command = [sys.executable, str(HERE / program), *arguments]
    result = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=600, check=False
    )
    return ended_well(result)


def ended_well(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, f"exit status {result.returncode}\n{result.stdout[-500:]}\n{result.stderr[:6000]}"
    return result.stdout


def assert_nothing_wrong(output: str, count: int) -> None:
    result = json.loads(output.splitlines()[-1])
    assert result["wrong"] == []
    assert result["counts"]["graphs"] + result["counts"].get("cannot be written", 0) == count
    if count > 50:
        assert min(result["counts"][each] for each in ("right", "refused at its opening", "refused in a run")) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_graphs_are_refused_or_right(native_library: Path, kind: str) -> None:
    count = examples(200)
    output = run("malformed_operators.py", str(native_library), "1", str(count), LARIMAR_NATIVE_AVX512=KINDS[kind])
    assert_nothing_wrong(output, count)


@pytest.mark.parametrize("kind", KINDS)
def test_sanitizers_have_nothing_to_report_of_malformed_graphs(sanitized_library: Path, kind: str) -> None:
    count = examples(80)
    result = sanitizers.run(
        "malformed_operators.py", str(sanitized_library), "2", str(count), LARIMAR_NATIVE_AVX512=KINDS[kind]
    )
    assert_nothing_wrong(ended_well(result), count)


@pytest.mark.parametrize("kind", KINDS)
def test_every_allocation_may_fail(sanitized_library: Path, kind: str) -> None:
    result = sanitizers.run("operator_allocations.py", str(sanitized_library), LARIMAR_NATIVE_AVX512=KINDS[kind])
    assert int(ended_well(result)) > 50


@pytest.mark.parametrize("case", CASES)
def test_what_once_ended_the_process_is_refused_or_right(native_library: Path, case: str) -> None:
    *numbers, last = run("operator_crashes.py", str(native_library), case).splitlines()
    match case:
        case "fewer rows at the same address":
            assert last == "[[-32768.0, -32768.0, -32768.0, -32768.0]]"
        case "other scales":
            assert [float(number) for number in numbers] == [64, 128, 32]
            assert "the shapes do not fit together: weights [8, 2, 16], scales [1], K 64" in last
        case "other contents at the same address":
            assert [float(numbers[0]), float(last)] == [64, 128]
        case _:
            assert last.startswith("refused: ")
            assert "INVALID_ARGUMENT" in last or "not from 1 to 65536" in last


def test_sanitizers_report_what_is_wrong(sanitized_library: Path) -> None:
    """That they are at work at all: a read behind what the operators believe to be there."""
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); ctypes.string_at(ctypes.CDLL(None).malloc(8), 9)"
    given = sanitizers.environment()
    command = [sys.executable, "-c", code, str(sanitized_library)]
    result = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode
    assert "AddressSanitizer" in result.stderr
