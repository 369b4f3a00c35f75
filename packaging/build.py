"""Builds what a stranger can install: ``python packaging/build.py --target deb``.

Targets for Linux: deb, appimage, flatpak, portable (a folder as .tar.xz), for Windows: exe, msi, for macOS: dmg. Each
is made on its own system; ``--stand-in`` compiles the Windows installers anywhere, around a payload that does nothing,
which shows that the recipes are sound. ``frozen`` stops at the folder that all of them wrap.

Only Python and what the target's own tools need must be there; the program's packages go into an environment under
``build/``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from installers import appimage, checksums, deb, environment, flatpak, freeze, macos, portable, report, windows
from installers.names import ROOT, Build, BuildError

TARGETS: dict[str, Callable[[Build], Sequence[Path]]] = {
    "frozen": lambda build: (),
    "deb": deb.build,
    "appimage": appimage.build,
    "portable": portable.build,
    "flatpak": flatpak.build,
    "exe": windows.build_exe,
    "msi": windows.build_msi,
    "dmg": macos.build,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the targets and return the exit code: 0 done, 1 a step failed, 2 usage."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=TARGETS, action="append", required=True, help="may be given several times")
    parser.add_argument("--flavour", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=ROOT / "build", help="where to build (default: build/)")
    parser.add_argument("--environment", type=Path, help="a virtual environment that has all packages, to use as it is")
    parser.add_argument("--reuse", action="store_true", help="wrap the program that the last build froze")
    parser.add_argument(
        "--stand-in", action="store_true", help="exe and msi: a payload that does nothing, to check the recipes"
    )
    options = parser.parse_args(arguments)
    build = Build(options.flavour, options.folder.resolve())
    try:
        if options.stand_in:
            if not set(options.target) <= {"exe", "msi"}:
                parser.error("--stand-in is for exe and msi")
            windows.make_stand_in(build)
        elif not (options.reuse and build.bundle.is_dir()):
            python = environment.prepare(build, options.environment)
            freeze.freeze(build, python)
            report.write(build)
        made = [file for target in options.target for file in TARGETS[target](build)]
        checksums.write(build, made)
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    for file in made:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
