"""A conversation as PDF, laid out by QTextDocument on a background thread."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from PySide6.QtCore import QMarginsF, QSize, Qt, QUrl
from PySide6.QtGui import QFont, QFontDatabase, QImage, QPageLayout, QPageSize, QPdfWriter, QTextDocument

from app.chat.long_messages import affordable, more_words
from app.colours import LIGHT
from app.conversation import Message
from app.history_store import WholeConversation
from app.pictures import qimage_of
from app.transfer.course import Course
from app.transfer.documents import (
    TransferError,
    date_words,
    end_note,
    shown_path,
    speaker,
    thought_title,
    title_words,
    tool_words,
    write_whole,
)
from app.transfer.html_export import coloured
from app.widgets.markdown import Block, BlockKind, blocks
from inference.errors import LarimarError
from inference.isolation import CallCancelled
from inference.media.isolated import open_picture
from inference.messages import Image, Part, Text, Thought, ToolCall, ToolResult
from inference.version import __version__

_WIDEST = QSize(600, 680)  # of a picture, in dots
_SHARPNESS = 2
_SHOWN_AT_MOST: Final = 400_000
"""Cost of one text or block of code, see :mod:`app.chat.long_messages`; the rest of a longer one is left out."""
_LONG_RUN: Final = re.compile(r"(<[^>]*>)|([^<>\s&;\u200b]{80})(?=[^<>\s&;\u200b])")
_BREAK: Final = "\u200b"


def export_pdf(whole: WholeConversation, target: Path, course: Course | None = None) -> None:
    """Write what is shown of a conversation into ``target``; of sound and video stands the name.

    Raises:
        TransferCancelled: ``course`` was.
        DiskSpaceError, TransferError: it cannot be written.
    """
    write_whole(target, lambda unfinished: _write(whole, unfinished, course or Course()))


def _write(whole: WholeConversation, file: Path, course: Course) -> None:
    writer = QPdfWriter(str(file))
    writer.setTitle(title_words(whole))
    writer.setCreator(f"Larimar {__version__}")
    page = QPageSize(QPageSize.PageSizeId.A4)
    none = QMarginsF(0, 0, 0, 0)  # QTextDocument leaves two centimetres by itself
    if not writer.setPageLayout(QPageLayout(page, QPageLayout.Orientation.Portrait, none)):
        raise TransferError("The PDF could not be laid out.")
    document = QTextDocument()
    font = QFont()
    font.setPointSizeF(10.5)
    document.setDefaultFont(font)
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
    document.setDefaultStyleSheet(_style(fixed))
    pictures: dict[str, QImage] = {}
    html = _document(whole, pictures, course)
    for address, image in pictures.items():
        document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(address), image)
    course.check()
    document.setHtml(_breakable(html))
    course.check()
    document.print_(writer)
    if not file.exists() or file.stat().st_size == 0:
        raise TransferError(f"“{file.parent}” takes no files. Choose another folder.")


def _document(whole: WholeConversation, pictures: dict[str, QImage], course: Course) -> str:
    html = [f"<h1>{escape(title_words(whole))}</h1>"]
    if whole.conversation.system_prompt:
        html.append(f'<p class="muted">{_lines(whole.conversation.system_prompt)}</p>')
    for message in course.along(shown_path(whole)):
        html.append(
            f'<p class="who">{escape(speaker(message))} <span class="muted">{escape(date_words(message))}</span></p>'
        )
        html += [_part(part, message, pictures) for part in message.parts]
        if note := end_note(message):
            html.append(f'<p class="muted"><i>{escape(note)}</i></p>')
    return "".join(html)


def _part(part: Part, message: Message, pictures: dict[str, QImage]) -> str:
    if isinstance(part, Text):
        if message.role == "user":
            return _box(LIGHT.bubble, _lines(part.text))
        return "".join(_block(block) for block in blocks(part.text[:_SHOWN_AT_MOST])) + _rest(part.text, _SHOWN_AT_MOST)
    if isinstance(part, Thought):
        return f'<p class="muted"><b>{escape(thought_title(message))}</b><br/>{_lines(part.text.strip())}</p>'
    if isinstance(part, ToolCall | ToolResult):
        title, words = tool_words(part)
        length = affordable(words, _SHOWN_AT_MOST)
        return f"<p><b>{escape(title)}</b></p>{_code(escape(words[:length]))}{_rest(words, length)}"
    name = part.source.name if isinstance(part.source, Path) else ""
    if isinstance(part, Image) and (image := _picture(part)) is not None:
        address = f"picture:{len(pictures)}"
        pictures[address] = image
        size = image.size().scaled(_WIDEST.boundedTo(image.size()), Qt.AspectRatioMode.KeepAspectRatio)
        return f'<p><img src="{address}" width="{size.width()}" height="{size.height()}"/></p>'
    return f'<p class="muted">[{escape(name or type(part).__name__)}]</p>'


def _picture(part: Image) -> QImage | None:
    try:
        within = (_SHARPNESS * _WIDEST.width(), _SHARPNESS * _WIDEST.height())
        picture, _ = open_picture(part.source, within=within)
    except (LarimarError, CallCancelled):
        return None
    return qimage_of(np.asarray(picture)).copy()


def _block(block: Block) -> str:
    if block.kind is BlockKind.CODE:
        length = affordable(block.code, _SHOWN_AT_MOST)
        html = coloured(block) if length == len(block.code) else escape(block.code[:length])
        for name in ("code_keyword", "code_name", "code_string", "code_number", "code_comment", "danger", "good"):
            html = html.replace(f'<span class="{name}">', f'<span style="color:{getattr(LIGHT, name)}">')
        return _code(html) + _rest(block.code, length)
    if block.kind is BlockKind.RULE:
        return "<hr/>"
    if block.kind is BlockKind.QUOTE:
        return f'<blockquote class="muted">{block.html}</blockquote>'
    return block.html


def _code(html: str) -> str:
    return _box(LIGHT.code, f"<pre>{html}</pre>")


def _box(colour: str, html: str) -> str:
    return f'<table width="100%" cellpadding="8" bgcolor="{colour}"><tr><td>{html}</td></tr></table>'


def _lines(text: str) -> str:
    length = affordable(text, _SHOWN_AT_MOST)
    return escape(text[:length]).replace("\n", "<br/>") + _rest(text, length)


def _rest(text: str, length: int) -> str:
    """Return a sign in place of what follows the first ``length`` characters; empty when nothing does."""
    return f"<p><i>{escape(more_words(len(text) - length))}</i></p>" if length < len(text) else ""


def _breakable(html: str) -> str:
    """Let long words be broken: Qt looks through all of a word for each of its lines, and makes tables as wide."""
    return _LONG_RUN.sub(lambda found: found[1] or f"{found[2]}{_BREAK}", html)


def _style(fixed: str) -> str:
    return (
        f"pre, code {{ font-family: '{fixed}'; font-size: 9pt; white-space: pre-wrap; }}"
        f".muted {{ color: {LIGHT.muted}; }} .who {{ font-weight: 600; margin-top: 18px; }}"
        f"h1 {{ font-size: 18pt; }} a {{ color: {LIGHT.link}; }} p {{ margin: 6px 0; }}"
    )
