"""A Hugging Face Hub on this machine, for tests: lists files, serves them from any byte, and can be told to fail."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0" * 40


class HubServer(ThreadingHTTPServer):
    """Serves ``files`` as the repository ``test/model``."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.break_at: dict[str, int] = {}
        """By path, after how many bytes of an answer the connection breaks, once."""
        self.damage: set[str] = set()
        """Paths whose first byte arrives wrong, once."""
        self.hold: dict[str, threading.Event] = {}
        """By path, what must be set before the second half of an answer is sent."""
        self.asked: list[tuple[str, str]] = []
        """Path and range of every file that was asked for."""
        self.token: str | None = None
        """What must come with every request, if anything."""
        self.tokens: list[str | None] = []
        """What came as authorization with every request."""
        self.listing: bytes | None = None
        """What is said about the repository in place of the truth."""
        self.instead: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        """By the path of a request, what answers it in place of the server."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.server.tokens.append(self.headers.get("Authorization"))
        if answer := self.server.instead.get(path):
            answer(self)
            return
        wanted = self.server.token
        if wanted is not None and self.headers.get("Authorization") != f"Bearer {wanted}":
            self.send_error(401)
            return
        if path == "/api/models/test/model":
            self._list()
        elif path.startswith("/test/model/resolve/main/"):
            self._file(path.removeprefix("/test/model/resolve/main/"))
        else:
            self.send_error(404)

    def _list(self) -> None:
        if self.server.listing is not None:
            self._send(200, self.server.listing)
            return
        siblings = []
        for name, content in self.server.files.items():
            sibling = {"rfilename": name, "size": len(content), "blobId": git_blob(content)}
            if ".onnx" in name:
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        body = json.dumps(
            {"id": "test/model", "modelId": "test/model", "sha": COMMIT, "siblings": siblings, "tags": []}
        )
        self._send(200, body.encode())

    def _file(self, name: str) -> None:
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        wanted = self.headers.get("Range", "")
        self.server.asked.append((name, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        content = content[start:]
        if name in self.server.damage:
            self.server.damage.remove(name)
            content = bytes([content[0] ^ 1]) + content[1:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        broken = self.server.break_at.pop(name, None)
        if broken is not None:
            self.wfile.write(content[:broken])
            self.close_connection = True
            return
        half = len(content) // 2
        self.wfile.write(content[:half])
        if hold := self.server.hold.get(name):
            self.wfile.flush()
            hold.wait(10)
        self.wfile.write(content[half:])

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[HubServer]:
    server = HubServer(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def small_model(weights: int = 600_000) -> dict[str, bytes]:
    """Return the files of a repository that our rules take for a model; the graphs hold nothing."""
    return {
        "config.json": json.dumps({"model_type": "gemma4", "text_config": {"max_position_embeddings": 4096}}).encode(),
        "tokenizer.json": b"{}",
        "README.md": "Wörter".encode(),
        ".gitattributes": b"*.onnx filter=lfs",
        "onnx/decoder_model_merged_q4.onnx": b"graph",
        "onnx/decoder_model_merged_q4.onnx_data": bytes(range(256)) * (weights // 256),
        "onnx/decoder_model_merged_fp16.onnx": b"another precision",
        "onnx/embed_tokens_q4.onnx": b"graph",
        "onnx/embed_tokens_q4.onnx_data": b"w" * 1000,
        "onnx/vision_encoder_fp16.onnx": b"graph",
        "onnx/drafter_q4.onnx": b"graph",
    }


def write(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
