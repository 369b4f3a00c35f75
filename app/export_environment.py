"""Converting from an installed program, which carries neither PyTorch nor transformers.

They go into an environment of their own in the user's data folder, made with a Python of the user's, and that runs the
conversion from the sources that the program brings along. Nothing is downloaded before the user agrees.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from inference.errors import RuntimeSetupError

SENTENCE = (
    "Converting needs PyTorch and transformers, which are not part of this program: 1 to 4 GB to download, and up to "
    "8 GB of room in {folder}."
)
FREE_BYTES = 8 << 30
"""What the packages may need on Linux, where PyTorch brings CUDA along."""

_PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14", "python3", "python")
_SUITABLE = "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))"
_NOT_NEEDED = ("pyside6", "sounddevice", "opencv")
_STAMP = "larimar-stamp"


def packaged_sources() -> Path | None:
    """Return where an installed program keeps its sources; ``None`` when this one runs from a checkout."""
    return Path(sys._MEIPASS) / "source" if getattr(sys, "frozen", False) else None  # type: ignore[attr-defined]


def checkout_sources() -> Path | None:
    """Return where the sources of a checkout are; ``None`` when they cannot make an environment."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "packaging" / "constraints.txt").is_file() else None


def is_ready(sources: Path, folder: Path) -> bool:
    """Return whether the environment for these sources is there already."""
    python, stamp = _python(folder), folder / _STAMP
    return python.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == _key(requirements(sources))


def convert(
    arguments: Sequence[str], sources: Path, folder: Path, *, agreed: bool = False, ask: Callable[[str], str] = input
) -> int:
    """Run ``larimar convert`` with ``arguments`` in the environment in ``folder`` and return its exit code.

    Args:
        arguments: what follows ``convert`` on the command line.
        sources: of this version: ``main.py``, ``inference/``, ``pyproject.toml``, ``packaging/constraints.txt``.
        folder: of the environment; made where it is not there.
        agreed: install without asking.
        ask: puts a question and returns what was typed.

    Raises:
        RuntimeSetupError: there is no suitable Python or too little room, the user does not agree, or installing
            failed.
    """
    python = _prepare(sources, folder, agreed, ask)
    command = [str(python), str(sources / "main.py"), "convert", *arguments]
    return subprocess.run(command, env=_clean_environment(), check=False).returncode


def requirements(sources: Path) -> list[str]:
    """Return what converting needs: the project's own packages without those of the window, and the export extra."""
    project = tomllib.loads((sources / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = [each for each in project["dependencies"] if not each.lower().startswith(_NOT_NEEDED)]
    return [*own, *project["optional-dependencies"]["cpu"], *project["optional-dependencies"]["export"]]


def _prepare(sources: Path, folder: Path, agreed: bool, ask: Callable[[str], str]) -> Path:
    python, stamp = _python(folder), folder / _STAMP
    if is_ready(sources, folder):
        return python
    wanted = requirements(sources)
    base = _find_python()
    parent = next(each for each in (folder, *folder.parents) if each.exists())
    if shutil.disk_usage(parent).free < FREE_BYTES:
        raise RuntimeSetupError(
            f"Converting needs PyTorch and transformers, and about {FREE_BYTES >> 30} GB of room for them in {folder}. "
            "Make room there and start again."
        )
    if not agreed and not _agrees(folder, ask):
        raise RuntimeSetupError("Nothing was installed and nothing converted.")
    print(f"Installing PyTorch and transformers into {folder}; this takes some minutes.", file=sys.stderr)
    stamp.unlink(missing_ok=True)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    constraints = sources / "packaging" / "constraints.txt"
    steps = (
        [base, "-m", "venv", "--clear", str(folder)],
        [*pip, "-c", str(constraints), *wanted],
    )
    for step in steps:
        if subprocess.run(step, env=_clean_environment(), check=False).returncode != 0:
            raise RuntimeSetupError(
                "PyTorch and transformers could not be installed; the reason is above. If it is the network, check the "
                "connection and start again."
            )
    stamp.write_text(_key(wanted), encoding="utf-8")
    return python


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _key(wanted: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(wanted).encode()).hexdigest()


def _agrees(folder: Path, ask: Callable[[str], str]) -> bool:
    question = (
        "Converting needs PyTorch and transformers, which are not part of this program: 1 to 4 GB to download, into\n"
        f"{folder}\nInstall them there now? [y/N] "
    )
    try:
        return ask(question).strip().lower() in ("y", "yes")
    except EOFError:
        raise RuntimeSetupError(
            "Converting needs PyTorch and transformers, which are not part of this program. Start the same command in "
            "a terminal to be asked, or add --install to have them installed."
        ) from None


def _find_python() -> str:
    for name in _PYTHONS:
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "-c", _SUITABLE], env=_clean_environment(), capture_output=True).returncode == 0
        ):
            return path
    raise RuntimeSetupError(
        "Converting needs Python 3.11 to 3.14 with its venv module, and none was found. Install it (on Debian and "
        "Ubuntu: apt install python3 python3-venv) and start again."
    )


def _clean_environment() -> dict[str, str]:
    """Return the environment without what the frozen program's start changed: its libraries are not for others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("_PYI", "_MEI"))}
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
        before = environment.pop(f"{name}_ORIG", None)
        environment.pop(name, None)
        if before is not None:
            environment[name] = before
    return environment
