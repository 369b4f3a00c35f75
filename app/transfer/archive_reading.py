"""Reads archives, which may come from anybody: whatever is in them, in bounded time and memory, or a sentence.

See :mod:`app.transfer.archive` for what an archive is.
"""

from __future__ import annotations

import hashlib
import logging
import lzma
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, get_args

from app.conversation import Conversation, Message, MessageStatus
from app.error_report import describe
from app.history_store import WholeConversation
from app.private_files import make_private_folder, private_opener
from app.store.media import MediaFiles
from app.store.parts import decode_parts, decode_stats, seconds_of
from app.transfer.documents import TransferError
from inference.errors import ForeignFileError
from inference.foreign_files import check_file, read_bytes
from inference.foreign_json import JsonLimits, parse_json
from inference.messages import FinishReason, Role

log = logging.getLogger(__name__)

FORMAT: Final = "larimar-conversations"
VERSION: Final = 1
INDEX: Final = "conversations.json"

_LIMITS: Final = JsonLimits(bytes=128 << 20, depth=500, values=3_000_000)
"""Of the index; a hundred thousand messages have a tenth of the values."""
_DIRECTORY_AT_MOST: Final = 16 << 20
"""Bytes of a ZIP file's list of what is in it: tens of thousands of attachments."""
_UNPACKED_AT_LEAST: Final = 64 << 20
_UNPACKED_TIMES: Final = 200
"""How much more than the archive its attachments may be: they are compressed by themselves."""
_RESERVE: Final = 256 << 20
"""Bytes of the disk that stay free."""
_NAME_AT_MOST: Final = 1000
_ID_AT_MOST: Final = 100
_CHUNK: Final = 1 << 20
_ENCRYPTED: Final = 0x1 | 0x40
_OTHER_METHODS: Final = {9: "Deflate64", 12: "BZIP2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES"}
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def import_archive(source: Path, folder: Path) -> list[WholeConversation]:
    """Read an archive; its media are put into ``folder``, from where a store can take them.

    Raises:
        TransferError: it is no archive of ours, of a newer version, damaged, or there is no room.
    """
    name = source.name
    try:
        check_file(source)
        if _is_zip(source):
            _check_directory(source)
            with zipfile.ZipFile(source) as archive:
                return _read_zip(archive, source, folder)
        wholes = _conversations(_index_of(read_bytes(source, _LIMITS.bytes), name), MediaFiles(folder), name)
        if any(message.media for whole in wholes for message in whole.messages):
            raise TransferError(f"“{name}” lacks its attachments; import the ZIP file. Nothing was imported.")
        return wholes
    except TransferError:
        raise
    except ForeignFileError as error:
        raise TransferError(f"“{name}” {error.reason}. Nothing was imported.") from error
    except (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, UnicodeError) as error:
        raise TransferError(f"“{name}” is damaged, or no archive of Larimar. Nothing was imported.") from error
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise TransferError(f"“{name}” could not be read: {reason}. Nothing was imported.") from error
    except MemoryError as error:
        raise TransferError(f"“{name}” needs more memory than there is. Nothing was imported.") from error
    except Exception as error:  # of whatever kind: what a stranger wrote is no reason to fail
        log.info("An archive could not be read: %s", describe(error))
        raise TransferError(
            f"“{name}” is not what Larimar writes, so it cannot be read. Nothing was imported."
        ) from error


# --- ZIP files ---


def _is_zip(source: Path) -> bool:
    with source.open("rb") as file:
        if file.read(2) == b"PK":
            return True
    return zipfile.is_zipfile(source)


def _check_directory(source: Path) -> None:
    """Refuse a list of contents that is larger than anybody needs, before it is read as a whole."""
    with source.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        start = max(0, end - (1 << 16) - 42)
        file.seek(start)
        tail = file.read()
        place = tail.rfind(b"PK\x05\x06")
        if place < 0 or len(tail) - place < 22:
            raise zipfile.BadZipFile("no end")
        size = struct.unpack("<I", tail[place + 12 : place + 16])[0]
        locator = tail[max(0, place - 20) : place]
        if locator.startswith(b"PK\x06\x07") and len(locator) == 20:
            file.seek(min(struct.unpack("<Q", locator[8:16])[0], end))
            record = file.read(56)
            if record.startswith(b"PK\x06\x06") and len(record) == 56:
                size = max(0 if size == 0xFFFFFFFF else size, struct.unpack("<Q", record[40:48])[0])
    if size > _DIRECTORY_AT_MOST and size > end:
        raise zipfile.BadZipFile("a list that is larger than the file")
    if size > _DIRECTORY_AT_MOST:
        raise TransferError(f"“{source.name}” holds more files than an archive of Larimar can. Nothing was imported.")


