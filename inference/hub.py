"""Downloads a model folder from the Hugging Face Hub: resumable, verified, and visible only when it is whole.

The bytes come from :mod:`inference.hub_client`; here they become a folder, because a download must stop within a moment
and go on later where it stopped.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from inference.cancellation import CancelToken
from inference.errors import DiskSpaceError, LarimarError
from inference.hub_client import DownloadError, Hub, RemoteFile, check_remote_file
from inference.model_folder import SUFFIXES, ModelFolder

__all__ = ["DownloadCancelledError", "DownloadError", "Hub", "Progress", "RemoteFile", "Source", "download"]

PARTIAL: Final = ".downloading"
"""Folder, inside the folder of models, with what is not whole yet."""
_SPARE: Final = 256 << 20
"""Bytes that are left free on the disk."""
_NEEDED: Final = ("decoder_model_merged", "embed_tokens")
_OPTIONAL: Final = ("vision_encoder", "audio_encoder", "drafter")
_BESIDE: Final = re.compile(r"[^/]+\.(json|jinja)|LICENSE[^/]*|NOTICE[^/]*|README\.md")


class DownloadCancelledError(LarimarError):
    """The user stopped a download; what arrived is kept."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is."""

    done: int
    total: int
    """Both in bytes; ``total`` is 0 until the Hub has said what there is."""
    verifying: bool = False
    """Whether what arrived is being checked."""
    kept: int = 0
    """Of ``done``, what an earlier try had brought."""


