"""Converts a checkpoint again and again, and is killed at some moment each time.

    python tests/export/killed_conversions.py CHECKPOINT FOLDER SEED COUNT

A program of its own, so that it can fork: the packages that converting needs take seconds to import. A moment is one of
the file operations of a conversion, which Python tells its audit hooks. Prints how many kills there were, or what is
wrong.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.errors import CheckpointError
from inference.export import convert
from inference.export.convert import convert_checkpoint
from inference.export.embedder import build_embedder
from inference.export.recipes import GraphRecipe

OPERATIONS = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "tempfile.mkdtemp", "os.truncate"}
)


def main(checkpoint: Path, folder: Path, seed: int, count: int) -> str:
    """Return how many kills were survived."""
    _use_quick_graphs()
    whole = convert_checkpoint(checkpoint, folder / "whole")
    expected = digests(whole)
    out = folder / "out"
    moments = _in_child(lambda: convert_checkpoint(checkpoint, folder / "counted"), None)
    draw = random.Random(seed)
    kills = 0
    for _ in range(count):
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            status = _in_child(lambda: _convert(checkpoint, out), draw.randint(1, moments))
            kills += status == -signal.SIGKILL
            if status not in (0, -signal.SIGKILL):
                return f"a conversion ended with {status}"
        status = _in_child(lambda: _convert(checkpoint, out), 1 << 60)
        if status:
            return f"what followed a kill ended with {status}: {sorted(map(str, folder.rglob('.out*/**/*')))}"
        if digests(out) != expected:
            return f"another folder came out: {digests(out).keys() ^ expected.keys()}"
        if left := [path.name for path in folder.iterdir() if path.name not in ("whole", "out", "counted")]:
            return f"something was left: {left}"
        shutil.rmtree(out)
    return f"{kills} kills"


def digests(folder: Path) -> dict[str, str]:
    """Return the contents of a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def _convert(checkpoint: Path, out: Path) -> None:
    try:
        convert_checkpoint(checkpoint, out)
    except CheckpointError as error:
        if "exists already" not in str(error):  # killed when all was done
            raise


def _use_quick_graphs() -> None:
    """Take graphs that need no tracing."""

    def build(source: Any, plan: Any, report: Any) -> Any:
        report(1.0)
        return build_embedder(source.text_config, source.text_prefix, plan)

    names = ("decoder_model_merged", "embed_tokens", "vision_encoder")
    convert.RECIPES = tuple(GraphRecipe(name, lambda _: True, build) for name in names)


def _in_child(work: Callable[[], object], moment: int | None) -> int:
    """Do it in a child that kills itself at a file operation; return its status, or without a moment their number."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading) as stream:
            said = stream.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return int(said) if moment is None else status
    operations = 0

    def count(event: str, _: Any) -> None:
        nonlocal operations
        if event in OPERATIONS:
            operations += 1
            if operations == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        work()
        os.write(writing, str(operations).encode())
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
