"""A conversation as one HTML file with everything in it: style, pictures, sound and video.

The file loads nothing, from nowhere, and runs no script; a policy in its head tells browsers so.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import TextIO

from app.chat.highlighting import highlight
from app.colours import DARK, LIGHT, Colours
from app.conversation import Message
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
    translate,
    write_whole,
)
from app.transfer.media_kinds import image_address, media_kind, pieces
from app.widgets.markdown import Block, BlockKind, blocks
from inference.errors import LarimarError
from inference.messages import Audio, Image, Part, Text, Thought, ToolCall, ToolResult, Video

_POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
_CODE = ("code_keyword", "code_name", "code_string", "code_number", "code_comment", "danger", "good")
_STYLE = """
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1rem 4rem; font: 1rem/1.55 system-ui, sans-serif;
       background: var(--surface); color: var(--text); }
h1 { font-size: 1.5rem; } h2 { font-size: 1rem; margin: 2.2rem 0 .3rem; }
h2 time { font-weight: 400; color: var(--muted); margin-inline-start: .6em; font-size: .85em; }
a { color: var(--link); } img, video { max-width: 100%; border-radius: 10px; } audio { width: 100%; }
pre { background: var(--code); padding: .9rem 1rem; border-radius: 10px; overflow-x: auto; }
pre, code { font-family: ui-monospace, monospace; font-size: .92em; } code { background: var(--code); }
table { border-collapse: collapse; } th, td { border: 1px solid var(--border); padding: .35rem .7rem; }
blockquote, .prompt, details { border-inline-start: 3px solid var(--border); margin: .8rem 0; padding: 0 1rem;
                               color: var(--muted); }
.user { background: var(--bubble); border-radius: 14px; padding: .1rem 1.1rem; }
.said { white-space: pre-wrap; } .note { color: var(--muted); font-style: italic; }
@media print { body { max-width: none; } details { display: none; } }
"""


def export_html(whole: WholeConversation, target: Path, course: Course | None = None) -> None:
    """Write what is shown of a conversation into ``target``.

    Raises:
        TransferCancelled: ``course`` was.
        DiskSpaceError, TransferError: it cannot be written, or an attachment cannot be read.
    """

    def write(unfinished: Path) -> None:
        with unfinished.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
            _page(whole, out, course or Course())

    write_whole(target, write)


def _page(whole: WholeConversation, out: TextIO, course: Course) -> None:
    title = escape(title_words(whole))
    out.write('<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n')
    out.write(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n')
    out.write('<meta name="referrer" content="no-referrer">\n')
    out.write('<meta name="viewport" content="width=device-width, initial-scale=1">\n')
    out.write(f"<title>{title}</title>\n<style>\n:root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n")
    out.write(f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}\n{_STYLE}")
    out.write("".join(f".{name} {{ color: var(--{name}); }}\n" for name in _CODE))
    out.write(f'</style>\n</head>\n<body>\n<h1 dir="auto">{title}</h1>\n')
    if whole.conversation.system_prompt:
        out.write(f'<div class="prompt said" dir="auto">{escape(whole.conversation.system_prompt)}</div>\n')
    for message in course.along(shown_path(whole)):
        when = escape(date_words(message))
        out.write(
            f'<section>\n<h2>{escape(speaker(message))}<time datetime="{message.created.isoformat()}">{when}</time>'
        )
        out.write(f'</h2>\n<div class="{escape(message.role)}" dir="auto">\n')
        for part in message.parts:
            _part(part, message, out)
        if note := end_note(message):
            out.write(f'<p class="note">{escape(note)}</p>\n')
        out.write("</div>\n</section>\n")
    out.write("</body>\n</html>\n")


def _part(part: Part, message: Message, out: TextIO) -> None:
    if isinstance(part, Text):
        if message.role == "user":
            out.write(f'<p class="said">{escape(part.text)}</p>\n')
        else:
            out.write("\n".join(_block(block) for block in blocks(part.text)) + "\n")
    elif isinstance(part, Thought):
        words = f'<div class="said">{escape(part.text.strip())}</div>'
        out.write(f"<details><summary>{escape(thought_title(message))}</summary>{words}</details>\n")
    elif isinstance(part, ToolCall | ToolResult):
        title, words = tool_words(part)
        out.write(f"<p><b>{escape(title)}</b></p><pre>{escape(words)}</pre>\n")
    else:
        _media(part, out)


def _media(part: Image | Audio | Video, out: TextIO) -> None:
    name = escape(part.source.name if isinstance(part.source, Path) else "", quote=True)
    try:
        if isinstance(part, Image):
            out.write(f'<p><img alt="{name}" src="{image_address(part.source)}"></p>\n')
            return
        content = pieces(part.source)
        first = next(content, b"")
    except (LarimarError, FileNotFoundError, PermissionError):
        words = escape(translate("Export", "This attachment cannot be shown."))
        out.write(f'<p class="note">{name} – {words}</p>\n' if name else f'<p class="note">{words}</p>\n')
        return
    video = isinstance(part, Video)
    tag = "video" if video else "audio"
    out.write(f'<p><{tag} controls title="{name}" src="data:{media_kind(first[:16], video=video)};base64,')
    out.write(base64.b64encode(first).decode("ascii"))
    for piece in content:
        out.write(base64.b64encode(piece).decode("ascii"))
    out.write(f'"></{tag}></p>\n')


def _block(block: Block) -> str:
    if block.kind is BlockKind.CODE:
        return f"<pre><code>{coloured(block)}</code></pre>"
    if block.kind is BlockKind.RULE:
        return "<hr>"
    return f"<blockquote>{block.html}</blockquote>" if block.kind is BlockKind.QUOTE else block.html


def coloured(block: Block) -> str:
    """Return code as HTML, its pieces in classes named after our colours."""
    code = block.code.encode("utf-16-le")  # the unit in which pieces are counted
    html: list[str] = []
    done = 0
    for start, length, name in highlight(block.language, block.code) if block.language else ():
        html.append(escape(code[2 * done : 2 * start].decode("utf-16-le")))
        done = start + length
        html.append(f'<span class="{name}">{escape(code[2 * start : 2 * done].decode("utf-16-le"))}</span>')
    return "".join(html) + escape(code[2 * done :].decode("utf-16-le"))


def _variables(colours: Colours) -> str:
    names = ("surface", "text", "muted", "link", "border", "bubble", "code", *_CODE)
    return " ".join(f"--{name}: {getattr(colours, name)};" for name in names)
