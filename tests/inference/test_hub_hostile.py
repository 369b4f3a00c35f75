"""The hub is a stranger: whatever it says of names, sizes, check sums and addresses hurts nothing and ends."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from fakes.hub_server import HubServer, serving, small_model
from fuzzing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.errors import LarimarError
from inference.hub import DownloadError, Hub, RemoteFile, download
from inference.hub_client import MAX_FILES, MAX_LISTING, check_remote_file, may_take_token

LISTING = "/api/models/test/model"
CONFIG = "/test/model/resolve/main/config.json"
TOKEN = "hf_0123456789abcdef"
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving(small_model()) as running:
        yield running


def fetch(server: HubServer, folder: Path, hub: Hub | None = None) -> Path:
    return download(hub or Hub(server.endpoint), "test/model", "_q4", folder / "models", "small")


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_list_that_comes_byte_by_byte_ends(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.hub_client._LISTING_SECONDS", 0.1)

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with suppress(OSError):
            for _ in range(6000):
                request.wfile.write(b" ")
                time.sleep(0.01)

    server.instead[LISTING] = drip
    with pytest.raises(DownloadError, match="too long"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    "digest", ["../../evil", "/etc/evil", "a" * 39, "A" * 40, "", None, 5, ["a"], "a" * 64 + "\n", "a" * 100_000]
)
def test_a_check_sum_is_never_a_name(server: HubServer, tmp_path: Path, digest: object) -> None:
    said = [
        {"rfilename": name, "size": len(content), "lfs": {"sha256": digest}} for name, content in server.files.items()
    ]
    server.listing = json.dumps({"siblings": said}).encode()
    with pytest.raises(DownloadError, match="check sum"):
        fetch(server, tmp_path)
    assert server.asked == []
    assert {path for path in everything_below(tmp_path) if "evil" in path} == set()


@pytest.mark.parametrize("size", ["12", "x" * 1000, -1, 1.5, None, True, 1 << 70, 10**4000, [1], float("inf")])
def test_a_size_is_a_number_that_makes_sense(size: object) -> None:
    with pytest.raises(DownloadError, match="size"):
        check_remote_file(RemoteFile("config.json", size, "a" * 40))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    ["../evil.json", "a/../../b", "/etc/passwd", "a//b", "", ".", "a\\..\\b", "c:evil", "con.json", "a\0b", "a\nb",
     "a\x1b[2J", "x" * 300, "a/" * 300 + "b", "name.", "name ", " name", "aux", "LPT1.txt", 5, None, "a\u202eb", "a?b"],
)  # fmt: skip
def test_a_path_stays_in_its_folder(path: object) -> None:
    with pytest.raises(DownloadError, match="outside its folder"):
        check_remote_file(RemoteFile(path, 1, "a" * 40))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "listing",
    [b"", b"[]", b"null", b"{", b'{"siblings": {}}', b'{"siblings": [1]}', b'{"siblings": [{"rfilename": 5}]}',
     b'{"siblings": ' + b"[" * 100_000, b'{"siblings": [{"rfilename": "a", "size": ' + b"9" * 5000 + b"}]}",
     b"\xff\xfe", b"<html>" * 1000, b'{"siblings": [' + b'{"rfilename": "a"},' * MAX_FILES + b'{"rfilename": "a"}]}'],
)  # fmt: skip
def test_a_list_that_is_none_is_a_sentence(server: HubServer, tmp_path: Path, listing: bytes) -> None:
    server.listing = listing
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    assert server.asked == []


def endless(start: bytes, bytes_sent: list[int]) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        piece = start
        try:
            while sum(bytes_sent) < 4 * MAX_LISTING:
                handler.wfile.write(piece)
                bytes_sent.append(len(piece))
                piece = b" " * 65536
        except OSError:
            return

    return answer


def test_a_list_without_end_is_left_early(server: HubServer, tmp_path: Path) -> None:
    sent: list[int] = []
    server.instead[LISTING] = endless(b'{"siblings": [', sent)
    with pytest.raises(DownloadError, match="does not come to an end"):
        fetch(server, tmp_path)
    assert sum(sent) < 2 * MAX_LISTING


def test_a_file_without_end_is_left_early_and_thrown_away(server: HubServer, tmp_path: Path) -> None:
    sent: list[int] = []
    server.instead[CONFIG] = endless(server.files["config.json"], sent)
    with pytest.raises(DownloadError, match="check sum"):
        fetch(server, tmp_path)
    kept = list((tmp_path / "models").rglob("*.part"))
    assert all(path.stat().st_size == 0 for path in kept)
    assert sum(sent) < 2 * MAX_LISTING


def test_an_error_page_without_end_is_not_read(server: HubServer, tmp_path: Path) -> None:
    sent: list[int] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(500)
        endless(b"<html>", sent)(handler)

    server.instead[LISTING] = answer
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    assert sum(sent) < 2 * MAX_LISTING


@pytest.mark.parametrize("path", [LISTING, CONFIG])
def test_a_compressed_bomb_is_refused_unread(server: HubServer, tmp_path: Path, path: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    server.instead[path] = answer
    with pytest.raises(DownloadError, match="compressed"):
        fetch(server, tmp_path)


def redirect(to: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_redirects_are_followed_a_few_times_and_never_to_a_file(server: HubServer, tmp_path: Path) -> None:
    server.instead[LISTING] = redirect(LISTING)
    with pytest.raises(DownloadError, match="from one address to the next"):
        fetch(server, tmp_path)
    server.instead[LISTING] = redirect("file:///etc/passwd")
    with pytest.raises(DownloadError, match="not secure"):
        fetch(server, tmp_path)
    server.instead[LISTING] = redirect("/elsewhere")
    server.instead["/elsewhere"] = redirect(f"{server.endpoint}/api/models/test/model?again")
    with pytest.raises(DownloadError, match="from one address to the next"):
        fetch(server, tmp_path)


def test_the_token_does_not_follow_to_another_server(server: HubServer, tmp_path: Path) -> None:
    with serving(small_model()) as other:
        server.instead[LISTING] = redirect(f"{other.endpoint}{LISTING}")
        hub = Hub(server.endpoint, lambda: TOKEN, token_mirror=server.endpoint)
        hub.files("test/model")
        assert server.tokens == [f"Bearer {TOKEN}"]
        assert other.tokens == [None]


def test_a_part_that_was_not_asked_for_is_refused(server: HubServer, tmp_path: Path) -> None:
    server.break_at["config.json"] = 5
    with pytest.raises(DownloadError, match="kept"):
        fetch(server, tmp_path)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 0-3/4")
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"evil")

    server.instead[CONFIG] = answer
    with pytest.raises(DownloadError, match="another part"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("address", "trusted", "goes"),
    [
        ("https://huggingface.co", "", True),
        ("https://hf.co/", "", True),
        ("http://huggingface.co", "", False),
        ("http://huggingface.co", "http://huggingface.co", False),
        ("https://huggingface.co.evil.example", "", False),
        ("https://huggingface.co@evil.example", "", False),
        ("https://user@huggingface.co", "", False),
        ("https://huggingface.co:8443", "", False),
        ("https://mirror.example", "", False),
        ("https://mirror.example", "https://mirror.example", True),
        ("https://mirror.example/a", "https://mirror.example", True),
        ("https://mirror.example:444", "https://mirror.example", False),
        ("https://other.example", "https://mirror.example", False),
        ("http://mirror.example", "http://mirror.example", False),
        ("http://mirror.example", "https://mirror.example", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "", False),
        ("ftp://mirror.example", "ftp://mirror.example", False),
        ("https://[::1", "https://[::1", False),
        ("", "", False),
    ],
)
def test_who_gets_the_token(address: str, trusted: str, goes: bool) -> None:
    assert Hub(token_mirror=trusted).takes_token(address) is goes
    assert may_take_token(address) or not goes


def test_the_token_of_the_environment_stays_as_well(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(server, tmp_path, Hub(server.endpoint, lambda: TOKEN))
    assert set(server.tokens) == {None}


def test_files_that_differ_in_capitals_only_are_refused(server: HubServer, tmp_path: Path) -> None:
    server.files["Config.json"] = b"{}"
    with pytest.raises(DownloadError, match="twice"):
        fetch(server, tmp_path)


def test_a_strange_name_that_is_not_needed_does_no_harm(server: HubServer, tmp_path: Path) -> None:
    server.files["images/what is this?.png"] = b"x"
    server.files["../evil.png"] = b"x"
    assert fetch(server, tmp_path).is_dir()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["config.json", "tokenizer.json", "onnx/decoder_model_merged_q4.onnx", "onnx/embed_tokens_q4.onnx",
     "onnx/embed_tokens_q4.onnx_data", "../x", "onnx", "onnx/embed_tokens_q4.onnx_data_1/../../../x"]
)  # fmt: skip
SIBLING = st.fixed_dictionaries(
    {},
    optional={
        "rfilename": NAMES | st.text(max_size=30) | JSON,
        "size": st.integers(0, 50) | JSON,
        "blobId": st.sampled_from(["a" * 40, "b" * 64]) | JSON,
        "lfs": st.fixed_dictionaries({}, optional={"sha256": st.just("c" * 64) | st.text(max_size=80) | JSON}) | JSON,
    },
)


class Scripted:
    """A hub that says anything; brings ``content`` at any position."""

    def __init__(self, listing: bytes, content: Sequence[tuple[int, bytes]]) -> None:
        self._listing = listing
        self._content = content

    def files(self, repository: str) -> Sequence[RemoteFile]:
        from inference.hub_client import _listing

        return _listing(self._listing)

    def pieces(self, repository: str, file: RemoteFile, start: int) -> Iterator[tuple[int, bytes]]:
        yield from self._content


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.fixed_dictionaries({"siblings": st.lists(SIBLING, max_size=12) | JSON}) | JSON,
    cut=st.integers(0, 200),
    content=st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=40)), max_size=4),
)
def test_whatever_a_hub_says_is_a_sentence_and_stays_inside(
    tmp_path: Path, said: Any, cut: int, content: list[tuple[int, bytes]]
) -> None:
    listing = json.dumps(said).encode()
    inside = tmp_path / f"{time.monotonic_ns()}" / "models"
    before = set(os.listdir(tmp_path))
    with pytest.raises(LarimarError):
        download(Scripted(listing[: len(listing) - cut % 7], content), "test/model", "_q4", inside, "small")
    assert set(os.listdir(tmp_path)) - before <= {inside.parent.name}
    assert not inside.parent.exists() or os.listdir(inside.parent) == ["models"]
