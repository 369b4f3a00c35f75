"""Texts as parts of a Markdown file: what is plain stays plain, and no part reaches beyond its end.

A file is read again by its headings. Nothing that somebody wrote may look like one of ours, and nothing may swallow
those that follow: a fence is closed, headings of a reply stand below ours, and HTML, which the window shows as text, is
text in the file. What that cannot be made sure of is put between fences as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~$&])")
_BLOCK_MARK: Final = re.compile(r"^(?:([-+=:])|(\d{1,9})([.)]))")
_LEADING: Final = re.compile(r"^[ \t]+")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
_HTML: Final = re.compile(r"<(?=[A-Za-z/!?])")
_AUTOLINK: Final = re.compile(r"<(?:[A-Za-z][A-Za-z0-9+.\-]{1,31}:[^\s<>]*|[\w.+\-]+@[\w.\-]+)>")
_BREAK: Final = re.compile(r"<br ?/?>", re.IGNORECASE)
_RUN: Final = re.compile("`+")
_LOWEST: Final = 6
_OURS: Final = 2
"""Level of the headings above the messages; those in a reply stand below it."""

_READ_AT_MOST: Final = 100_000
"""Characters of a reply that is read for what might reach beyond it; a longer one is put between fences."""

_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def one_line(text: str) -> str:
    """Return ``text`` in a line in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(_CONTROL.sub(" ", text).split()))


def plain(text: str) -> str:
    """Return ``text`` so that it is shown as it was written, line by line."""
    lines = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")).split("\n")
    written = [_plain_line(line) for line in lines]
    out: list[str] = []
    for number, line in enumerate(written):
        follows = number + 1 < len(written) and written[number + 1] != ""
        out.append(f"{line}\\" if line and follows else line)
    return "\n".join(out)


def _plain_line(line: str) -> str:
    line = line.rstrip()
    spaces = _LEADING.match(line)
    indent = "&nbsp;" * len(spaces.group().expandtabs(4)) if spaces else ""
    line = _SPECIAL.sub(r"\\\1", line.lstrip(" \t"))
    if mark := _BLOCK_MARK.match(line):
        at = len(mark[2]) if mark[2] else 0
        line = f"{line[:at]}\\{line[at:]}"
    return indent + line


def quoted(text: str) -> str:
    """Return lines of Markdown as a quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def fenced(text: str, language: str = "") -> str:
    """Return ``text`` as code, between fences that it cannot close."""
    fence = "`" * max(3, 1 + max((len(run) for run in _RUN.findall(text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def reply(text: str) -> str:
    """Return the Markdown of a reply as a part of a file."""
    text = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n").rstrip()
    if not text:
        return ""
    made = _rewritten(text) if len(text) <= _READ_AT_MOST else ""
    return made if made and _is_contained(made) else fenced(text, "markdown")


def _rewritten(text: str) -> str:
    tokens = _parser.parse(f"{text}\n")
    lines = text.split("\n")
    shift = _shift(tokens)
    done: set[int] = set()  # the cells of a row are many tokens in one line
    for token in reversed(tokens):
        if token.map is None or token.map[0] >= len(lines):
            continue
        begin, end = token.map[0], min(token.map[1], len(lines))
        if token.type == "inline" and begin not in done:
            done.add(begin)
            lines[begin:end] = _without_html("\n".join(lines[begin:end])).split("\n")
        elif token.type == "heading_open" and token.level == 0 and shift:
            level = min(_LOWEST, int(token.tag[1]) + shift)
            _lower(lines, begin, end, token, level)
        elif token.type == "fence" and token.level == 0 and not _closed(token):
            lines.append(f"{_prefix(lines[begin])}{token.markup}")
    return "\n".join(lines)


def _shift(tokens: Sequence[Token]) -> int:
    """Return by how many levels the headings go down, so that the highest stands below ours."""
    levels = [int(token.tag[1]) for token in tokens if token.type == "heading_open" and token.level == 0]
    return max(0, _OURS + 1 - min(levels, default=_LOWEST))


def _lower(lines: list[str], begin: int, end: int, token: Token, level: int) -> None:
    marks = "#" * level
    if token.markup.startswith("#"):
        lines[begin] = re.sub(r"^( {0,3})#+", rf"\g<1>{marks}", lines[begin])
    else:  # a line, or some, with === or --- under it
        words = " ".join(line.strip() for line in lines[begin : end - 1])
        lines[begin:end] = [f"{marks} {words}"]


def _closed(token: Token) -> bool:
    begin, end = token.map or (0, 0)
    return token.content.count("\n") < end - begin - 1


def _prefix(line: str) -> str:
    found = _LEADING.match(line)
    return found.group() if found else ""


def _without_html(text: str) -> str:
    """Escape what begins a tag outside code; line breaks and addresses in angle brackets stay."""
    out: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            out.append(text[at : at + 2])
            at += 2
        elif character == "`" and (run := _RUN.match(text, at)) is not None:
            end = _end_of_code(text, run)
            out.append(text[at:end])
            at = end
        elif character == "<" and (kept := _AUTOLINK.match(text, at) or _BREAK.match(text, at)) is not None:
            out.append(kept.group())
            at = kept.end()
        else:
            out.append("\\<" if _HTML.match(text, at) else character)
            at += 1
    return "".join(out)


def _end_of_code(text: str, run: re.Match[str]) -> int:
    """Return where the code ends that a run of backticks begins; after the run when it begins none."""
    for other in _RUN.finditer(text, run.end(), run.end() + 20_000):
        if len(other.group()) == len(run.group()):
            return other.end()
    return run.end()


def _is_contained(text: str) -> bool:
    """Whether a heading after ``text`` is one, nothing in it looks like ours, and no HTML is in it."""
    tokens = _reader.parse(f"{text}\n\n## end\n")
    headings = [token for token in tokens if token.type == "heading_open" and token.level == 0]
    if not headings or sum(int(token.tag[1]) <= _OURS for token in headings) != 1 or int(headings[-1].tag[1]) != _OURS:
        return False
    if any(token.type == "html_block" for token in tokens):
        return False
    lines = (child for token in tokens for child in token.children or ())
    return all(child.type != "html_inline" or _BREAK.fullmatch(child.content) for child in lines)
