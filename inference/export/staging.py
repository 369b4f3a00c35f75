"""The folder in which a model folder grows, and from which an interrupted conversion goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from inference.errors import ForeignFileError
from inference.foreign_files import check_file
from inference.foreign_json import read_json_object
from inference.version import __version__

_STATE = "conversion.json"


class Staging:
    """A hidden folder beside the model folder to be; it takes its place when everything is there.

    Graphs that an earlier run finished are kept if source and options are the same; all else is thrown away.

    Args:
        out: the model folder to be.
        key: stands for the source and the options, see :func:`conversion_key`.
        fresh: throw away what an earlier run left.
    """

    def __init__(self, out: Path, key: str, fresh: bool = False) -> None:
        self.path = out.with_name(f".{out.name}.partial")
        self._out = out
        self._key = key
        self._finished: dict[str, dict[str, int]] = {}
        if not fresh:
            self._finished = self._read_finished()
        if self._finished:
            self._forget_the_rest()
        elif self.path.is_symlink() or self.path.exists():
            _remove(self.path)

    @property
    def graphs(self) -> Path:
        """Where the graphs' files go."""
        return self.path / "onnx"

    def has(self, graph: str) -> bool:
        """Whether an earlier run finished this graph; it is named by its ``.onnx`` file."""
        return graph in self._finished

    def open(self) -> None:
        """Make the folder."""
        self.graphs.mkdir(parents=True, exist_ok=True)

    def finish(self, graph: str) -> None:
        """Remember that the files of this graph are complete."""
        files = {file.name: file.stat().st_size for file in self.graphs.glob(f"{graph}*")}  # and its weights
        self._finished[graph] = files
        state = self.path / _STATE
        draft = state.with_suffix(".draft")
        draft.write_text(json.dumps({"key": self._key, "finished": self._finished}), encoding="utf-8")
        draft.replace(state)

    def files(self, graph: str) -> list[str]:
        """Return the names of a finished graph's files."""
        return sorted(self._finished[graph])

    def publish(self) -> None:
        """Put the folder in its place."""
        (self.path / _STATE).unlink(missing_ok=True)
        if self._out.exists():
            self._out.rmdir()
        self.path.rename(self._out)

    def interrupt(self) -> bool:
        """Keep what is finished for the next run; return whether there is anything to keep."""
        if not self._finished:
            self.drop()
            return False
        self._forget_the_rest()
        return True

    def drop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _read_finished(self) -> dict[str, dict[str, int]]:
        try:
            state = read_json_object(self.path / _STATE)
            if state["key"] != self._key:
                return {}
            finished: dict[str, dict[str, int]] = state["finished"]
            return {
                graph: files
                for graph, files in finished.items()
                if files and all(self._is_whole(name, size) for name, size in files.items())
            }
        except (ForeignFileError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _is_whole(self, name: str, size: int) -> bool:
        file = self.graphs / name
        return not file.is_symlink() and file.is_file() and file.stat().st_size == size

    def _forget_the_rest(self) -> None:
        """Remove what does not belong to a finished graph.

        That may be a folder: onnx_ir writes the weights into one of its own, and moves them when they are complete.
        """
        known = {name for files in self._finished.values() for name in files}
        for entry in self.graphs.glob("*"):
            if entry.name not in known:
                _remove(entry)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def conversion_key(folder: Path, options: Mapping[str, Any]) -> str:
    """Return what stands for a checkpoint, the options and this program.

    The checkpoint's files are known by name, size, time of change and their first kilobytes: reading them whole would
    take longer than converting a graph.
    """
    digest = hashlib.sha256(f"{__version__} {json.dumps(dict(options), sort_keys=True)}".encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*.jinja")]):
        try:
            status = check_file(file)
        except ForeignFileError:  # what is no file is no part of a checkpoint
            continue
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}".encode())
        with suppress(OSError), file.open("rb") as stream:
            digest.update(stream.read(1 << 16))
    return digest.hexdigest()