class Source(Protocol):
    """Where files come from; the real one is :class:`inference.hub_client.Hub`."""

    def files(self, repository: str) -> Sequence[RemoteFile]:
        """Return all files of a repository."""

    def pieces(self, repository: str, file: RemoteFile, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield pieces of a file from byte ``start`` on, or from its beginning, each with its position."""


def choose_files(files: Sequence[RemoteFile], suffix: str) -> list[RemoteFile]:
    """Return the files of one precision: each graph with its data, and what lies beside ``onnx/``.

    Raises:
        DownloadError: a graph that every model needs is missing.
    """
    by_path = {file.path: file for file in files}
    chosen = [file for file in files if _BESIDE.fullmatch(file.path)]
    for graph in (*_NEEDED, *_OPTIONAL):
        names = (f"onnx/{graph}{each}.onnx" for each in (suffix, *SUFFIXES))
        name = next((name for name in names if name in by_path), None)
        if name is None:
            if graph in _NEEDED:
                raise DownloadError(
                    f"The repository does not hold what Larimar needs: onnx/{graph}{suffix}.onnx is missing. "
                    "Choose another model."
                )
            continue
        data = re.compile(re.escape(name) + r"[_.]data(_\d{1,4})?")
        chosen += [file for file in files if file.path == name or data.fullmatch(file.path)]
    return chosen


def download(
    source: Source,
    repository: str,
    suffix: str,
    folder: Path,
    name: str,
    progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Bring a model folder to ``folder / name`` and return that; it is there when everything is whole, or not at all.

    What arrived of a download that ended early lies in ``folder / ".downloading" / name`` and is used by the next.

    Raises:
        DownloadError: the connection broke, or a file is not what it should be.
        DownloadCancelledError: ``cancel`` was set.
        DiskSpaceError: the disk has too little room; said before anything is fetched where that can be known.
        OfflineError: the user has forbidden connections.
        ModelFolderError: what was published is not a folder that we can run.
    """
    target, partial = folder / name, folder / PARTIAL / name
    one = _Download(source, repository, partial, progress or (lambda _: None), cancel or CancelToken())
    try:
        one.run(suffix)
        ModelFolder.open(partial / "model")
        if target.exists():
            shutil.rmtree(target)
        os.replace(partial / "model", target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskSpaceError(
                f"The disk of {folder} is full. What has arrived is kept: make room, then go on with the download."
            ) from error
        raise DownloadError(f"The model cannot be written to {folder}: {error.strerror or error}.") from error
    forget_partial(folder, name)
    return target


def _checked(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return the files of which all that is said can be believed. Raises :class:`DownloadError` for any other."""
    by_place: dict[str, RemoteFile] = {}
    for file in files:
        # not every disk tells small letters from capitals
        if by_place.setdefault(check_remote_file(file).path.casefold(), file) is not file:
            raise DownloadError(f"The repository holds {file.path} twice. Choose another model.")
    return list(by_place.values())


def partial_bytes(folder: Path, name: str) -> int:
    """Return how many bytes of a download that ended early are kept."""
    return sum(file.stat().st_size for file in (folder / PARTIAL / name).rglob("*") if file.is_file())


def forget_partial(folder: Path, name: str) -> None:
    """Delete what is kept of a download that ended early."""
    shutil.rmtree(folder / PARTIAL / name, ignore_errors=True)
    with _ignoring_not_empty():
        (folder / PARTIAL).rmdir()


class _Download:
    """One try."""

    def __init__(
        self,
        source: Source,
        repository: str,
        partial: Path,
        progress: Callable[[Progress], None],
        cancel: CancelToken,
    ) -> None:
        self._source = source
        self._repository = repository
        self._partial = partial
        self._progress = progress
        self._cancel = cancel
        self._done = 0
        self._total = 0
        self._kept = 0

    def run(self, suffix: str) -> None:
        self._progress(Progress(0, 0))
        files = _checked(choose_files(self._source.files(self._repository), suffix))
        self._check_cancelled()
        self._total = sum(file.size for file in files)
        self._partial.mkdir(parents=True, exist_ok=True)
        self._forget_others(files)
        self._check_room(files)
        for file in files:
            self._fetch(file)
        record = {"repository": self._repository, "files": {file.path: file.digest for file in files}}
        (self._model / "download.json").write_text(json.dumps(record, indent=1), encoding="utf-8")

    @property
    def _model(self) -> Path:
        return self._partial / "model"

    def _place(self, file: RemoteFile) -> Path:
        place = self._model.joinpath(*file.path.split("/"))
        if not place.resolve().is_relative_to(self._model.resolve()):
            raise DownloadError(f"The repository names a file outside its folder ({file.path}). Choose another model.")
        return place

    def _part(self, file: RemoteFile) -> Path:
        return self._partial / f"{file.digest}.part"

    def _forget_others(self, files: Sequence[RemoteFile]) -> None:
        """Delete what belongs to another version of the repository."""
        wanted = {self._place(file) for file in files} | {self._part(file) for file in files}
        sizes = {self._place(file): file.size for file in files}
        for each in [path for path in self._partial.rglob("*") if path.is_file()]:
            if each not in wanted or (each in sizes and each.stat().st_size != sizes[each]):
                each.unlink()

    def _check_room(self, files: Sequence[RemoteFile]) -> None:
        there = sum(file.stat().st_size for file in self._partial.rglob("*") if file.is_file())
        needed = self._total - there + _SPARE
        free = shutil.disk_usage(self._partial).free
        if free < needed:
            raise DiskSpaceError(
                f"The disk of {self._partial.parent.parent} has {_gigabytes(free)} free, and this model needs "
                f"{_gigabytes(needed)} more. Make room, or choose another folder for models in the settings."
            )

    def _fetch(self, file: RemoteFile) -> None:
        place, part = self._place(file), self._part(file)
        if place.is_file():  # whole and checked, from an earlier try
            self._kept += file.size
            self._advance(file.size)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        before = self._done
        with part.open("r+b" if part.exists() else "w+b") as opened:
            start = opened.seek(0, os.SEEK_END)
            if start > file.size:
                start = 0
            self._kept += start
            self._advance(start)
            if start < file.size or file.size == 0:
                for at, piece in self._source.pieces(self._repository, file, start):
                    if at != opened.tell():
                        opened.seek(at)
                        opened.truncate()
                        self._done = before + at
                    opened.write(piece)
                    self._advance(len(piece))
                    if at + len(piece) > file.size:
                        break
                    self._check_cancelled()
            size = opened.tell()
            if size < file.size:
                raise DownloadError(
                    f"The connection ended before {file.path} was complete. What has arrived is kept: try again to go "
                    "on."
                )
            opened.truncate()
            if size > file.size or self._digest(opened, file) != file.digest:
                opened.truncate(0)
                raise DownloadError(
                    f"{file.path} arrived damaged: its check sum is wrong. It was thrown away; try again to fetch it "
                    "anew."
                )
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(part, place)

    def _digest(self, opened: Any, file: RemoteFile) -> str:
        self._progress(Progress(self._done, self._total, verifying=True, kept=self._kept))
        large = len(file.digest) == 64
        digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
        opened.seek(0)
        while piece := opened.read(1 << 20):
            digest.update(piece)
            self._check_cancelled()
        return digest.hexdigest()

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(Progress(self._done, self._total, kept=self._kept))

    def _check_cancelled(self) -> None:
        if self._cancel.cancelled:
            raise DownloadCancelledError("The download was stopped. What has arrived is kept.")


@contextmanager
def _ignoring_not_empty() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
