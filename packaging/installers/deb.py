"""The Debian package: the frozen program under /opt, and what the desktop needs to know of it."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from installers.names import (
    APP_ID,
    CUDA_DRIVER,
    MAINTAINER,
    NAME,
    RECIPES,
    ROOT,
    SUMMARY,
    Build,
    BuildError,
    output_of,
    run,
    source_date_epoch,
    version,
)

PORTAUDIO = ("libportaudio.so.2", "libjack.so.0", "libdb-5.3.so")
"""Bundled for systems without a package manager; here the package depends on the distribution's own."""

_OPENED_AT_RUN_TIME = ("libportaudio2", "libegl1", "libgl1", "libxcb-cursor0", "libxkbcommon-x11-0", "fontconfig")
"""Libraries that nothing is linked to: Qt and sounddevice open them when the program runs."""
_RECOMMENDED = (
    "fonts-noto-core",
    "fonts-noto-cjk",
    "fonts-noto-color-emoji",
    "speech-dispatcher",
    "wl-clipboard",
    "libasound2-plugins | pipewire-alsa",  # PortAudio reaches the sound server through ALSA
)


def build(build: Build) -> Sequence[Path]:
    """Return the package's file. Raises :class:`BuildError`."""
    tree = build.work / "deb"
    shutil.rmtree(tree, ignore_errors=True)
    program = tree / "opt" / build.package
    shutil.copytree(build.bundle, program, symlinks=True)
    for name in PORTAUDIO:
        (program / "_internal" / name).unlink(missing_ok=True)
    (tree / "usr" / "bin").mkdir(parents=True)
    (tree / "usr" / "bin" / NAME).symlink_to(f"/opt/{build.package}/{NAME}")
    install_desktop_files(build, tree / "usr" / "share")
    _write_documentation(build, tree / "usr" / "share" / "doc" / build.package)
    _write_overrides(build, tree / "usr" / "share" / "lintian" / "overrides")
    _set_modes(tree, program)
    _write_control(build, tree, program)
    build.out.mkdir(parents=True, exist_ok=True)
    out = build.out / f"{build.package}_{version()}_{_architecture()}.deb"
    compression = os.environ.get("LARIMAR_DEB_COMPRESSION", "-Zxz -z6").split()
    moment = {**os.environ, "SOURCE_DATE_EPOCH": str(source_date_epoch())}
    run("dpkg-deb", "--root-owner-group", *compression, "--build", tree, out, env=moment)
    return [out]


def install_desktop_files(build: Build, share: Path) -> None:
    """Write into a ``share`` folder what every Linux desktop reads: menu entry, metainfo, icon, manual, completion."""
    linux = RECIPES / "linux"
    generated = build.work / "generated"
    for source, target in (
        (linux / f"{APP_ID}.desktop", share / "applications" / f"{APP_ID}.desktop"),
        (linux / f"{APP_ID}.metainfo.xml", share / "metainfo" / f"{APP_ID}.metainfo.xml"),
        (ROOT / "resources" / "icons" / "larimar.svg", share / "icons/hicolor/scalable/apps" / f"{APP_ID}.svg"),
        (generated / "larimar.bash", share / "bash-completion" / "completions" / NAME),
        (generated / "_larimar", share / "zsh" / "vendor-completions" / f"_{NAME}"),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    manual = share / "man" / "man1" / f"{NAME}.1.gz"
    manual.parent.mkdir(parents=True, exist_ok=True)
    manual.write_bytes(gzip.compress((generated / "larimar.1").read_bytes(), 9, mtime=0))


def _write_documentation(build: Build, folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(RECIPES / "linux" / "copyright", folder / "copyright")
    date = email.utils.formatdate(source_date_epoch())
    entry = (
        f"{build.package} ({version()}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {MAINTAINER}  {date}\n"
    )
    (folder / "changelog.gz").write_bytes(gzip.compress(entry.encode(), 9, mtime=0))
    (folder / "CHANGELOG.md.gz").write_bytes(gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), 9, mtime=0))


