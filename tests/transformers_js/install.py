"""Installs transformers.js for the tests in this folder: ``python tests/transformers_js/install.py``.

It needs npm and the network, and takes about 500 MB in the checkout's folder .cache, which git ignores; the tests skip
without it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "4.3.1"


def node_modules() -> Path:
    """Return where the packages are, or would be: ``LARIMAR_NODE_MODULES``, or in the checkout."""
    chosen = os.environ.get("LARIMAR_NODE_MODULES")
    if chosen:
        return Path(chosen)
    return Path(__file__).resolve().parents[2] / ".cache" / f"transformers-js-{VERSION}" / "node_modules"


def main() -> int:
    """Install the packages; their scripts are not run."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not installed: it comes with Node.js, version 20 or newer.", file=sys.stderr)
        return 1
    folder = node_modules().parent
    folder.mkdir(parents=True, exist_ok=True)
    package = f"@huggingface/transformers@{VERSION}"
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), package]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
