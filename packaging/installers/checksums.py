"""SHA-256 sums of the finished files, and the bill of materials beside them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from installers.names import Build, version


def write(build: Build, made: Sequence[Path]) -> None:
    """Write ``SHA256SUMS`` over all finished files and copy the bill of materials to them."""
    if not made:
        return
    bill = build.work / "sbom.json"
    if bill.is_file():
        shutil.copyfile(bill, build.out / f"{build.package}-{version()}.cdx.json")
    files = sorted(file for file in build.out.iterdir() if file.is_file() and file.name != "SHA256SUMS")
    lines = [f"{_digest(file)}  {file.name}\n" for file in files]
    (build.out / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