def _read_zip(archive: zipfile.ZipFile, source: Path, folder: Path) -> list[WholeConversation]:
    infos = {info.filename: info for info in archive.infolist()}
    if INDEX not in infos:
        raise TransferError(f"“{source.name}” is no archive of Larimar: there is no {INDEX} in it.")
    _check_entry(infos[INDEX], source)
    with archive.open(infos[INDEX]) as packed:
        index = _index_of(_counted(packed, source), source.name)
    media = MediaFiles(folder)
    wholes = _conversations(index, media, source.name)
    wanted = {part.source for whole in wholes for message in whole.messages for part in message.media}
    needed = {path: f"media/{media.reference(path)}" for path in wanted if isinstance(path, Path)}
    if missing := [name for name in needed.values() if name not in infos]:
        raise TransferError(f"“{source.name}” lacks {len(missing)} of its attachments. Nothing was imported.")
    make_private_folder(folder)
    size = sum(infos[name].file_size for name in needed.values())
    if size > max(_UNPACKED_AT_LEAST, _UNPACKED_TIMES * source.stat().st_size):
        raise TransferError(f"“{source.name}” claims to hold more than a file of its size can. Nothing was imported.")
    if size > shutil.disk_usage(folder).free - _RESERVE:
        raise TransferError(f"There is too little room for what is in “{source.name}”. Nothing was imported.")
    for path, name in needed.items():
        _check_entry(infos[name], source)
        make_private_folder(path.parent)
        with archive.open(infos[name]) as packed:
            digest = _unpack(packed, path, infos[name].file_size)
        if digest != path.parent.name:
            raise TransferError(f"“{path.name}” in “{source.name}” is damaged. Nothing was imported.")
    return wholes


def _check_entry(info: zipfile.ZipInfo, source: Path) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise TransferError(
            f"“{source.name}” is locked with a password. Unpack it, pack it again without one, and import that."
        )
    if info.compress_type not in _METHODS:
        kind = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise TransferError(
            f"“{source.name}” is packed in a way that Larimar does not read ({kind}). "
            "Unpack it, pack it again as an ordinary ZIP file, and import that."
        )


def _counted(packed: IO[bytes], source: Path) -> bytes:
    """Return what is packed, unless it is, or would become, more than anybody's conversations are."""
    content, values = bytearray(), 0
    while chunk := packed.read(_CHUNK):
        content += chunk
        values += chunk.count(b",") + chunk.count(b"[") + chunk.count(b"{")
        if len(content) > _LIMITS.bytes or values > _LIMITS.values:
            raise TransferError(f"{INDEX} in “{source.name}” is larger than Larimar can read. Nothing was imported.")
    return bytes(content)


def _unpack(packed: IO[bytes], path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with open(path, "wb", opener=private_opener) as out:
        while chunk := packed.read(_CHUNK):
            size -= len(chunk)
            if size < 0:
                raise ValueError("more than was announced")
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


# --- the index ---


def _index_of(content: bytes, name: str) -> Mapping[str, Any]:
    index = parse_json(content, name, _LIMITS)
    if not isinstance(index, dict):
        raise ValueError("no object")
    return index


def _conversations(index: Mapping[str, Any], media: MediaFiles, name: str) -> list[WholeConversation]:
    version = index["version"]
    if index["format"] != FORMAT or isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError("another format")
    if version > VERSION:
        raise TransferError(f"“{name}” was written by a newer Larimar. Update this one to import it.")
    return [_whole(value, media) for value in _list(index["conversations"])]


def _whole(value: Mapping[str, Any], media: MediaFiles) -> WholeConversation:
    messages: dict[str, Message] = {}
    for one in _list(value["messages"]):
        message = _read_message(one, media)
        if message.id in messages or (message.parent_id is not None and message.parent_id not in messages):
            raise ValueError("these messages are no tree")
        messages[message.id] = message
    leaf = value["leaf"]
    if leaf is not None and leaf not in messages:
        raise ValueError("the path ends nowhere")
    conversation = Conversation(
        id=_id(value["id"]),
        title=_text(value["title"])[:_NAME_AT_MOST],
        system_prompt=_text(value["system_prompt"]),
        leaf_id=leaf,
        created=_time(value["created"]),
    )
    return WholeConversation(conversation, tuple(messages.values()), value["pinned"] is True)


def _read_message(value: Mapping[str, Any], media: MediaFiles) -> Message:
    parts = _list(value["parts"])
    if any("path" in part or "bytes" in part for part in parts):  # the reader's files are not the archive's business
        raise ValueError("a medium outside of the archive")
    role, reason = value["role"], value["finish_reason"]
    if role not in get_args(Role) or (reason is not None and reason not in get_args(FinishReason)):
        raise ValueError("an unknown role or reason")
    status = MessageStatus(_text(value["status"]))
    return Message(
        role=role,
        parts=decode_parts(parts, media.path),
        parent_id=None if value["parent"] is None else _id(value["parent"]),
        id=_id(value["id"]),
        created=_time(value["created"]),
        status=MessageStatus.STOPPED if status is MessageStatus.STREAMING else status,
        finish_reason=reason,
        thought_seconds=seconds_of(value["thought_seconds"]),
        stats=decode_stats(value["stats"]),
        error=_text(value["error"])[:_NAME_AT_MOST],
        model=_text(value["model"])[:_NAME_AT_MOST],
    )


def _list(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("a list of objects was expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text was expected")
    return value


def _id(value: object) -> str:
    text = _text(value)
    if not 0 < len(text) <= _ID_AT_MOST or "\0" in text:
        raise ValueError("an id of this length is none")
    return text


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(_text(value))
    return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
