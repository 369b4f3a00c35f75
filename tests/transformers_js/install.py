"""Installs transformers.js for the tests in this folder: ``python tests/transformers_js/install.py``.

``packaging/test.sh`` does it too. It needs npm, takes about 500 MB in a cache folder outside of the checkout
(``LARIMAR_NODE_MODULES`` names another one), and installs what ``package-lock.json`` says, to the byte.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_FILES = ("package.json", "package-lock.json")


def node_modules() -> Path:
    """Return where the packages are, or would be."""
    chosen = os.environ.get("LARIMAR_NODE_MODULES")
    return Path(chosen) if chosen else _cache() / f"larimar-transformers-js-{_version()}" / "node_modules"


def is_installed() -> bool:
    """Whether the packages are there, whole, as ``package-lock.json`` says."""
    try:
        return (node_modules().parent / "installed").read_text(encoding="ascii") == _version()
    except (OSError, ValueError):
        return False


def why_not() -> str:
    """Return what the machine lacks for these tests; nothing where it lacks nothing that is not ours to bring."""
    missing = [name for name, program in (("Node.js", "node"), ("npm", "npm")) if shutil.which(program) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


def main() -> int:
    """Install the packages, unless they are there; their scripts are not run."""
    if is_installed():
        return 0
    npm = shutil.which("npm")
    if npm is None or why_not():
        print(f"{why_not()}: the tests with transformers.js will be skipped.", file=sys.stderr)
        return 0
    folder = node_modules().parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        shutil.copyfile(HERE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if code := subprocess.run(command, cwd=folder, check=False, stdout=sys.stderr).returncode:
        print("transformers.js could not be installed; the tests with it will fail.", file=sys.stderr)
        return code
    (folder / "installed").write_text(_version(), encoding="ascii")
    return 0


def _version() -> str:
    """Return what stands for the packages and their versions."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _FILES))
    return digest.hexdigest()[:16]


def _cache() -> Path:
    """Return the user's cache folder, whatever home the tests pretend to have."""
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"])
    import pwd

    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


if __name__ == "__main__":
    sys.exit(main())
