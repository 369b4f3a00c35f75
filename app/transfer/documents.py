"""A conversation as a document: what all written exports have in common. For background threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

from app.conversation import Message, MessageStatus, path_to
from app.history_store import WholeConversation
from app.json_words import json_words
from app.store.media import safe_name
from inference.errors import LarimarError, OutputFileError
from inference.messages import ToolCall, ToolResult
from inference.output_files import write_file

translate = QCoreApplication.translate  # the name that lupdate looks for


class TransferError(LarimarError):
    """Conversations could not be exported or imported; the sentence says why."""


def shown_path(whole: WholeConversation) -> tuple[Message, ...]:
    """Return what of a conversation is shown: one path through its branches."""
    return path_to({message.id: message for message in whole.messages}, whole.conversation.leaf_id)


def title_words(whole: WholeConversation) -> str:
    """Return what to call a conversation."""
    return whole.conversation.title or translate("Export", "Untitled conversation")


def speaker(message: Message) -> str:
    """Return who speaks."""
    if message.role == "user":
        return translate("Export", "You")
    if message.role == "tool":
        return translate("Export", "Tool")
    name = translate("Export", "Larimar")
    return f"{name} ({message.model})" if message.model else name


def date_words(message: Message) -> str:
    """Return when a message was written, for people."""
    when = QDateTime.fromSecsSinceEpoch(int(message.created.timestamp()))
    return QLocale().toString(when, QLocale.FormatType.ShortFormat)


def end_note(message: Message) -> str:
    """Return what became of a reply that did not come to its end; empty when it did."""
    if message.error:
        return message.error
    return translate("Export", "Stopped.") if message.status is MessageStatus.STOPPED else ""


def thought_title(message: Message) -> str:
    """Return what stands above a thought."""
    if message.thought_seconds is None:
        return translate("Export", "Thought")
    seconds = f"{message.thought_seconds:.0f}"
    return translate("Export", "Thought for {seconds} s").format(seconds=seconds)


def tool_words(part: ToolCall | ToolResult) -> tuple[str, str]:
    """Return a title and the JSON or text of a tool's call or result."""
    if isinstance(part, ToolCall):
        value: object = dict(part.arguments)
        return translate("Export", "Tool called: {name}").format(name=part.name), json_words(value)
    value = part.value if isinstance(part.value, str) else dict(part.value)
    title = translate("Export", "Result of {name}").format(name=part.name)
    return title, value if isinstance(value, str) else json_words(value)


def file_name(title: str) -> str:
    """Return the title as the name of a file, without an ending."""
    return safe_name(" ".join(title.split()))[:80].strip(" .") or "conversation"


def unused(path: Path, taken: set[Path]) -> Path:
    """Return ``path``, or one like it that is not in ``taken``, and add it there."""
    number, free = 2, path
    while free in taken:
        free = path.with_name(f"{path.stem} {number}{path.suffix}")
        number += 1
    taken.add(free)
    return free


def free_folder(folder: Path) -> Path:
    """Return ``folder``, or one like it that does not exist: what lies in another is not ours to replace."""
    number, free = 2, folder
    while os.path.lexists(free):
        free = folder.with_name(f"{folder.name} {number}")
        number += 1
    return free


def unused_in(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return where files of these names can be in ``folder``: no two in one place, and none where something is."""
    taken = {name.casefold() for name in os.listdir(folder)} if folder.is_dir() else set()
    places: list[Path] = []
    for name in names:
        number, free = 2, Path(name)
        while free.name.casefold() in taken:
            free = Path(name).with_stem(f"{Path(name).stem} {number}")
            number += 1
        taken.add(free.name.casefold())
        places.append(folder / free)
    return places


def write_whole(target: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a file, which takes its place only when it is complete.

    Raises:
        DiskSpaceError: there is no room; nothing is left behind.
        TransferError: it cannot be written there.
    """
    try:
        write_file(target, write)
    except OutputFileError as error:
        raise TransferError(f"“{target}” could not be written: {error.reason}.") from error
