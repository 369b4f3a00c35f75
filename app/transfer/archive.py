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
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from app.conversation import Message, MessageStatus
from app.history_store import WholeConversation
from app.store.media import name_for, safe_name
from app.store.parts import encode_parts, encode_stats
from app.transfer.archive_reading import FORMAT, INDEX, VERSION, import_archive
from app.transfer.course import Course
from app.transfer.documents import write_whole
from inference.version import __version__

__all__ = ["FORMAT", "INDEX", "VERSION", "export_archive", "import_archive"]

_CHUNK = 1 << 20

Json = dict[str, Any]


def export_archive(wholes: Sequence[WholeConversation], target: Path, course: Course | None = None) -> None:
    """Write conversations with their media into the ZIP file ``target``.

    Raises:
        TransferCancelled: ``course`` was.
        DiskSpaceError, TransferError: it cannot be written, or an attachment cannot be read.
    """
    write_whole(target, lambda unfinished: _write(wholes, unfinished, course or Course()))


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
