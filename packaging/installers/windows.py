"""The two Windows installers: a set-up program (NSIS) for people, and an MSI (WiX) for administrators.

Both wrap the frozen program, which only Windows can make. Both also compile on Linux, around a stand-in for it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from installers import icons
from installers.names import MAINTAINER, NAME, RECIPES, TITLE, Build, BuildError, output_of, run, version

_WINDOWS = RECIPES / "windows"


def build_exe(build: Build) -> Sequence[Path]:
    """Return the set-up program. Raises :class:`BuildError`."""
    _check_payload(build)
    build.out.mkdir(parents=True, exist_ok=True)
    out = build.out / f"{TITLE}{_suffix(build)}-{version()}-setup.exe"
    icon = build.work / f"{NAME}.ico"
    run(
        _makensis(), "-V2", "-WX", f"-DVERSION={version()}", f"-DOUT={out}", f"-DPROGRAM={build.bundle}",
        f"-DSIZE={_kilobytes(build.bundle)}", *([f"-DICON={icon}"] if icon.is_file() else []), _WINDOWS / "larimar.nsi",
    )  # fmt: skip
    return [out]


def _suffix(build: Build) -> str:
    return "" if build.flavour == "cpu" else f"-{build.flavour}"


def _makensis() -> str:
    """Return the compiler's path: its own set-up program puts it into no search path."""
    beside = Path(os.environ.get("PROGRAMFILES(X86)", "")) / "NSIS" / "makensis.exe"
    return "makensis" if shutil.which("makensis") or not beside.is_file() else str(beside)


def build_msi(build: Build) -> Sequence[Path]:
    """Return the MSI. Raises :class:`BuildError`."""
    _check_payload(build)
    build.out.mkdir(parents=True, exist_ok=True)
    out = build.out / f"{TITLE}{_suffix(build)}-{version()}.msi"
    files = build.work / "files.wxs"
    if sys.platform == "win32":
        # WiX 5, a .NET tool, lists the files itself, after the pattern in the recipe
        run(
            "wix", "build", "-arch", "x64", "-d", f"Version={version()}", "-d", f"Program={build.bundle}",
            "-out", out, _WINDOWS / "larimar-wix5.wxs",
        )  # fmt: skip
        return [out]
    program = build.bundle.relative_to(build.work)  # wixl finds no absolute paths
    names = [str(file.relative_to(build.work)) for file in sorted(build.bundle.rglob("*")) if file.is_file()]
    listed = subprocess.run(
        ["wixl-heat", "-p", f"{program}/", "--component-group", "ProgramFiles", "--var", "var.Program",
         "--directory-ref", "INSTALLDIR", "--win64"],
        input="\n".join(names) + "\n", capture_output=True, text=True, check=False, cwd=build.work,
    )  # fmt: skip
    if listed.returncode != 0:
        raise BuildError(f"wixl-heat failed: {listed.stderr.strip()}")
    files.write_text(listed.stdout, encoding="utf-8")
    run(
        "wixl", "-a", "x64", "-D", "Win64=yes", "-D", f"Version={version()}", "-D", f"Program={program}",
        "-o", out, _WINDOWS / "larimar.wxs", files, cwd=build.work,
    )  # fmt: skip
    if f"{NAME}.exe" not in output_of("msiextract", "--list", out):
        raise BuildError("The MSI does not hold the program.")
    return [out]


def make_stand_in(build: Build) -> None:
    """Write a payload of the frozen program's shape whose programs do nothing."""
    shutil.rmtree(build.bundle, ignore_errors=True)
    inside = build.bundle / "_internal" / "resources"
    inside.mkdir(parents=True)
    for name in (f"{NAME}.exe", f"{NAME}-terminal.exe"):
        (build.bundle / name).write_bytes(b"MZ stand-in: not a program")
    (inside / "stand-in.txt").write_text("This package was made to check its recipe.\n", encoding="utf-8")
    if all(map(importlib.util.find_spec, ("PIL", "PySide6"))):
        icons.write(build.work / f"{NAME}.ico", Path(sys.executable))


def write_version_information(build: Build) -> Path:
    """Write, in PyInstaller's words, what Windows shows of the program's properties, and return the file."""
    numbers = tuple(int(part) for part in (*version().split("."), "0"))
    said = {
        "CompanyName": MAINTAINER.split(" <")[0],
        "FileDescription": TITLE,
        "FileVersion": version(),
        "InternalName": NAME,
        "LegalCopyright": "Apache License 2.0",
        "OriginalFilename": f"{NAME}.exe",
        "ProductName": TITLE,
        "ProductVersion": version(),
    }
    strings = ", ".join(f"StringStruct({key!r}, {value!r})" for key, value in said.items())
    text = (
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}), kids=[\n"
        f"    StringFileInfo([StringTable('040904B0', [{strings}])]),\n"
        "    VarFileInfo([VarStruct('Translation', [0x409, 1200])]),\n])\n"
    )
    file = build.work / "version.txt"
    file.write_text(text, encoding="utf-8")
    return file


def _check_payload(build: Build) -> None:
    if not (build.bundle / f"{NAME}.exe").is_file():
        raise BuildError(
            f"{build.bundle} holds no {NAME}.exe: the program for Windows can only be frozen on Windows. --stand-in "
            "checks the recipe elsewhere."
        )


def _kilobytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1024
