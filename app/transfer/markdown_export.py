"""A conversation as Markdown, with its media in a folder beside the file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import quote

from app.history_store import WholeConversation
from app.transfer.course import Course
from app.transfer.documents import (
    date_words,
    end_note,
    shown_path,
    speaker,
    thought_title,
    title_words,
    tool_words,
    unused,
    write_whole,
)
from inference.messages import Audio, Image, Part, Text, Thought, ToolCall, ToolResult, Video

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|])")


def export_markdown(whole: WholeConversation, target: Path, course: Course | None = None) -> None:
    """Write what is shown of a conversation into ``target``; attachments go into a folder called like it.

    Raises:
        TransferCancelled: ``course`` was.
        DiskSpaceError, TransferError: it cannot be written.
    """
    course = course or Course()
    folder = target.with_name(f"{target.stem} media")
    names: dict[Path | bytes, Path] = {}
    taken: set[Path] = set()
    lines = [f"# {_escaped(title_words(whole))}", ""]
    if whole.conversation.system_prompt:
        lines += [_quoted(whole.conversation.system_prompt), ""]
    for message in course.along(shown_path(whole)):
        lines += [f"## {_escaped(speaker(message))}", "", f"*{date_words(message)}*", ""]
        for part in message.parts:
            if isinstance(part, Image | Audio | Video) and part.source not in names:
                name = part.source.name if isinstance(part.source, Path) else "attachment"
                names[part.source] = unused(folder / name, taken)
            lines += [_part(part, names, thought_title(message)), ""]
        if note := end_note(message):
            lines += [f"*{_escaped(note)}*", ""]
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
        write_whole(copy, lambda unfinished, source=source: write_file(source, unfinished))  # type: ignore[misc]
    write_whole(target, lambda unfinished: _write(unfinished, text))


def _part(part: Part, names: dict[Path | bytes, Path], thought: str) -> str:
    if isinstance(part, Text):
        return part.text.strip()
    if isinstance(part, Thought):
        return f"<details><summary>{thought}</summary>\n\n{_quoted(part.text.strip())}\n\n</details>"
    if isinstance(part, ToolCall | ToolResult):
        title, words = tool_words(part)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", words)), default=0))
        return f"**{_escaped(title)}**\n\n{fence}\n{words}\n{fence}"
    copy = names[part.source]
    address = quote(f"{copy.parent.name}/{copy.name}")
    return f"{'!' if isinstance(part, Image) else ''}[{_escaped(copy.name)}]({address})"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _write(file: Path, text: str) -> None:
    file.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
