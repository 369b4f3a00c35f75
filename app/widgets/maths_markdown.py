"""Formulas in Markdown: ``$x$``, ``\\(x\\)``, and on lines of their own ``$$x$$`` and ``\\[x\\]``."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_BLOCKS = {"$$": "$$", "\\[": "\\]"}


def maths_plugin(parser: MarkdownIt) -> None:
    """Let ``parser`` make tokens of the types ``math_inline`` and ``math_block``."""
    parser.inline.ruler.before("escape", "math_inline", _inline)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("fence", "math_block", _block, {"alt": interrupts})


def _inline(state: StateInline, silent: bool) -> bool:
    """Read a formula within a line. Money is none: “$5 and $6” stays as it is."""
    text, start = state.src, state.pos
    if text.startswith("\\(", start):
        opening, closing = "\\(", "\\)"
    elif text.startswith("$$", start):
        opening = closing = "$$"
    elif text[start] == "$":
        opening = closing = "$"
    else:
        return False
    begin = start + len(opening)
    end = text.find(closing, begin)
    while closing == "$" and end > 0 and text[end - 1] == "\\":
        end = text.find(closing, end + 1)
    content = text[begin:end] if end > begin else ""
    if (
        not content.strip()
        or end + len(closing) > state.posMax
        or (opening == "$" and not _is_formula(text, begin, end))
    ):
        return False
    if not silent:
        state.push("math_inline", "math", 0).content = content
    state.pos = end + len(closing)
    return True


def _is_formula(text: str, begin: int, end: int) -> bool:
    spaced = text[begin].isspace() or text[end - 1].isspace()
    after = text[end + 1] if end + 1 < len(text) else " "
    before = text[begin - 2] if begin >= 2 else " "
    return not spaced and not after.isdigit() and not before.isalnum() and "\n\n" not in text[begin:end]


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Read a formula that begins a line and ends one."""
    if state.is_code_block(start_line):
        return False
    first = state.src[state.bMarks[start_line] + state.tShift[start_line] : state.eMarks[start_line]].strip()
    opening = next((mark for mark in _BLOCKS if first.startswith(mark)), None)
    if opening is None:
        return False
    closing, lines, line = _BLOCKS[opening], [first[len(opening) :]], start_line
    while not lines[-1].rstrip().endswith(closing):
        if closing in lines[-1]:
            return False  # the formula ends within the line: it is part of a sentence
        line += 1
        if line >= end_line:
            return False  # it is not closed, or not yet
        lines.append(state.src[state.bMarks[line] : state.eMarks[line]])
    lines[-1] = lines[-1].rstrip().removesuffix(closing)
    if not "".join(lines).strip():
        return False
    if silent:
        return True
    state.line = line + 1
    token = state.push("math_block", "math", 0)
    token.block, token.content, token.map = True, "\n".join(lines).strip(), [start_line, state.line]
    return True
