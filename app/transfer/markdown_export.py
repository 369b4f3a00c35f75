"""A conversation as Markdown, with its media in a folder beside the file."""

from __future__ import annotations

import filecmp
import shutil
from html import escape
from pathlib import Path
from urllib.parse import quote

from app.conversation import Message
from app.history_store import WholeConversation
from app.store.media import name_for, safe_name
from app.transfer.course import Course
from app.transfer.documents import (
    date_words,
    end_note,
    free_folder,
    shown_path,
    speaker,
    thought_title,
    title_words,
    tool_words,
    write_whole,
)
from app.transfer.markdown_text import fenced, one_line, plain, quoted, reply
from inference.messages import Audio, Image, Part, Text, Thought, ToolCall, ToolResult, Video


def export_markdown(whole: WholeConversation, target: Path, course: Course | None = None) -> None:
    """Write what is shown of a conversation into ``target``; attachments go into a folder called like it.

    Raises:
        TransferCancelled: ``course`` was.
        DiskSpaceError, TransferError: it cannot be written.
    """
    course = course or Course()
    folder = free_folder(target.with_name(f"{target.stem} media"))
    names: dict[Path | bytes, Path] = {}
    taken: set[str] = set()
    lines = [f"# {one_line(title_words(whole))}", ""]
    if whole.conversation.system_prompt:
        lines += [quoted(plain(whole.conversation.system_prompt)), ""]
    for message in course.along(shown_path(whole)):
        lines += [f"## {one_line(speaker(message))}", "", f"*{one_line(date_words(message))}*", ""]
        for part in message.parts:
            if isinstance(part, Image | Audio | Video) and part.source not in names:
                names[part.source] = _copy_of(part.source, folder, taken)
            lines += [_part(part, names, message), ""]
        if note := end_note(message):
            lines += [f"*{one_line(note)}*", ""]
    text = "\n".join(lines)

    def write_file(source: Path | bytes, unfinished: Path) -> None:
        if isinstance(source, bytes):
            unfinished.write_bytes(source)
        else:
            shutil.copyfile(source, unfinished)

    if names:
        folder.mkdir(exist_ok=True)
    for source, copy in names.items():
        course.check()
        if not copy.exists():  # else it is the same file, from an earlier export
            write_whole(copy, lambda unfinished, source=source: write_file(source, unfinished))  # type: ignore[misc]
    write_whole(target, lambda unfinished: _write(unfinished, text))


def _copy_of(source: Path | bytes, folder: Path, taken: set[str]) -> Path:
    """Return where an attachment is copied to: no other attachment, and no file of the user's, is overwritten."""
    first = folder / safe_name(source.name if isinstance(source, Path) else name_for(source))
    number, copy = 2, first
    while copy.name.casefold() in taken or (copy.exists() and not _same(source, copy)):
        copy = first.with_name(f"{first.stem} {number}{first.suffix}")
        number += 1
    taken.add(copy.name.casefold())
    return copy


def _same(source: Path | bytes, copy: Path) -> bool:
    if isinstance(source, bytes):
        return copy.is_file() and copy.stat().st_size == len(source) and copy.read_bytes() == source
    return source.is_file() and copy.is_file() and filecmp.cmp(source, copy, shallow=False)


def _part(part: Part, names: dict[Path | bytes, Path], message: Message) -> str:
    if isinstance(part, Text):
        return plain(part.text) if message.role == "user" else reply(part.text)
    if isinstance(part, Thought):
        title = escape(thought_title(message))
        return f"<details><summary>{title}</summary>\n\n{quoted(plain(part.text.strip()))}\n\n</details>"
    if isinstance(part, ToolCall | ToolResult):
        title, words = tool_words(part)
        return f"**{one_line(title)}**\n\n{fenced(words)}"
    copy = names[part.source]
    address = quote(f"{copy.parent.name}/{copy.name}")
    return f"{'!' if isinstance(part, Image) else ''}[{one_line(copy.name)}]({address})"


def _write(file: Path, text: str) -> None:
    file.write_text(text.rstrip("\n") + "\n", encoding="utf-8", errors="replace", newline="\n")
