"""Builds the library with our own operators for ONNX Runtime: ``python packaging/build_operators.py``.

Needs a C++ compiler (``CXX``, else ``c++``, ``g++`` or ``clang++``) on x86-64 Linux or macOS. Elsewhere Larimar keeps
to the runtime's operators. ``--if-possible`` says so and ends well; without it, that is an error. What is up to date
is left alone.

``--sanitize address,undefined`` builds a library for tests instead, into ``build/sanitized``, which no package holds.
It ends the process at the first fault, needs the sanitizers' own libraries loaded before it, and exports
``larimar_fail_allocation``. ``tests/inference/sanitized_operators.py`` uses it.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from inference.graphs.native_operators import LIBRARY  # noqa: E402

SOURCES = ROOT / "inference" / "native"
SANITIZED = ROOT / "build" / "sanitized"
SANITIZERS = frozenset({"address", "undefined", "thread", "leak"})
FLAGS = (
    "-std=c++17", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-ffunction-sections",
    "-Wall", "-Wextra", "-Wno-uninitialized", "-Wno-maybe-uninitialized",  # GCC's own headers of intrinsics
)  # fmt: skip
TEST_FLAGS = (
    "-std=c++17", "-O1", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-omit-frame-pointer",
    "-fno-sanitize-recover=all", "-DLARIMAR_TEST_ALLOCATIONS", "-w",
)  # fmt: skip
LINUX_FLAGS = (
    "-static-libstdc++", "-static-libgcc",  # the system that it runs on may have older ones than this
    "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL", "-Wl,--build-id=none", "-s",
)  # fmt: skip


class BuildError(Exception):
    """The library cannot be built here; the text says why."""


def main(arguments: list[str] | None = None) -> int:
    """Build it; return the exit status."""
    parser = argparse.ArgumentParser(description="Build Larimar's own operators for ONNX Runtime.")
    parser.add_argument("--if-possible", action="store_true", help="succeed without a compiler, too")
    parser.add_argument("--force", action="store_true", help="build it though it is up to date")
    parser.add_argument("--sanitize", metavar="LIST", type=sanitizers, help="build one for tests: address,undefined")
    options = parser.parse_args(arguments)
    library = sanitized_library(options.sanitize) if options.sanitize else LIBRARY
    try:
        built = build(force=options.force, sanitize=options.sanitize or ())
    except BuildError as error:
        print(f"Larimar's own operators are not built: {error}", file=sys.stderr)
        return 0 if options.if_possible else 1
    if built:
        print(f"built {library.relative_to(ROOT)}", file=sys.stderr)
    return 0


def sanitizers(text: str) -> tuple[str, ...]:
    """Return the sanitizers of a list with commas. Raises :class:`argparse.ArgumentTypeError` for any others."""
    names = tuple(sorted(set(text.split(","))))
    if not SANITIZERS.issuperset(names):
        raise argparse.ArgumentTypeError(f"the sanitizers are {', '.join(sorted(SANITIZERS))}")
    return names


def sanitized_library(sanitize: Sequence[str]) -> Path:
    """Return where the library for tests is built."""
    return SANITIZED / f"{LIBRARY.stem}.{'-'.join(sanitize)}{LIBRARY.suffix}"


def build(*, force: bool = False, sanitize: Sequence[str] = ()) -> bool:
    """Build the library where it is older than its sources. Return whether it was.

    Args:
        force: build it though it is up to date.
        sanitize: build the library for tests, with these sanitizers.

    Raises:
        BuildError: there is no compiler, or the sources are not for this machine, or do not compile.
    """
    if platform.machine().lower() not in ("x86_64", "amd64") or sys.platform not in ("linux", "darwin"):
        raise BuildError("they are written for x86-64 processors, and built on Linux and macOS")
    sources = sorted(SOURCES.glob("*.cpp"))
    inputs = [*sources, *SOURCES.glob("*.hpp"), Path(__file__)]
    library = sanitized_library(sanitize) if sanitize else LIBRARY
    if not force and library.is_file() and library.stat().st_mtime > max(file.stat().st_mtime for file in inputs):
        return False
    if sanitize:
        flags = [*TEST_FLAGS, f"-fsanitize={','.join(sanitize)}"]
    else:
        flags = [*FLAGS, *(LINUX_FLAGS if sys.platform == "linux" else ())]
    command = compiler()
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent, prefix=".build-") as folder:
            made = Path(folder) / library.name
            # by relative names, so that the same sources give the same bytes in any folder
            command += [*flags, "-o", str(made), *(file.name for file in sources)]
            result = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
            if result.returncode:
                raise BuildError(f"the compiler failed:\n{result.stderr.strip()}")
            made.replace(library)
    except OSError as error:
        raise BuildError(f"{library.parent} cannot be written to: {error.strerror}") from error
    return True


def compiler() -> list[str]:
    """Return the command of the C++ compiler. Raises :class:`BuildError` where there is none."""
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        command = shlex.split(name)
        if command and shutil.which(command[0]):
            return command
    raise BuildError("there is no C++ compiler (on Debian and Ubuntu: apt-get install g++)")


if __name__ == "__main__":
    sys.exit(main())
