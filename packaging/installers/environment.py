"""The environment that a build takes its packages from: just those that the program needs, and the build tools."""

from __future__ import annotations

import hashlib
import sys
import tomllib
import venv
from pathlib import Path

from installers.names import ROOT, Build, Flavour, run

CONSTRAINTS = ROOT / "packaging" / "constraints.txt"

BUILD_TOOLS = (
    "pyinstaller==6.22.3",
    "cyclonedx-bom==7.5.0",
    "argparse-manpage==4.8; sys_platform == 'linux'",
    "shtab==1.13.0; sys_platform == 'linux'",
)
"""They freeze the program, list its parts, and write its manual page and shell completion from its argument parser."""


def requirements(flavour: Flavour) -> list[str]:
    """Return what ``pyproject.toml`` asks for, with the runtime of the flavour.

    The CUDA flavour carries no library of NVIDIA's: they come with the driver and from NVIDIA's own packages.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = {"cpu": project["optional-dependencies"]["cpu"], "cuda": ["onnxruntime-gpu"]}[flavour]
    return [*project["dependencies"], *runtime]


def prepare(build: Build, given: Path | None = None) -> Path:
    """Return the Python of an environment with all that the flavour needs; make it where it is not there yet.

    Raises:
        BuildError: the packages could not be installed.
    """
    if given is not None:
        return _python(given)
    wanted = [*requirements(build.flavour), *BUILD_TOOLS]
    key = hashlib.sha256(
        "\n".join([*wanted, CONSTRAINTS.read_text(encoding="utf-8"), sys.version]).encode()
    ).hexdigest()
    folder = build.folder / f"environment-{build.flavour}"
    stamp = folder / "larimar-stamp"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != key:
        venv.create(folder, clear=True, with_pip=True)
        run(
            _python(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
            "--constraint", CONSTRAINTS, *wanted,
        )  # fmt: skip
        stamp.write_text(key, encoding="utf-8")
    return _python(folder)


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
