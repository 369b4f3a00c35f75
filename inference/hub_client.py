"""The Hugging Face Hub, or a mirror of it: lists the files of a repository and brings their bytes.

The server is a stranger: nothing that it says of names, sizes, check sums or addresses is used before it was checked,
nothing is read into memory without a bound, and the user's token goes to the Hub alone unless the user says otherwise.
Nothing here touches the network before it is called.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from inference.errors import LarimarError
from inference.network import NETWORK, OfflineError, stays_here

log = logging.getLogger(__name__)

MAX_LISTING: Final = 16 << 20
"""Bytes of the list of files; that of a repository with 10,000 files has about three million."""
MAX_FILES: Final = 20_000
MAX_FILE_BYTES: Final = 1 << 42
MAX_PATH: Final = 400
"""Characters in the path of a file; no part of it has more than 200."""

_MAX_REDIRECTS: Final = 5
_SECONDS: Final = 30.0
_LISTING_SECONDS: Final = 120.0
"""For the whole list of files: one that sends a byte now and then would never be late otherwise."""
_HUB: Final = frozenset({"huggingface.co", "hf.co"})
_DIGEST: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PART: Final = re.compile(r"[\w.+@=,~#()\[\] -]{1,200}")
"""What a part of a path may hold: no separators of any system, no control codes, none of what Windows forbids."""
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,15})-")


class DownloadError(LarimarError):
    """A download ended before its end; what arrived is kept for another try, unless it was damaged."""


class StrangeHubError(DownloadError):
    """The server answers what no Hub answers."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The server did not answer as the Hugging Face Hub does: {what}. If a mirror is named in the settings, "
            "check its address; else try again later."
        )


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository."""

    path: str
    """In the repository, with slashes."""
    size: int
    digest: str
    """SHA-256 of the content for large files, else SHA-1 of the Git blob; tells which by its length."""


def check_remote_file(file: RemoteFile) -> RemoteFile:
    """Return ``file`` if what is said of it can be believed; for each file before it is fetched.

    Raises:
        DownloadError: its path leaves the folder or is none, or its size or check sum is none.
    """
    parts = file.path.split("/") if isinstance(file.path, str) else []
    if not parts or len(file.path) > MAX_PATH or not all(map(_is_name, parts)):
        raise DownloadError(
            f"The repository names a file that would lie outside its folder, or that no folder can hold "
            f"({str(file.path)[:80]!r}). Choose another model."
        )
    if type(file.size) is not int or not 0 <= file.size <= MAX_FILE_BYTES:
        raise StrangeHubError(f"{file.path} has no size that makes sense")
    if not isinstance(file.digest, str) or not _DIGEST.fullmatch(file.digest):
        raise StrangeHubError(f"{file.path} has no check sum")
    return file


class Hub:
    """The Hugging Face Hub, or a mirror of it. Methods block; not for the GUI thread.

    Args:
        endpoint: address of the mirror; ``None``: what ``HF_ENDPOINT`` says, or the Hub itself.
        token: called before each request that may carry it for the user's token; ``None``, or one that returns it:
            what ``HF_TOKEN`` or ``hf auth login`` say, if anything.
        token_mirror: address of the one mirror to which the user lets the token go; see :meth:`takes_token`.
    """

    def __init__(
        self, endpoint: str | None = None, token: Callable[[], str | None] | None = None, token_mirror: str = ""
    ) -> None:
        self.endpoint = endpoint
        self.token_mirror = token_mirror
        self._token = token or (lambda: None)

    def takes_token(self, address: str) -> bool:
        """Return whether a request to ``address`` carries the user's token.

        The Hub's own hosts get it, over HTTPS; any other only where the user has named that very mirror for it, over
        HTTPS or on this machine.
        """
        if may_take_token(address) and _origin(address) in {("https", host, 443) for host in _HUB}:
            return True
        return bool(self.token_mirror) and may_take_token(address) and _origin(address) == _origin(self.token_mirror)

    def files(self, repository: str) -> Sequence[RemoteFile]:
        """Return all files of a repository, as the server describes them; see :func:`check_remote_file`.

        Raises:
            DownloadError: the Hub cannot be reached, does not have the repository, or answers what makes no sense.
            OfflineError: the user has forbidden connections.
        """
        NETWORK.require()
        address = f"{self._endpoint()}/api/models/{repository}?blobs=true"
        with _as_sentences(repository), self._get(address, {}) as answer:
            content = bytearray()
            latest = time.monotonic() + _LISTING_SECONDS
            for piece in answer.iter_raw():
                NETWORK.require()
                if time.monotonic() > latest:
                    raise StrangeHubError("its list of files takes too long to come")
                content += piece
                if len(content) > MAX_LISTING:
                    raise StrangeHubError("its list of files does not come to an end")
            return _listing(bytes(content))

    def pieces(self, repository: str, file: RemoteFile, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield pieces of a file from byte ``start`` on, or from its beginning, each with its position.

        Ends after at most one byte more than the file should have.

        Raises:
            DownloadError: the connection broke.
            OfflineError: the user has forbidden connections.
        """
        NETWORK.require()
        address = _library().hf_hub_url(repository, file.path, endpoint=self.endpoint)
        headers = {"Range": f"bytes={start}-"} if start else {}
        with _as_sentences(repository), self._get(address, headers) as answer:
            at = 0
            if answer.status_code == 206:
                said = _CONTENT_RANGE.match(answer.headers.get("Content-Range", f"bytes {start}-"))
                at = int(said.group(1)) if said else -1
                if at != start:
                    raise StrangeHubError("it sent another part of a file than was asked for")
            for piece in answer.iter_raw():
                NETWORK.require()
                piece = piece[: file.size + 1 - at]
                yield at, piece
                at += len(piece)
                if at > file.size:
                    return

    def _endpoint(self) -> str:
        return (self.endpoint or str(_library().constants.ENDPOINT)).rstrip("/")

    @contextmanager
    def _get(self, address: str, headers: dict[str, str]) -> Iterator[Any]:
        """Give the answer to a GET request, its body unread; follow redirects, each with what its host may know."""
        hub = _library()
        secure = address.startswith("https://")
        for _ in range(_MAX_REDIRECTS + 1):
            # False, not None: None would bring the token of the environment along
            token = self._token() if self.takes_token(address) else False
            sent = {**hub.utils.build_hf_headers(token=token, library_name="larimar"), **headers}
            sent["Accept-Encoding"] = "identity"
            client = hub.get_session()
            with client.stream("GET", address, headers=sent, timeout=_SECONDS, follow_redirects=False) as answer:
                if answer.status_code not in (301, 302, 303, 307, 308):
                    if not 200 <= answer.status_code < 300:
                        raise _StatusError(answer.status_code)
                    if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                        raise StrangeHubError("it sent a compressed answer that nobody asked for")
                    yield answer
                    return
                address = urljoin(address, answer.headers.get("Location", ""))
            scheme = urlsplit(address).scheme
            if scheme != "https" and (secure or scheme != "http"):
                raise StrangeHubError("it leads to an address that is not secure")
        raise StrangeHubError("it leads from one address to the next without end")


