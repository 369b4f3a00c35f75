"""Archives by strangers: refused with what is wrong with them, in bounded time and memory, or read."""

from __future__ import annotations

import copy
import json
import os
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzzing import examples

from app.conversation import Conversation, Message
from app.history_store import WholeConversation
from app.store.sqlite_store import SqliteStore
from app.transfer.archive import INDEX, export_archive, import_archive
from app.transfer.documents import TransferError
from app.transfer.markdown_export import export_markdown
from inference.errors import LarimarError
from inference.messages import Image, ReplyStats, Text, Thought, ToolCall, ToolResult

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
MEMORY = 1 << 30
"""Bytes that the process of an import may address; Python and Qt alone take half of them."""


def made(folder: Path) -> Path:
    """Return an archive with everything that there is in one."""
    picture = folder / "a.png"
    picture.write_bytes(b"\x89PNG" + bytes(range(256)) * 4)
    question = Message("user", (Text("Q"), Image(picture, 280)), id="q")
    call = ToolCall("tool", {"a": [1, 2.5, {"b": None}]}, "1")
    answer = Message(
        "assistant",
        (Thought("t"), call, Text("A")),
        "q",
        id="a",
        finish_reason="stop",
        thought_seconds=1.5,
        stats=ReplyStats(1, generated_tokens=2, decode_seconds=0.5),
        model="m",
    )
    result = Message("tool", (ToolResult("tool", {"value": 1}, "1"),), "a", id="r")
    conversation = Conversation(id="c", title="T", system_prompt="S", leaf_id="r")
    other = Conversation(id="d", title="U", leaf_id="x")
    wholes = [
        WholeConversation(conversation, (question, answer, result), pinned=True),
        WholeConversation(other, (Message("user", (Text("x"),), id="x"),)),
    ]
    export_archive(wholes, folder / "made.zip")
    picture.unlink()
    return folder / "made.zip"


