r"""Formulas in Markdown: ``$x$``, ``$$x$$``, ``\(x\)`` and ``\[x\]``, in a line or on lines of their own.

The rules are pandoc's for dollars, and stricter where people write money, shell variables and the names of products:

- ``$`` opens before and closes after what is no space; what follows the closing one is no digit. No letter, digit,
  slash or other sign of a word stands before the opening one, and a letter after the closing one only as in “$n$th”.
- What is between them is short, holds no code span, link or address, and does not read as prose.
- A formula on lines of its own may hold an empty line only when its delimiters stand alone, or ``\begin`` follows.
- ``\[1\]`` and ``\(see below\)`` are brackets that somebody has escaped.

Every search for a closing delimiter is bounded, so that text without one costs no more than other text.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

IN_LINE_AT_MOST: Final = 1000
"""Characters of a formula in a line."""
BLOCK_AT_MOST: Final = 4000
"""Characters from the opening delimiter of a formula on lines of its own to the closing one."""
UNCLOSED: Final = "unclosed maths"
"""In the parser's ``env``: the first line with an opening delimiter whose closing one may still come."""
LINES: Final = "lines"
"""In the parser's ``env``: how many lines of the text are complete."""

_BLOCKS: Final = {"$$": "$$", "\\[": "\\]"}
_IN_WORDS: Final = frozenset("$/\\@#&%?")
"""What stands before a dollar of a path, an address or a variable."""
_NEVER_FIRST: Final = frozenset(")]}>,;:!?/%'\"”’»@")
_SUFFIX: Final = re.compile(r"(?:th|st|nd|rd|s|es|d|D|NN|ary|fold|way|bit|bits|gram|grams|mer|mers|cycle|cycles)\b")
_SIGNS: Final = re.compile(r"[\\^_={}<>+|≤≥≠≈∈→]")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_WIDE: Final = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]")
_FOREIGN: Final = re.compile(r"`|\]\(|://")
_WORDS: Final = r"[A-Za-z][a-z]{2,}(?:[ ,.'’-]+[A-Za-z]{2,})+[.?!…]?"
_ESCAPED: Final = {
    "\\(": re.compile(rf"{_WORDS}|[A-Za-z]?[a-z]{{4,}}"),
    "\\[": re.compile(rf"{_WORDS}|[A-Za-z]?[a-z]{{3,}}|[\d\s,–-]+|…|\.\.\."),
}
"""What stands between brackets that somebody has escaped: words, and in square ones the numbers of notes."""


def maths_plugin(parser: MarkdownIt) -> None:
    """Let ``parser`` make tokens of the types ``math_inline`` and ``math_block``."""
    parser.inline.ruler.before("escape", "math_inline", _inline)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("fence", "math_block", _block, {"alt": interrupts})


def _inline(state: StateInline, silent: bool) -> bool:
    """Read a formula within a line."""
    text, start, width = state.src, state.pos, 2
    if text.startswith("$$", start):
        end = _double_dollars(text, start, state.posMax)
    elif text[start] == "$":
        end, width = _single_dollars(text, start, state.posMax), 1
    elif text.startswith(("\\(", "\\["), start):
        end = _brackets(text, start, state.posMax)
    else:
        return False
    if end < 0:
        return False
    if not silent:
        state.push("math_inline", "math", 0).content = text[start + width : end]
    state.pos = end + width
    return True


def _single_dollars(text: str, start: int, stop: int) -> int:
    """Return where ``$`` closes the formula that one at ``start`` opens; -1 when it opens none."""
    begin = start + 1
    if begin >= stop or text[begin].isspace() or text[begin] in _NEVER_FIRST or not _may_begin(text, start):
        return -1
    end = _unescaped_dollar(text, begin, min(stop, begin + IN_LINE_AT_MOST))
    if end <= begin or text[end - 1].isspace():
        return -1
    after, content = text[end + 1 : end + 8] if end + 1 < stop else "", text[begin:end]
    if after[:1].isdigit() or after[:1] in ("$", "{", "_"):
        return -1
    letter = after[:1].isalpha() and ord(after[0]) < 0x2E80
    if letter and not (_SUFFIX.match(after) or "\\" in content or "^" in content):
        return -1
    return -1 if _FOREIGN.search(content) or reads_as_prose(content) else end


def _double_dollars(text: str, start: int, stop: int) -> int:
    begin = start + 2
    if begin >= stop or text[begin] == "$" or not _may_begin(text, start):
        return -1
    end = text.find("$$", begin, min(stop, begin + IN_LINE_AT_MOST))
    if end < 0 or text.startswith("$", end + 2):
        return -1
    content = text[begin:end]
    loose = content[0].isspace() or content[-1].isspace() or content[0] in _NEVER_FIRST
    if not any(letter.isalnum() for letter in content) or (loose and reads_as_prose(content, words=1)):
        return -1
    return -1 if _FOREIGN.search(content) else end


