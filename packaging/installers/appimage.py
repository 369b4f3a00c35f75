"""One file that runs: an AppImage, with a runtime of our own in front of a compressed file system."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from installers import deb
from installers.names import APP_ID, NAME, RECIPES, ROOT, TITLE, Build, run, source_date_epoch, version


def build(build: Build) -> Sequence[Path]:
    """Return the AppImage. Raises :class:`BuildError`."""
    tree = build.work / "AppDir"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(build.bundle, tree / "opt" / NAME, symlinks=True)
    deb.install_desktop_files(build, tree / "usr" / "share")
    shutil.copyfile(RECIPES / "linux" / f"{APP_ID}.desktop", tree / f"{APP_ID}.desktop")
    shutil.copyfile(ROOT / "resources" / "icons" / "larimar.svg", tree / f"{APP_ID}.svg")
    (tree / ".DirIcon").symlink_to(f"{APP_ID}.svg")
    (tree / "AppRun").symlink_to(f"opt/{NAME}/{NAME}")

    runtime = build.work / "runtime"
    run(
        "gcc", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o", runtime, RECIPES / "portable" / "runtime.c",
        "-lsquashfuse", "-lz", "-llzma", "-llz4", "-lzstd",
    )  # fmt: skip
    image = build.work / "image.squashfs"
    image.unlink(missing_ok=True)
    moment = str(source_date_epoch())
    run(
        "mksquashfs", tree, image, "-root-owned", "-noappend", "-no-xattrs", "-quiet", "-no-progress", "-comp", "zstd",
        "-Xcompression-level", os.environ.get("LARIMAR_ZSTD_LEVEL", "15"), "-b", "256K",
        env={**os.environ, "SOURCE_DATE_EPOCH": moment},
    )  # fmt: skip
    build.out.mkdir(parents=True, exist_ok=True)
    flavour = "" if build.flavour == "cpu" else "-cuda"
    out = build.out / f"{TITLE}{flavour}-{version()}-{platform.machine()}.AppImage"
    content = bytearray(runtime.read_bytes())
    content[8:11] = b"AI\x02"  # what file managers tell an AppImage of the second kind by
    with out.open("wb") as file:
        file.write(content)
        with image.open("rb") as source:
            shutil.copyfileobj(source, file)
    out.chmod(0o755)
    return [out]
