"""Builds our own operators with AddressSanitizer and UBSan, and runs programs with them, for tests.

    python tests/inference/sanitizers.py

runs everything: the operators' own tests, the crashes that were, failing allocations, and malformed graphs, as many as
the environment variable ``LARIMAR_FUZZ`` multiplies 1,000 by. It ends with 0 if no sanitizer had anything to report.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SANITIZE = ("address", "undefined")
TESTS = ("test_native_attention.py", "test_native_products.py", "test_native_rows.py", "test_native_threads.py")
MEASURE_MEMORY = "not share_the_memory and not where_memory_is_short"
"""A sanitizer keeps what was freed for a while: these tests would see that."""


def why_not() -> str:
    """Return why there are no sanitizers here, or nothing."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return "the operators are built with sanitizers on x86-64 Linux"
    return "" if all(library.is_absolute() for library in _runtimes()) else "the compiler has no sanitizers"


def build() -> Path:
    """Return the library, built where it is older than its sources."""
    command = [sys.executable, str(ROOT / "packaging" / "build_operators.py"), "--sanitize", ",".join(SANITIZE)]
    subprocess.run(command, check=True, timeout=600)
    (library,) = (ROOT / "build" / "sanitized").glob(f"larimar_operators_*.{'-'.join(SANITIZE)}.so")
    return library


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of a process that loads the library; it ends with a report at the first fault."""
    return os.environ | {
        "LD_PRELOAD": " ".join(map(str, _runtimes())),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        **variables,
    }


def run(program: str, *arguments: str, leaks: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this folder with the sanitizers loaded.

    Args:
        leaks: look for memory that the operators never give back, too. Python and the runtime have some of their own.
    """
    command = [sys.executable, str(HERE / program), *arguments]
    given = environment(**variables)
    with tempfile.TemporaryDirectory() as folder:
        if leaks:
            given["ASAN_OPTIONS"] += f":detect_leaks=1:log_path={folder}/report"
            given["LSAN_OPTIONS"] = "exitcode=0"
        result = subprocess.run(command, env=given, capture_output=True, text=True, timeout=600, check=False)
        reports = "\n".join(file.read_text(errors="replace") for file in Path(folder).iterdir())
    if re.search(r"larimar::|inference/native/", reports) or (result.returncode and reports):
        result.stderr += reports
        result.returncode = result.returncode or 1
    return result


def _runtimes() -> list[Path]:
    compiler = os.environ.get("CXX", "g++").split()
    found = []
    for name in ("libasan.so", "libubsan.so"):
        result = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=False)
        found.append(Path(result.stdout.strip() or name))
    return found


def main() -> int:
    """Run everything; return the exit status."""
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    library = str(build())
    failures = 0
    for kind in ("1", "0"):
        count, share, seed = round(1000 * float(os.environ.get("LARIMAR_FUZZ", "1"))), 250, int(kind) * 10**6
        for begin in range(0, count, share):
            start = time.monotonic()
            seed += 1
            result = run(
                "malformed_operators.py",
                library,
                str(seed),
                str(min(share, count - begin)),
                leaks=True,
                LARIMAR_NATIVE_AVX512=kind,
            )
            last = (result.stdout.splitlines() or ["nothing"])[-1]
            print(f"AVX-512 {kind}, seed {seed}, {time.monotonic() - start:.0f} s: {last}", flush=True)
            if result.returncode or json.loads(last)["wrong"]:  # what comes last is no JSON where the process ended
                print(result.stderr, flush=True)
                failures += 1
        result = run("operator_allocations.py", library, leaks=True, LARIMAR_NATIVE_AVX512=kind)
        print(f"AVX-512 {kind}, allocations that failed: {result.stdout.strip()}{result.stderr}", flush=True)
        failures += result.returncode != 0
    tests = [str(HERE / name) for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", MEASURE_MEMORY]
    failures += subprocess.run(command, env=environment(LARIMAR_TEST_OPERATORS=library), cwd=ROOT).returncode != 0
    print("failed" if failures else "nothing to report")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
