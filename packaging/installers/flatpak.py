"""A Flatpak bundle, made from the frozen program after the manifest.

flatpak-builder makes it where the freedesktop SDK is installed, which flatpak gets from Flathub. All that the
manifest's one module does is to copy files, so that without the SDK the same steps are taken here and flatpak packs
the result. To run it, the freedesktop runtime is needed in any case; installing the bundle brings it from Flathub.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from installers import deb
from installers.names import APP_ID, RECIPES, TITLE, Build, BuildError, output_of, run, version

MANIFEST = RECIPES / "flatpak" / f"{APP_ID}.yml"


def build(build: Build) -> Sequence[Path]:
    """Return the ``.flatpak`` bundle. Raises :class:`BuildError`."""
    sources = prepare(build)
    manifest = read_manifest()
    repository = build.work / "flatpak-repository"
    shutil.rmtree(repository, ignore_errors=True)
    folder = build.work / "flatpak-build"
    if _sdk_installed(manifest):
        run(
            "flatpak-builder", "--force-clean", "--disable-rofiles-fuse", f"--repo={repository}",
            folder, sources / MANIFEST.name,
        )  # fmt: skip
    else:
        assemble(manifest, sources, folder)
        run("flatpak", "build-finish", folder, f"--command={manifest['command']}", *manifest["finish-args"])
        run("flatpak", "build-export", "--disable-sandbox", repository, folder)
    build.out.mkdir(parents=True, exist_ok=True)
    out = build.out / f"{TITLE}-{version()}.flatpak"
    run(
        "flatpak", "build-bundle", "--runtime-repo=https://dl.flathub.org/repo/flathub.flatpakrepo",
        repository, out, APP_ID,
    )  # fmt: skip
    return [out]


def read_manifest() -> dict[str, Any]:
    """Return the manifest as flatpak-builder understands it. Raises :class:`BuildError` where it does not."""
    read: dict[str, Any] = json.loads(output_of("flatpak-builder", "--show-manifest", MANIFEST))
    return read


def assemble(manifest: dict[str, Any], sources: Path, folder: Path) -> None:
    """Write what flatpak-builder would build into ``folder``: run the manifest's commands with /app there.

    Raises:
        BuildError: a command failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = folder / "files"
    files.mkdir(parents=True)
    (folder / "var").mkdir()
    (folder / "metadata").write_text(
        f"[Application]\nname={manifest['id']}\n"
        + "".join(f"{key}={manifest[key]}/x86_64/{manifest['runtime-version']}\n" for key in ("runtime", "sdk")),
        encoding="utf-8",
    )
    (module,) = manifest["modules"]
    for command in module["build-commands"]:
        here = command.replace("/app/", f"{files}/")
        done = subprocess.run(here, shell=True, cwd=sources, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(f"{command} failed: {done.stderr.strip()}")


def _sdk_installed(manifest: dict[str, Any]) -> bool:
    name = f"{manifest['sdk']}//{manifest['runtime-version']}"
    return subprocess.run(["flatpak", "info", name], capture_output=True, check=False).returncode == 0


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
