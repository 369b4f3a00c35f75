"""Archives: conversations with all branches and media in a ZIP file that can be read back, here or by others.

``conversations.json`` in it is one JSON object::

    {"format": "larimar-conversations", "version": 1, "program": "Larimar 0.1", "conversations": [
      {"id": "…", "title": "…", "system_prompt": "…", "created": "2026-05-01T12:00:00+00:00", "pinned": false,
       "leaf": "id of the message at which the shown path ends, or null",
       "messages": [
         {"id": "…", "parent": "id or null", "role": "user | assistant | system | tool", "created": "…",
          "status": "complete | stopped | failed", "model": "…", "error": "…", "finish_reason": "stop | … | null",
          "thought_seconds": 1.5, "stats": {"prompt_tokens": 12, …},
          "parts": [{"type": "text", "text": "…"}, {"type": "thought", "text": "…"},
                    {"type": "image", "media": "<sha256>/<name>", "soft_tokens": 280},
                    {"type": "audio" | "video", "media": "<sha256>/<name>"},
                    {"type": "tool_call", "name": "…", "arguments": {}, "call_id": "…"},
                    {"type": "tool_result", "name": "…", "value": "…", "call_id": "…"}]}]}]}

Parents stand before their children. The file of a medium is ``media/<sha256>/<name>``. A plain ``.json`` file with the
same object, without media, can be imported too. Ids tell what is there already: importing twice adds nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, get_args

from app.conversation import Conversation, Message, MessageStatus
from app.history_store import WholeConversation
from app.store.media import MediaFiles, name_for, safe_name
from app.store.parts import decode_parts, decode_stats, encode_parts, encode_stats
from app.transfer.course import Course
from app.transfer.documents import TransferError, write_whole
from inference.messages import FinishReason, Role
from inference.version import __version__

FORMAT = "larimar-conversations"
VERSION = 1
INDEX = "conversations.json"
_INDEX_AT_MOST = 1 << 30
_CHUNK = 1 << 20

Json = dict[str, Any]


def export_archive(wholes: Sequence[WholeConversation], target: Path, course: Course | None = None) -> None:
    """Write conversations with their media into the ZIP file ``target``.

    Raises:
        TransferCancelled: ``course`` was.
        DiskSpaceError, TransferError: it cannot be written, or an attachment cannot be read.
    """
    write_whole(target, lambda unfinished: _write(wholes, unfinished, course or Course()))


def import_archive(source: Path, folder: Path) -> list[WholeConversation]:
    """Read an archive; its media are put into ``folder``, from where a store can take them.

    Raises:
        TransferError: it is no archive of ours, of a newer version, damaged, or there is no room.
    """
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                return _read_zip(archive, source, folder)
        wholes = _conversations(json.loads(source.read_text(encoding="utf-8")), MediaFiles(folder), source)
        if any(message.media for whole in wholes for message in whole.messages):
            raise TransferError(f"“{source.name}” lacks its attachments; import the ZIP file. Nothing was imported.")
        return wholes
    except (zipfile.BadZipFile, EOFError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise TransferError(f"“{source.name}” is damaged, or no archive of Larimar. Nothing was imported.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransferError(
            f"“{source.name}” is not what Larimar writes, so it cannot be read. Nothing was imported."
        ) from error
    except OSError as error:
        raise TransferError(f"“{source.name}” could not be read: {error.strerror}. Nothing was imported.") from error


# --- writing ---


def _write(wholes: Sequence[WholeConversation], file: Path, course: Course) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        written: dict[Path | bytes, str] = {}

        def reference(source: Path | bytes) -> str:
            if source not in written:
                written[source] = _add(archive, source, set(written.values()), course)
            return written[source]

        conversations = [_conversation(whole, reference, course) for whole in wholes]
        index = {"format": FORMAT, "version": VERSION, "program": f"Larimar {__version__}"}
        text = json.dumps({**index, "conversations": conversations}, ensure_ascii=False, indent=1)
        archive.writestr(INDEX, text)


def _add(archive: zipfile.ZipFile, source: Path | bytes, there: set[str], course: Course) -> str:
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(source)
    else:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    name = safe_name(source.name if isinstance(source, Path) else name_for(source))
    reference = f"{digest.hexdigest()}/{name}"
    if reference not in there:
        # Pictures, sound and video are compressed already.
        info = zipfile.ZipInfo(f"media/{reference}", datetime.now().timetuple()[:6])
        with archive.open(info, "w", force_zip64=True) as out:
            if isinstance(source, bytes):
                out.write(source)
            else:
                with source.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        course.check()
                        out.write(chunk)
    return reference


def _conversation(whole: WholeConversation, reference: Any, course: Course) -> Json:
    conversation = whole.conversation
    return {
        "id": conversation.id,
        "title": conversation.title,
        "system_prompt": conversation.system_prompt,
        "created": conversation.created.isoformat(),
        "pinned": whole.pinned,
        "leaf": conversation.leaf_id,
        "messages": [_message(message, reference) for message in course.along(whole.messages)],
    }


def _message(message: Message, reference: Any) -> Json:
    status = MessageStatus.STOPPED if message.under_way else message.status
    return {
        "id": message.id,
        "parent": message.parent_id,
        "role": message.role,
        "created": message.created.isoformat(),
        "status": status.value,
        "model": message.model,
        "error": message.error,
        "finish_reason": message.finish_reason,
        "thought_seconds": message.thought_seconds,
        "stats": encode_stats(message.stats),
        "parts": encode_parts(message.parts, reference),
    }


# --- reading ---


def _read_zip(archive: zipfile.ZipFile, source: Path, folder: Path) -> list[WholeConversation]:
    names = {info.filename: info for info in archive.infolist()}
    if INDEX not in names or names[INDEX].file_size > _INDEX_AT_MOST:
        raise ValueError("no index")
    media = MediaFiles(folder)
    wholes = _conversations(json.loads(archive.read(INDEX).decode("utf-8")), media, source)
    wanted = {part.source for whole in wholes for message in whole.messages for part in message.media}
    needed = {path: f"media/{media.reference(path)}" for path in wanted if isinstance(path, Path)}
    if missing := [name for name in needed.values() if name not in names]:
        raise TransferError(f"“{source.name}” lacks {len(missing)} of its attachments. Nothing was imported.")
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(names[name].file_size for name in needed.values())
    if size > shutil.disk_usage(folder).free:
        raise TransferError(f"There is too little room for what is in “{source.name}”. Nothing was imported.")
    for path, name in needed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as packed:
            digest = _unpack(packed, path, names[name].file_size)
        if digest != path.parent.name:
            raise TransferError(f"“{path.name}” in “{source.name}” is damaged. Nothing was imported.")
    return wholes


def _unpack(packed: IO[bytes], path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as out:
        while chunk := packed.read(_CHUNK):
            size -= len(chunk)
            if size < 0:
                raise ValueError("more than was announced")
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _conversations(index: Mapping[str, Any], media: MediaFiles, source: Path) -> list[WholeConversation]:
    if index["format"] != FORMAT:
        raise ValueError("another format")
    if index["version"] > VERSION:
        raise TransferError(f"“{source.name}” was written by a newer Larimar. Update this one to import it.")
    return [_whole(value, media) for value in index["conversations"]]


def _whole(value: Mapping[str, Any], media: MediaFiles) -> WholeConversation:
    messages: dict[str, Message] = {}
    for one in value["messages"]:
        message = _read_message(one, media)
        if message.id in messages or (message.parent_id is not None and message.parent_id not in messages):
            raise ValueError("these messages are no tree")
        messages[message.id] = message
    leaf = value["leaf"]
    if leaf is not None and leaf not in messages:
        raise ValueError("the path ends nowhere")
    conversation = Conversation(
        id=_id(value["id"]),
        title=_text(value["title"]),
        system_prompt=_text(value["system_prompt"]),
        leaf_id=leaf,
        created=_time(value["created"]),
    )
    return WholeConversation(conversation, tuple(messages.values()), bool(value["pinned"]))


def _read_message(value: Mapping[str, Any], media: MediaFiles) -> Message:
    for part in value["parts"]:
        if "path" in part or "bytes" in part:  # files of the reader's machine are not the archive's business
            raise ValueError("a medium outside of the archive")
    role, reason = value["role"], value["finish_reason"]
    if role not in get_args(Role) or (reason is not None and reason not in get_args(FinishReason)):
        raise ValueError("an unknown role or reason")
    status = MessageStatus(value["status"])
    seconds = value["thought_seconds"]
    return Message(
        role=role,
        parts=decode_parts(value["parts"], media.path),
        parent_id=None if value["parent"] is None else _id(value["parent"]),
        id=_id(value["id"]),
        created=_time(value["created"]),
        status=MessageStatus.STOPPED if status is MessageStatus.STREAMING else status,
        finish_reason=reason,
        thought_seconds=None if seconds is None else float(seconds),
        stats=decode_stats(value["stats"]),
        error=_text(value["error"]),
        model=_text(value["model"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text was expected")
    return value


def _id(value: object) -> str:
    text = _text(value)
    if not 0 < len(text) <= 100:
        raise ValueError("an id of this length is none")
    return text


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(_text(value))
    return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
