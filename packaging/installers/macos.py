"""The disk image for macOS: the signed and notarised app, and a link to the folder it belongs into.

Without the signing variables the same image is made unsigned, for trying it out.

    LARIMAR_CODESIGN_IDENTITY   "Developer ID Application: …", in a keychain that is unlocked
    LARIMAR_NOTARY_PROFILE      a profile that `xcrun notarytool store-credentials` has stored
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from installers.names import RECIPES, TITLE, Build, BuildError, run, version

_ENTITLEMENTS = RECIPES / "macos" / "entitlements.plist"


def build(build: Build) -> Sequence[Path]:
    """Return the disk image. Raises :class:`BuildError`, also on any other system."""
    if sys.platform != "darwin":
        raise BuildError("The disk image can only be made on macOS, with the command line tools of Xcode.")
    app = build.work / "dist" / f"{TITLE}.app"
    _add_licences(build, app)
    identity = os.environ.get("LARIMAR_CODESIGN_IDENTITY")
    if identity:
        _sign(app, identity)
    else:
        # PyInstaller's own signature without a name is void since the licences came
        run("codesign", "--force", "--sign", "-", "--entitlements", _ENTITLEMENTS, app)
    image_folder = build.work / "image"
    shutil.rmtree(image_folder, ignore_errors=True)
    image_folder.mkdir(parents=True)
    run("ditto", app, image_folder / app.name)
    (image_folder / "Applications").symlink_to("/Applications")
    build.out.mkdir(parents=True, exist_ok=True)
    out = build.out / f"{TITLE}-{version()}-{platform.machine()}.dmg"
    out.unlink(missing_ok=True)
    run("hdiutil", "create", "-volname", TITLE, "-srcfolder", image_folder, "-fs", "APFS", "-format", "ULMO", out)
    profile = os.environ.get("LARIMAR_NOTARY_PROFILE")
    if identity and profile:
        run("codesign", "--sign", identity, "--timestamp", out)
        run("xcrun", "notarytool", "submit", out, "--keychain-profile", profile, "--wait")
        run("xcrun", "stapler", "staple", out)
        run("spctl", "--assess", "--type", "open", "--context", "context:primary-signature", "--verbose", out)
    return [out]


def _add_licences(build: Build, app: Path) -> None:
    """Put the licence texts, which are written once the program is frozen, where the app finds its other files."""
    contents = app / "Contents"
    target = contents / "Resources" / "licences"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(build.bundle / "_internal" / "licences", target)
    link = contents / "Frameworks" / "licences"
    link.unlink(missing_ok=True)
    link.symlink_to("../Resources/licences")


def _sign(app: Path, identity: str) -> None:
    """Sign from the inside out: every library, then the programs, then the app around them."""
    options = ("--force", "--timestamp", "--options", "runtime", "--sign", identity)
    libraries = sorted(
        (file for file in app.rglob("*") if file.suffix in (".so", ".dylib") and not file.is_symlink()),
        key=lambda file: len(file.parts),
        reverse=True,
    )
    frameworks = sorted(
        (folder for folder in app.rglob("*.framework") if not folder.is_symlink()),
        key=lambda folder: len(folder.parts),
        reverse=True,
    )
    for inner in (*libraries, *frameworks):
        run("codesign", *options, inner)
    run("codesign", *options, "--entitlements", _ENTITLEMENTS, app / "Contents" / "MacOS" / "larimar")
    run("codesign", *options, "--entitlements", _ENTITLEMENTS, app)
    run("codesign", "--verify", "--deep", "--strict", "--verbose=2", app)
