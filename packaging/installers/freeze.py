"""Freezes the program into a folder that runs without Python, and refuses to go on when the folder is not right."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from installers import icons, licences, windows
from installers.names import RECIPES, ROOT, SUMMARY, Build, BuildError, output_of, run, source_date_epoch, version

GLIBC_FLOOR = (2, 35)
"""Ubuntu 22.04 and everything newer."""

OPERATORS_REQUIRED = sys.platform in ("linux", "darwin") and platform.machine().lower() in ("x86_64", "amd64")
"""Where our own operators can be built."""

_NEVER = (
    "torch",
    "transformers",
    "optimum",
    "pytest",
    "PySide6/Qt/lib/libQt6WebEngine",
    "PySide6/Qt/lib/libQt6Quick3D",
)
_NVIDIA = re.compile(r"(cublas|cudnn|cudart|nvrtc|cufft|curand|nvinfer|nvJitLink)", re.IGNORECASE)
"""Libraries of NVIDIA's, under terms of their own, which no build passes on."""
_CUDA = re.compile(r"providers_(cuda|tensorrt)", re.IGNORECASE)
"""What of ONNX Runtime only the flavour for NVIDIA cards has."""
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)")


def freeze(build: Build, python: Path) -> None:
    """Write :attr:`Build.bundle` with the packages of the environment of ``python``.

    Raises:
        BuildError: freezing failed, or the folder holds what it must not, or needs a newer system than promised.
    """
    contents = build.work / "contents.json"
    build.work.mkdir(parents=True, exist_ok=True)
    surroundings = {
        **os.environ,
        "PYTHONHASHSEED": "1",
        "SOURCE_DATE_EPOCH": str(source_date_epoch()),
        "LARIMAR_CONTENTS": str(contents),
        "LARIMAR_RUNTIME_WHEEL": "onnxruntime" if build.flavour == "cpu" else "onnxruntime-gpu",
    }
    if sys.platform == "win32":
        surroundings["LARIMAR_VERSION_FILE"] = str(windows.write_version_information(build))
    kind = {"win32": "ico", "darwin": "icns"}.get(sys.platform)
    if kind is not None:
        icon = build.work / f"larimar.{kind}"
        icons.write(icon, python)
        surroundings["LARIMAR_ICON"] = str(icon)
    run(python, ROOT / "packaging" / "build_operators.py", *([] if OPERATORS_REQUIRED else ["--if-possible"]), cwd=ROOT)
    run(
        python, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "WARN",
        "--distpath", build.work / "dist", "--workpath", build.work / "work", RECIPES / "larimar.spec",
        env=surroundings, cwd=ROOT,
    )  # fmt: skip
    if sys.platform == "linux":
        _strip(build.bundle / "_internal")
        write_generated(build, python)
    licences.write(build, python, contents)
    check(build)


def _strip(inside: Path) -> None:
    """Take debugging symbols out of what was shipped with them; together 45 MB."""
    for pattern in ("libpython3*.so*", "av/**/*.so", "tokenizers/*.so", "hf_xet/*.so", "llguidance/*.so"):
        for library in sorted(inside.glob(pattern)):
            run("strip", "--strip-unneeded", library, quiet=True)


def write_generated(build: Build, python: Path) -> None:
    """Write the manual page and the shell completions, from the argument parser itself."""
    folder = build.work / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # the environment has the program's packages, not the program itself
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": str(source_date_epoch())}
    run(
        python.parent / "argparse-manpage", "--module", "main", "--function", "build_parser", "--prog", "larimar",
        "--project-name", "larimar", "--manual-title", "User commands", "--version", version(),
        "--description", SUMMARY,
        "--output", folder / "larimar.1",
        env=surroundings, cwd=ROOT,
    )  # fmt: skip
    for shell, name in (("bash", "larimar.bash"), ("zsh", "_larimar")):
        text = _completion(python, shell, surroundings)
        (folder / name).write_text(text, encoding="utf-8")


def _completion(python: Path, shell: str, surroundings: dict[str, str]) -> str:
    command = [str(python), "-m", "shtab", "--shell", shell, "--prog", "larimar", "main.build_parser"]
    done = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"The {shell} completion could not be written: {done.stderr.strip()[-1000:]}")
    return done.stdout


def check(build: Build) -> None:
    """Make sure that the frozen folder is what is promised. Raises :class:`BuildError`."""
    inside = build.bundle / "_internal"
    names = sorted(file.relative_to(inside).as_posix() for file in inside.rglob("*") if not file.is_dir())
    unwanted = [name for name in names if name.startswith(_NEVER)]
    ours = [name for name in names if not name.startswith(("source/", "licences/"))]
    unwanted += [name for name in ours if _NVIDIA.search(name)]
    if build.flavour == "cpu":
        unwanted += [name for name in ours if _CUDA.search(name)]
    elif not any(_CUDA.search(name) for name in ours):
        raise BuildError(
            "The frozen program cannot compute on NVIDIA cards: ONNX Runtime's part for them is not in it."
        )
    if unwanted:
        raise BuildError(f"The frozen program holds what it must not: {', '.join(unwanted[:8])}")
    for needed in ("resources/demo_model/config.json", "resources/icons/larimar.svg", "source/main.py", "licences"):
        if not (inside / needed).exists():
            raise BuildError(f"The frozen program lacks {needed}.")
    if OPERATORS_REQUIRED and not any((inside / "inference" / "native").glob("larimar_operators_*")):
        raise BuildError("The frozen program lacks Larimar's own operators.")
    if sys.platform != "linux":
        return
    _check_top_level(inside)
    floor, file = max(glibc_needs(build.bundle), default=((0, 0), Path()))
    if floor > GLIBC_FLOOR:
        raise BuildError(
            f"{file.name} needs glibc {floor[0]}.{floor[1]}; {GLIBC_FLOOR[0]}.{GLIBC_FLOOR[1]} is promised. Build on "
            "an older system, or leave it out."
        )


def _check_top_level(inside: Path) -> None:
    """Compare the libraries taken from the building machine with the list of those that belong there.

    What PyInstaller collects depends on what happens to be installed, so that a new name must be looked at.
    """
    known = {
        line.strip()
        for line in (RECIPES / "linux" / "libraries.txt").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    found = {
        re.sub(r"(\.cpython-[^.]+)?(\.so)[.\d]*$", r"\2", file.name)
        for file in inside.glob("*.so*")
        if not file.is_symlink()
    }
    new = sorted(name for name in found - known if not name.startswith("libpython3"))
    if new:
        raise BuildError(
            f"Libraries of this machine came in that did not before: {', '.join(new)}. Add them to "
            "packaging/recipes/linux/libraries.txt if they belong into the program, else to the spec's list of those "
            "that do not."
        )


def glibc_needs(folder: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    """Yield, for each program and library under ``folder``, the newest version of glibc that it asks for."""
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file() or not (".so" in file.name or os.access(file, os.X_OK)):
            continue
        with file.open("rb") as content:
            if content.read(4) != b"\x7fELF":
                continue
        versions = [(int(a), int(b)) for a, b in _GLIBC.findall(output_of("objdump", "-T", file))]
        if versions:
            yield max(versions), file
