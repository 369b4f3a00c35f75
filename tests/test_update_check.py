"""The update check against a server on this machine: one request, which tells nothing but the version."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app import update_check
from app.update_check import UpdateCheckError, allowed, newest_release


class Server(HTTPServer):
    """Answers every request alike and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = b""
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/latest"

    def says(self, **fields: str) -> None:
        self.answer = json.dumps(fields).encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("theirs", "ours", "newer"),
    [("v0.2.0", "0.1.0", True), ("0.1.10", "0.1.9", True), ("v0.1.0", "0.1.0", False), ("0.0.9", "0.1.0", False)],
)
def test_tells_newer_from_older(server: Server, theirs: str, ours: str, newer: bool) -> None:
    server.says(tag_name=theirs, html_url="https://github.com/larimar/larimar/releases/v1")
    release = newest_release(server.url, ours)
    assert release.newer is newer
    assert release.page == "https://github.com/larimar/larimar/releases/v1"


def test_asks_once_and_tells_only_the_version(server: Server) -> None:
    server.says(tag_name="v1.0", html_url="https://github.com/larimar/larimar/releases/v1")
    newest_release(server.url, "0.1.0")
    ((method, path, headers),) = server.requests
    assert (method, path) == ("GET", "/latest")
    assert headers.pop("User-Agent") == "larimar/0.1.0"
    assert set(headers) <= {"Host", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"tag_name": "next", "html_url": "https://x"}'])
def test_a_strange_answer_is_a_sentence(server: Server, answer: bytes) -> None:
    server.answer = answer
    with pytest.raises(UpdateCheckError, match="newest"):
        newest_release(server.url)


def test_a_page_that_is_no_web_page_is_not_shown(server: Server) -> None:
    server.says(tag_name="v9", html_url="file:///etc/passwd")
    with pytest.raises(UpdateCheckError):
        newest_release(server.url)


def test_no_network_is_a_sentence() -> None:
    with pytest.raises(UpdateCheckError, match="connection"):
        newest_release("http://127.0.0.1:9/latest")


def test_builds_of_a_store_do_not_ask(tmp_path: Path) -> None:
    file = tmp_path / "distribution.json"
    assert allowed(file)
    file.write_text('{"channel": "flatpak", "update_check": false}')
    assert not allowed(file)
    file.write_text("damaged")
    assert not allowed(file)


def test_the_address_is_one_that_people_can_look_up() -> None:
    assert update_check.RELEASE_URL.startswith("https://")