def with_index(archive: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    with zipfile.ZipFile(archive) as old:
        files = {name: old.read(name) for name in old.namelist()}
    index = json.loads(files[INDEX])
    changed = change(index)
    files[INDEX] = changed if isinstance(changed, bytes) else json.dumps(index).encode("utf-8", "surrogatepass")
    with zipfile.ZipFile(target, "w") as new:
        for name, data in files.items():
            new.writestr(name, data)
    return target


def refused(archive: Path, folder: Path) -> str:
    with pytest.raises(TransferError) as refusal:
        import_archive(archive, folder)
    assert not list(folder.parent.rglob("*.part"))
    return str(refusal.value)


def first(index: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = index["conversations"][0]["messages"][1]
    return found


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "endless time": lambda index: first(index).update(thought_seconds=float("inf")),
    "no time": lambda index: first(index).update(thought_seconds=float("nan")),
    "digits": lambda index: json.dumps(index).replace("1.5", "9" * 5000).encode(),
    "large time": lambda index: json.dumps(index).replace("1.5", "1e999").encode(),
    "negative": lambda index: first(index).update(thought_seconds=-1),
    "time as text": lambda index: first(index).update(thought_seconds="1"),
    "figures": lambda index: first(index).update(stats={"prompt_tokens": 1e300}),
    "figures of text": lambda index: first(index).update(stats={"decode_seconds": "long"}),
    "list of figures": lambda index: first(index).update(stats=[1]),
    "nested": lambda index: json.dumps(index).replace('{"a":', "[" * 100_000 + '{"a":').encode(),
    "deep arguments": lambda index: json.dumps(index).replace("2.5", "[" * 900 + "]" * 900).encode(),
    "arguments": lambda index: first(index)["parts"][1].update(arguments=[["a", 1]]),
    "detail": lambda index: index["conversations"][0]["messages"][0]["parts"][1].update(soft_tokens=float("inf")),
    "year": lambda index: first(index).update(created="0001-01-01T00:00:00+14:00"),
    "role": lambda index: first(index).update(role=["user"]),
    "status": lambda index: first(index).update(status={"a": 1}),
    "version": lambda index: index.update(version="1"),
    "version 10^400": lambda index: json.dumps(index).replace('"version": 1', '"version": 1' + "0" * 400).encode(),
    "own parent": lambda index: first(index).update(parent="a"),
    "circle": lambda index: index["conversations"][0]["messages"][0].update(parent="r"),
    "twice": lambda index: index["conversations"][0]["messages"].append(first(index)),
    "no list": lambda index: index.update(conversations={"a": 1}),
    "list": lambda index: b"[]",
    "null": lambda index: b"null",
    "empty": lambda index: b"",
    "latin": lambda index: b'{"format": "\xff"}',
    "a path": lambda index: first(index)["parts"].append({"type": "image", "path": "/etc/passwd"}),
    "outside": lambda index: first(index)["parts"].append({"type": "image", "media": "../../etc/passwd"}),
    "absolute": lambda index: first(index)["parts"].append({"type": "image", "media": "/etc/passwd"}),
    "outside by name": lambda index: first(index)["parts"].append({"type": "image", "media": "a" * 64 + "/../../x"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_index_that_makes_no_sense_is_refused(tmp_path: Path, change: str) -> None:
    archive = with_index(made(tmp_path), tmp_path / "bad.zip", CHANGES[change])
    sentence = refused(archive, tmp_path / "in")
    assert "bad.zip" in sentence
    assert "Nothing was imported." in sentence
    assert "That did not work" not in sentence
    with zipfile.ZipFile(archive) as packed:
        (tmp_path / "bad.json").write_bytes(packed.read(INDEX))
    assert "bad.json" in refused(tmp_path / "bad.json", tmp_path / "in")


def spoilt(archive: Path, target: Path, change: Callable[[bytearray], object]) -> Path:
    content = bytearray(archive.read_bytes())
    change(content)
    target.write_bytes(content)
    return target


def each_entry(content: bytearray, change: Callable[[bytearray, int, int], object]) -> None:
    """Call ``change`` with the place of each entry, once in the file and once in its list, and the length before."""
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            change(content, place, flags)
            place = content.find(mark, place + 4)


def encrypted(content: bytearray, place: int, flags: int) -> None:
    content[place + flags] |= 1


def other_method(number: int) -> Callable[[bytearray, int, int], None]:
    def change(content: bytearray, place: int, flags: int) -> None:
        struct.pack_into("<H", content, place + flags + 2, number)

    return change


def list_of(size: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        struct.pack_into("<I", content, content.rfind(b"PK\x05\x06") + 12, size)

    return change


FILES: dict[str, tuple[Callable[[bytearray], object], str]] = {
    "encrypted": (lambda content: each_entry(content, encrypted), "locked with a password"),
    "Deflate64": (lambda content: each_entry(content, other_method(9)), "(Deflate64)"),
    "LZMA": (lambda content: each_entry(content, other_method(14)), "(LZMA)"),
    "AES": (lambda content: each_entry(content, other_method(99)), "(AES)"),
    "method 77": (lambda content: each_entry(content, other_method(77)), "(method 77)"),
    "cut": (lambda content: content.__delitem__(slice(len(content) - 40, None)), "damaged"),
    "half": (lambda content: content.__delitem__(slice(len(content) // 2, None)), "damaged"),
    "no list": (list_of(0), "conversations.json"),
    "list too large": (list_of(0xFFFFFFF0), "damaged"),
    "spoilt": (lambda content: content.__setitem__(slice(80, 120), bytes(40)), ""),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_zip_file_that_cannot_be_read_is_refused_with_what_is_wrong(tmp_path: Path, kind: str) -> None:
    change, says = FILES[kind]
    sentence = refused(spoilt(made(tmp_path), tmp_path / "bad.zip", change), tmp_path / "in")
    assert "bad.zip" in sentence
    assert says in sentence
    assert "That did not work" not in sentence


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
@pytest.mark.parametrize("kind", ["pipe", "link to itself", "folder", "nothing", "device"])
def test_something_else_than_a_file_is_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "odd.zip"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link to itself":
        file.symlink_to(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    assert "odd.zip" in refused(file, tmp_path / "in")


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = made(tmp_path)
    monkeypatch.setattr("app.transfer.archive_reading._UNPACKED_AT_LEAST", 10)
    monkeypatch.setattr("app.transfer.archive_reading._UNPACKED_TIMES", 0.1)
    assert "claims to hold more" in refused(archive, tmp_path / "in")
    monkeypatch.undo()
    monkeypatch.setattr("app.transfer.archive_reading._RESERVE", 1 << 60)
    assert "too little room" in refused(archive, tmp_path / "in")


BOMBS = """
import resource, sys, zipfile
from pathlib import Path
kind, folder, memory = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
file = folder / "bomb.zip"
MB = 1 << 20
with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    if kind == "entries":
        for number in range(250_000):
            archive.writestr(zipfile.ZipInfo(f"{number:0100}"), b"")
    else:
        piece = {"lists": b"[]," * (MB // 3), "text": b"x" * MB, "spaces": b" " * MB, "wide": "漢".encode() * (MB // 3),
                 "depth": b"[" * MB, "members": b'"a":{},' * (MB // 7)}[kind]
        with archive.open("conversations.json", "w") as index:
            quote = b'"' if kind in ("text", "wide") else b""
            index.write(b'{"x":' + {"lists": b"[", "members": b"{"}.get(kind, quote))
            for _ in range(120 if kind in ("wide", "text", "spaces") else 600):
                index.write(piece)
            index.write(b'"}' if kind in ("text", "wide") else b"0]}")
import app.transfer.archive as archive
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
try:
    archive.import_archive(file, folder / "in")
except archive.import_archive.__globals__["TransferError"] as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits what a process may address")
@pytest.mark.parametrize("kind", ["lists", "members", "depth", "text", "spaces", "wide", "entries"])
def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, kind, str(tmp_path), str(MEMORY)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "bomb.zip" in done.stdout
    assert "more memory than there is" not in done.stdout, "refused before, not for want of memory"


# --- at random ---

ODD: tuple[object, ...] = (
    None, True, 0, -1, 1.5, 1e300, 10**400, "", "x", "\0", "\ud800", "9" * 5000, "a" * 200, [], {}, [[]], {"a": {}},
    ["q"], "q", "a", "r", "../x", "user", "streaming", float("inf"), float("nan"), [{"type": "text", "text": 7}],
    [{"type": "image"}], [{"type": "audio", "media": "0" * 64 + "/a.wav"}], {"prompt_tokens": -5},
    "0001-01-01T00:00:00+14:00",
    "9999-12-31",
)  # fmt: skip


def nodes(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        nodes(inner, found)
    return found


def mutated(draw: random.Random, index: dict[str, Any]) -> bytes:
    changed = copy.deepcopy(index)
    for _ in range(draw.randint(1, 3)):
        holder, key = draw.choice(nodes(changed, []))
        match draw.randrange(4):
            case 0 | 1:
                holder[key] = copy.deepcopy(draw.choice(ODD))
            case 2:
                del holder[key]
            case 3 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case 3:
                holder[key] = [holder[key]]
    text = json.dumps(changed).encode("utf-8", "surrogatepass")
    return text if draw.random() < 0.9 else text[: draw.randrange(len(text))]


def test_any_index_is_read_or_refused(tmp_path: Path) -> None:
    draw = random.Random(17)
    archive = made(tmp_path)
    with zipfile.ZipFile(archive) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    index = json.loads(files[INDEX])
    read = 0
    store = SqliteStore(tmp_path / "store")
    try:
        for number in range(examples(120)):
            target = tmp_path / ("bad.zip" if number % 4 else "bad.json")
            content = mutated(draw, index)
            if target.suffix == ".json":
                target.write_bytes(content)
            else:
                with zipfile.ZipFile(target, "w") as new:
                    for name, data in files.items():
                        new.writestr(name, content if name == INDEX else data)
            read += taken(store, target, tmp_path / "in")
    finally:
        store.close()
    assert read or examples(120) < 100, "some changes do not matter"


def taken(store: SqliteStore, archive: Path, folder: Path) -> int:
    """Import an archive as the program does, and look at what came of it; return how many conversations there were."""
    try:
        wholes = import_archive(archive, folder)
    except TransferError:
        return 0
    for whole in wholes:
        try:
            store.add(whole).result(SECONDS)
            identity = whole.conversation.id
            store.path(identity).result(SECONDS)
            store.page(identity).result(SECONDS)
            export_markdown(store.whole(identity).result(SECONDS), folder.parent / "out.md")
        except LarimarError:
            continue
        store.delete(identity)
        store.purge().result(SECONDS)
    return len(wholes)


def test_any_zip_file_is_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed, cut and doubled; sizes, places and flags of entries that are not so."""
    draw = random.Random(71)
    archive = made(tmp_path)
    good = archive.read_bytes()
    marks = [place for mark in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for place in places(good, mark)]
    store = SqliteStore(tmp_path / "store")
    try:
        for _ in range(examples(150)):
            content = bytearray(good)
            for _ in range(draw.randint(1, 4)):
                match draw.randrange(6):
                    case 0:
                        content[draw.randrange(len(content))] = draw.randrange(256)
                    case 1 | 2:
                        place = min(draw.choice(marks) + draw.randrange(46), len(content) - 9)
                        value = draw.choice(
                            [0, 1, 0xFF, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, draw.randrange(1 << 32)]
                        )
                        content[place : place + 8] = struct.pack("<Q", value)[: draw.choice([1, 2, 4, 8])].ljust(0)
                    case 3:
                        del content[draw.randrange(len(content)) :]
                        content += draw.choice([b"", good[-200:], b"PK\x05\x06" + bytes(18)])
                    case 4:
                        place = draw.randrange(len(content) or 1)
                        content[place:place] = content[place : place + draw.randrange(200)]
                    case 5:
                        extra = struct.pack("<HHQQ", 1, 16, draw.randrange(1 << 63), draw.randrange(1 << 63))
                        place = draw.choice(marks)
                        content[place + 46 : place + 46] = extra
                if len(content) < 50:
                    break
            file = tmp_path / "bad.zip"
            file.write_bytes(content)
            taken(store, file, tmp_path / "in")
    finally:
        store.close()
    assert not (tmp_path / "x").exists(), "nothing outside of the folder"


def places(content: bytes, mark: bytes) -> list[int]:
    found, place = [], content.find(mark)
    while place >= 0:
        found.append(place)
        place = content.find(mark, place + 1)
    return found