def _brackets(text: str, start: int, stop: int) -> int:
    closing = "\\)" if text[start + 1] == "(" else "\\]"
    begin = start + 2
    end = text.find(closing, begin, min(stop, begin + IN_LINE_AT_MOST))
    if end < 0:
        return -1
    content = text[begin:end]
    if not content.strip() or text[start : start + 2] in content or "`" in content:
        return -1
    if escaped_words(content, text[start : start + 2]):
        return -1
    drive = start >= 2 and text[start - 1] == ":" and text[start - 2].isascii() and text[start - 2].isalpha()
    link = closing == "\\]" and text.startswith("(", end + 2)
    return -1 if drive or link else end


def _may_begin(text: str, start: int) -> bool:
    before = text[start - 1] if start else " "
    return before not in _IN_WORDS and not (before.isalnum() and ord(before) < 0x2E80)


def _unescaped_dollar(text: str, begin: int, stop: int) -> int:
    """Return the first ``$`` with an even number of backslashes before it; -1 when there is none."""
    end = text.find("$", begin, stop)
    while end > 0:
        slashes = end - len(text[begin:end].rstrip("\\")) - begin
        if slashes % 2 == 0:
            return end
        end = text.find("$", end + 1, stop)
    return -1


def reads_as_prose(content: str, words: int = 2) -> bool:
    """Whether what stands between two dollars is words rather than a formula."""
    if "\\" in content:
        return False
    if _WIDE.search(content):
        return True
    return not _SIGNS.search(content) and len(_WORD.findall(content)) >= words


def escaped_words(content: str, opening: str) -> bool:
    """Whether what stands between escaped brackets is words or numbers, as in “\\[citation needed\\]”."""
    return _ESCAPED[opening].fullmatch(content) is not None and content.strip() == content


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Read a formula that begins a line and ends one."""
    if state.is_code_block(start_line):
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    if state.src[start : start + 2] not in _BLOCKS:
        return False
    first = state.src[start : min(state.eMarks[start_line], start + BLOCK_AT_MOST + 1)].strip()
    opening, rest = first[:2], first[2:]
    if (opening == "$$" and rest.startswith("$")) or not _may_be_block(opening, rest):
        return False
    found = _lines(state, start_line, end_line, rest)
    if found is None:
        return False
    lines, line = found
    content = "\n".join(lines)
    if not content.strip() or (escaped_words(content, opening) if opening == "\\[" else reads_as_prose(content)):
        return False
    if silent:
        return True
    state.line = line + 1
    token = state.push("math_block", "math", 0)
    token.block, token.content, token.map = True, content.strip(), [start_line, state.line]
    return True


def _may_be_block(opening: str, rest: str) -> bool:
    """Whether the rest of the first line is no sentence: “$$ – moderate prices” is none of a formula."""
    return _BLOCKS[opening] in rest or not (reads_as_prose(rest) or (rest[:1] in _NEVER_FIRST and rest[:1] != ""))


def _lines(state: StateBlock, start_line: int, end_line: int, rest: str) -> tuple[list[str], int] | None:
    """Return the lines of a formula, and the last one's number; ``None`` when it is not closed, or not yet."""
    begin = state.bMarks[start_line] + state.tShift[start_line]
    opening = state.src[begin : begin + 2]
    closing, lines, line = _BLOCKS[opening], [rest], start_line
    gaps = not rest.strip() or rest.lstrip().startswith("\\begin")
    limit = state.bMarks[start_line] + BLOCK_AT_MOST
    while not lines[-1].rstrip().endswith(closing):
        if closing in lines[-1]:
            _remember(state, start_line, line)
            return None  # the formula ends within the line: it is part of a sentence
        line += 1
        if line >= end_line:
            _remember(state, start_line, line)
            return None
        empty = state.isEmpty(line)
        if state.eMarks[line] > limit or (empty and not gaps):
            return None
        if not empty and state.sCount[line] < state.blkIndent:
            return None  # the list or quote is left
        text = state.src[state.bMarks[line] : state.eMarks[line]]
        if opening != closing and text.lstrip().startswith(opening):
            return None  # another one begins
        lines.append(text)
    _remember(state, start_line, line)
    lines[-1] = lines[-1].rstrip().removesuffix(closing)
    return lines, line


def _remember(state: StateBlock, start_line: int, line: int) -> None:
    """Note a formula that the end of the text, and not only of a quote, leaves open: another end may follow."""
    if line >= state.env.get(LINES, line):
        state.env[UNCLOSED] = min(state.env.get(UNCLOSED, start_line), start_line)