def may_take_token(address: str) -> bool:
    """Return whether a token can go to ``address`` without anybody on the way reading it: HTTPS, or this machine."""
    origin = _origin(address)
    return origin is not None and (origin[0] == "https" or (origin[0] == "http" and stays_here(origin[1])))


def _origin(address: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an address; ``None`` where it is none, or has a user's name in it."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _is_name(part: str) -> bool:
    return (
        bool(_PART.fullmatch(part))
        and part not in (".", "..")
        and part[-1] not in ". "
        and part[0] != " "
        and not _DEVICES.fullmatch(part)
    )


def _listing(content: bytes) -> list[RemoteFile]:
    """Return the files that an answer about a repository names."""
    try:
        said = json.loads(content)
        siblings = said["siblings"]
        if not isinstance(siblings, list):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StrangeHubError("it did not list the files of the model") from error
    if len(siblings) > MAX_FILES:
        raise StrangeHubError(f"it lists more than {MAX_FILES} files")
    if not all(isinstance(each, dict) and isinstance(each.get("rfilename"), str) for each in siblings):
        raise StrangeHubError("it did not list the files of the model")
    return [RemoteFile(each["rfilename"], each.get("size"), _digest(each)) for each in siblings]


def _digest(sibling: dict[str, Any]) -> Any:
    large = sibling.get("lfs")
    return large.get("sha256") if isinstance(large, dict) else sibling.get("blobId")


class _StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def _library() -> Any:
    # Read at its import: no usage data to its maker, and no transfers by a library that our switch does not see.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    import huggingface_hub
    import huggingface_hub.constants
    import huggingface_hub.utils

    return huggingface_hub


@contextmanager
def _as_sentences(repository: str) -> Iterator[None]:
    try:
        yield
    except LarimarError:
        raise
    except Exception as error:  # of huggingface_hub and of the HTTP client that it has at the moment
        raise _translated(error, repository) from error


_BROKEN: Final = (
    "The Hugging Face Hub cannot be reached, or the connection broke. What has arrived is kept: check the connection "
    "and try again."
)


def _translated(error: Exception, repository: str) -> LarimarError:
    if NETWORK.offline:
        return OfflineError()
    status = error.status if isinstance(error, _StatusError) else None
    log.info("The Hub could not be used: %s (status %s)", type(error).__name__, status)
    if status in (401, 403):
        return DownloadError(
            f"The Hub does not give {repository} to everybody. Accept its terms on huggingface.co, put your token into "
            "the settings under “Models”, then try again. A mirror gets the token only where the settings say so."
        )
    if status == 404:
        return DownloadError(f"The Hub has no {repository} any more. Choose another model.")
    if type(error).__name__ == "OfflineModeIsEnabled":
        return DownloadError("HF_HUB_OFFLINE forbids connections to the Hub. Start Larimar without it to download.")
    return DownloadError(_BROKEN)
