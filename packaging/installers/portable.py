"""The folder as an archive: for systems where nothing else fits."""

from __future__ import annotations

import os
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path

from installers.names import Build, source_date_epoch, version


def build(build: Build) -> Sequence[Path]:
    """Return the archive: one folder that runs where it is unpacked."""
    build.out.mkdir(parents=True, exist_ok=True)
    name = f"{build.package}-{version()}-{platform.system().lower()}-{platform.machine()}"
    out = build.out / f"{name}.tar.xz"
    moment = source_date_epoch()

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = moment
        return member

    with tarfile.open(out, "w:xz", preset=int(os.environ.get("LARIMAR_XZ_PRESET", "6"))) as archive:
        for path in sorted(build.bundle.rglob("*")):
            archive.add(path, f"{name}/{path.relative_to(build.bundle)}", recursive=False, filter=plain)
    return [out]
