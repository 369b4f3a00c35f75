"""``packaging/build_operators.py``: with and without a compiler, again, and somewhere else."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("inference/__init__.py", "inference/graphs/__init__.py", "inference/graphs/native_operators.py")

if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
    pytest.skip("the operators are written for x86-64, and built here on Linux", allow_module_level=True)


class Checkout:
    """A copy of what the build needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*PARTS, "packaging/build_operators.py"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        leave_out = shutil.ignore_patterns("larimar_operators_*", ".build-*", "__pycache__")
        shutil.copytree(ROOT / "inference" / "native", root / "inference" / "native", ignore=leave_out)

    def build(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(self.root / "packaging" / "build_operators.py"), *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "CXX"} | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)

    @property
    def library(self) -> Path:
        return self.root / "inference" / "native" / "larimar_operators_x86_64.so"

    def leftovers(self) -> list[Path]:
        return list(self.library.parent.glob(".build-*"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a checkout")


def test_a_library_is_built_once_and_is_the_same_everywhere(checkout: Checkout, tmp_path: Path) -> None:
    result = checkout.build()
    assert result.returncode == 0, result.stderr
    assert result.stderr == "built inference/native/larimar_operators_x86_64.so\n"
    first = checkout.library.read_bytes()
    assert b"larimar_fail_allocation" not in first, "that is for tests alone"
    assert checkout.build().stderr == "", "it is up to date"
    other = Checkout(tmp_path / "elsewhere")
    other.build()
    assert other.library.read_bytes() == first, "builds must be reproducible"
    os.utime(checkout.library, (0, 0))
    assert "built" in checkout.build().stderr, "it is older than its sources"


def test_without_a_compiler_it_says_so(checkout: Checkout, tmp_path: Path) -> None:
    result = checkout.build(PATH=str(tmp_path))
    assert result.returncode == 1
    assert "there is no C++ compiler" in result.stderr
    result = checkout.build("--if-possible", PATH=str(tmp_path))
    assert result.returncode == 0
    assert "there is no C++ compiler" in result.stderr
    assert not checkout.library.exists()


def test_a_compiler_that_fails_leaves_the_library_that_was(checkout: Checkout) -> None:
    checkout.library.write_bytes(b"the former")
    (checkout.library.parent / "operators.cpp").write_text("this is no C++\n")
    result = checkout.build("--force")
    assert result.returncode == 1
    assert "the compiler failed" in result.stderr
    assert "operators.cpp:1" in result.stderr
    assert checkout.library.read_bytes() == b"the former"
    assert not checkout.leftovers()


def test_a_place_that_cannot_be_written_to_is_named(checkout: Checkout) -> None:
    checkout.library.mkdir()  # stops the superuser, too
    result = checkout.build()
    assert result.returncode == 1
    assert "cannot be written to" in result.stderr
    assert not checkout.leftovers()


def test_a_library_with_sanitizers_lies_apart(checkout: Checkout) -> None:
    for name in (
        "attention",
        "int4_avx2",
        "int4_avx512",
        "int8_matmul",
    ):  # they take their time, and are built elsewhere
        (checkout.library.parent / f"{name}.cpp").unlink()
    result = checkout.build("--sanitize", "undefined,address")
    assert result.returncode == 0, result.stderr
    assert result.stderr == "built build/sanitized/larimar_operators_x86_64.address-undefined.so\n"
    built = checkout.root / "build" / "sanitized" / "larimar_operators_x86_64.address-undefined.so"
    assert b"__asan_init" in built.read_bytes()
    assert b"larimar_fail_allocation" in built.read_bytes()
    assert not checkout.library.exists()
    assert checkout.build("--sanitize", "address,undefined").stderr == "", "it is up to date"
    result = checkout.build("--sanitize", "everything")
    assert result.returncode == 2
    assert "the sanitizers are address, leak, thread, undefined" in result.stderr