def _write_overrides(build: Build, folder: Path) -> None:
    """Say to lintian what is meant to be as it is: a frozen program carries its own libraries, under /opt."""
    folder.mkdir(parents=True)
    text = (RECIPES / "linux" / "lintian-overrides").read_text(encoding="utf-8")
    (folder / build.package).write_text(text.replace("@PACKAGE@", build.package), encoding="utf-8")


def _set_modes(tree: Path, program: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        executable = path == program / NAME
        path.chmod(0o755 if path.is_dir() or executable else 0o644)


def _write_control(build: Build, tree: Path, program: Path) -> None:
    control = tree / "DEBIAN"
    control.mkdir(mode=0o755)
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    other = NAME if build.flavour == "cuda" else f"{NAME}-cuda"
    description = (RECIPES / "linux" / "description.txt").read_text(encoding="utf-8").strip().splitlines()
    if build.flavour == "cuda":
        needs = (
            f"This build computes on NVIDIA graphics cards with driver {CUDA_DRIVER} or newer and with CUDA 13 and "
            "cuDNN 9 installed; without them it says so and computes on the processor."
        )
        description += ["", *textwrap.wrap(needs, 72)]
    lines = [f" {line}" if line else " ." for line in description]
    fields = {
        "Package": build.package,
        "Version": version(),
        "Architecture": _architecture(),
        "Maintainer": MAINTAINER,
        "Section": "utils",
        "Priority": "optional",
        "Installed-Size": str(-(-size // 1024)),
        "Depends": ", ".join(_dependencies(build, program)),
        "Recommends": ", ".join(_RECOMMENDED),
        "Conflicts": other,
        "Replaces": other,
        "Homepage": "https://github.com/larimar/larimar",
        "Description": "\n".join([SUMMARY.removeprefix("A "), *lines]),
    }
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()), encoding="utf-8")
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    sums = [f"{_md5(path)}  {path.relative_to(tree)}\n" for path in files if control not in path.parents]
    (control / "md5sums").write_text("".join(sums), encoding="utf-8")
    for path in control.iterdir():
        path.chmod(0o644)
    moment = source_date_epoch()
    for path in (*tree.rglob("*"), tree):
        os.utime(path, (moment, moment), follow_symlinks=False)


def _dependencies(build: Build, program: Path) -> list[str]:
    linked = _linked_packages(build, program).split(", ")
    names = {each.split()[0] for each in linked}
    return [*linked, *(name for name in _OPENED_AT_RUN_TIME if name not in names)]


def _linked_packages(build: Build, program: Path) -> str:
    """Return the packages that hold the libraries which the program is linked to but does not bring."""
    scratch = build.work / "shlibdeps"
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "debian").mkdir(parents=True)
    minimal = f"Source: {NAME}\n\nPackage: {NAME}\nArchitecture: any\n"
    (scratch / "debian" / "control").write_text(minimal, encoding="utf-8")
    files = [path for path in sorted(program.rglob("*")) if path.is_file() and not path.is_symlink() and _is_elf(path)]
    # what it is linked to comes from NVIDIA; without that, ONNX Runtime does without it
    files = [path for path in files if path.name != "libonnxruntime_providers_cuda.so"]
    folders = sorted({path.parent for path in files})
    text = output_of(
        "dpkg-shlibdeps", "-O", "--ignore-missing-info", *(f"-l{folder}" for folder in folders),
        *(f"-e{path}" for path in files), cwd=scratch,
    )  # fmt: skip
    found = re.search(r"^shlibs:Depends=(.*)$", text, re.MULTILINE)
    if found is None:
        raise BuildError("dpkg-shlibdeps found no dependencies, which cannot be.")
    return found.group(1)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _is_elf(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(4) == b"\x7fELF"


def _architecture() -> str:
    return output_of("dpkg", "--print-architecture").strip()
