"""Names and places that every kind of package shares, each from its one source."""

from __future__ import annotations

import os
import runpy
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "packaging" / "recipes"

NAME = "larimar"
APP_ID = "io.github.larimar.Larimar"
TITLE = "Larimar"
SUMMARY = "A desktop assistant that sees, hears and answers, wholly on your own machine"
MAINTAINER = "The Larimar team <larimar@users.noreply.github.com>"

CUDA_DRIVER = "580"
"""Oldest NVIDIA driver branch that runs CUDA 13, which the onnxruntime-gpu wheels are built for."""

Flavour = Literal["cpu", "cuda"]


class BuildError(Exception):
    """A step failed; the text says which and what to do."""


@dataclass(frozen=True)
class Build:
    """What is built, and where."""

    flavour: Flavour
    folder: Path
    """Everything that a build writes lies under it, the finished files in ``out``."""

    @property
    def package(self) -> str:
        """Name of the package: the two flavours are packages of their own."""
        return NAME if self.flavour == "cpu" else f"{NAME}-cuda"

    @property
    def work(self) -> Path:
        """Intermediate files of this flavour."""
        return self.folder / self.flavour

    @property
    def bundle(self) -> Path:
        """The frozen program: a folder that runs where it lies."""
        return self.work / "dist" / NAME

    @property
    def out(self) -> Path:
        """Finished files."""
        return self.folder / "out"


def version() -> str:
    """Return the version, from the one place that holds it."""
    return str(runpy.run_path(str(ROOT / "inference" / "version.py"))["__version__"])


def source_date_epoch() -> int:
    """Return the time, in seconds, that files in packages carry: ``SOURCE_DATE_EPOCH``, else that of the commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    return int(commit.stdout) if commit.returncode == 0 and commit.stdout.strip() else 0


def run(*command: str | Path, quiet: bool = False, **options: object) -> None:
    """Run a command whose output the builder sees.

    Raises:
        BuildError: the command is missing or failed.
    """
    words = [str(word) for word in command]
    if not quiet:
        print("+", " ".join(words if len(words) < 12 else [*words[:12], "…"]), flush=True)
    try:
        subprocess.run(words, check=True, **options)  # type: ignore[call-overload]
    except FileNotFoundError as error:
        raise BuildError(
            f"{words[0]} is missing. {_PACKAGE_OF.get(words[0], 'Install it and build again.')}"
        ) from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{words[0]} failed with exit code {error.returncode}; the reason is above.") from error


def output_of(*command: str | Path, cwd: Path | None = None) -> str:
    """Return what a command prints. Raises :class:`BuildError` when it is missing or fails."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, check=True, capture_output=True, text=True, cwd=cwd).stdout
    except FileNotFoundError as error:
        raise BuildError(
            f"{words[0]} is missing. {_PACKAGE_OF.get(words[0], 'Install it and build again.')}"
        ) from error
    except subprocess.CalledProcessError as error:
        complaints = [line for line in error.stderr.splitlines() if "warning" not in line.lower()]
        raise BuildError(f"{words[0]} failed: {chr(10).join(complaints)[:2000]}") from error


def _missing(program: str) -> str:
    return f"{program} is missing. {_PACKAGE_OF.get(program, 'Install it and build again.')}"


_PACKAGE_OF = {
    "dpkg-shlibdeps": "On Debian: apt-get install dpkg-dev.",
    "mksquashfs": "On Debian: apt-get install squashfs-tools.",
    "gcc": "On Debian: apt-get install gcc libsquashfuse-dev zlib1g-dev libzstd-dev liblzma-dev liblz4-dev.",
    "flatpak": "On Debian: apt-get install flatpak flatpak-builder.",
    "flatpak-builder": "On Debian: apt-get install flatpak-builder.",
    "makensis": "On Debian: apt-get install nsis.",
    "wixl": "On Debian: apt-get install wixl msitools.",
    "wixl-heat": "On Debian: apt-get install wixl msitools.",
    "objdump": "On Debian: apt-get install binutils.",
    "strip": "On Debian: apt-get install binutils.",
}
