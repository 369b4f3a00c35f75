"""A Flatpak bundle, made from the frozen program by flatpak-builder.

It needs the freedesktop runtime and SDK that the manifest names, which flatpak installs from Flathub.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from installers import deb
from installers.names import APP_ID, RECIPES, TITLE, Build, run, version

MANIFEST = RECIPES / "flatpak" / f"{APP_ID}.yml"


def build(build: Build) -> Sequence[Path]:
    """Return the ``.flatpak`` bundle. Raises :class:`BuildError`, also where the runtime is not installed."""
    sources = prepare(build)
    repository = build.work / "flatpak-repository"
    run(
        "flatpak-builder", "--force-clean", "--disable-rofiles-fuse", f"--repo={repository}",
        build.work / "flatpak-build", sources / MANIFEST.name,
    )  # fmt: skip
    build.out.mkdir(parents=True, exist_ok=True)
    out = build.out / f"{TITLE}-{version()}.flatpak"
    run("flatpak", "build-bundle", repository, out, APP_ID)
    return [out]


def prepare(build: Build) -> Path:
    """Write the manifest and all that it names into one folder, and return that."""
    sources = build.work / "flatpak-sources"
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir(parents=True)
    shutil.copyfile(MANIFEST, sources / MANIFEST.name)
    shutil.copytree(build.bundle, sources / "program", symlinks=True)
    # the store updates the program; it must not look for updates itself
    (sources / "program" / "_internal" / "resources" / "distribution.json").write_text(
        '{"channel": "flatpak", "update_check": false}\n', encoding="utf-8"
    )
    deb.install_desktop_files(build, sources / "share")
    return sources
