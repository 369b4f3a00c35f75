"""What of a reply is read aloud: the words, without the marks of Markdown, and of code only that there is some."""

from __future__ import annotations

import re
from typing import Final

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QTextDocument

from app.widgets.markdown import Block, BlockKind, MarkdownBlocks, blocks

translate = QCoreApplication.translate  # the name that lupdate looks for

_END: Final = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[”’」』）]*|\n+")
"""Where a sentence may end; a full stop only before a space, which a stream must have brought."""
_NO_END: Final = re.compile(
    r"(?:^|[\s(])(?:\d+|[A-Za-zÄÖÜäöü]|Dr|Prof|Mr|Mrs|Ms|St|No|Nr|vs|etc|e\.g|i\.e|cf|approx|z\.\s?B|d\.\s?h|u\.\s?a|"
    r"bzw|ca|usw|vgl|Abb|Fig)\.$"
)
"""An abbreviation, an initial or a number, after whose full stop the sentence goes on."""
_ABBREVIATION_AT_MOST: Final = 40
"""Letters that are looked at before a full stop."""
_READ_AT_A_TIME: Final = 12_000
"""Cost of what is parsed of a complete reply at a time; the voice takes minutes for it."""
_LONGEST: Final = 400
"""Letters after which a sentence that does not end is cut at a comma or a space."""


def spoken_text(markdown: str) -> str:
    """Return ``markdown`` as somebody would read it to another."""
    return "\n".join(words for block in blocks(markdown) if (words := block_words(block)))


def block_words(block: Block) -> str:
    """Return what is read aloud of a block."""
    if block.kind is BlockKind.CODE:
        return translate("Spoken", "(code)")
    if block.kind is BlockKind.TABLE:
        return translate("Spoken", "(table)")
    if not block.html:
        return ""
    document = QTextDocument()
    document.setHtml(block.html)
    return document.toPlainText().replace("\ufffc", " ").replace("\u2029", "\n").strip()


def sentences(text: str, *, complete: bool = True) -> tuple[list[str], int]:
    """Return the sentences of plain ``text``, and how many letters they take; without ``complete`` only whole ones."""
    found: list[str] = []
    begin = 0
    for end in _END.finditer(text):
        near = max(begin, end.end() - _ABBREVIATION_AT_MOST)
        if end.group().endswith(".") and _NO_END.search(text[near : end.end()]):
            continue
        if sentence := text[begin : end.end()].strip():
            found.append(sentence)
        begin = end.end()
    while len(text) - begin > _LONGEST:
        cut = max(text.rfind(mark, begin, begin + _LONGEST) for mark in (", ", "; ", ": ")) + 1
        cut = cut if cut > begin else max(begin + 1, text.rfind(" ", begin, begin + _LONGEST))
        found.append(text[begin:cut].strip())
        begin = cut
    if complete and (rest := text[begin:].strip()):
        found.append(rest)
        begin = len(text)
    return [sentence for sentence in found if any(letter.isalnum() for letter in sentence)], begin


class SentenceStream:
    """Takes a reply as it grows and gives each sentence once, as soon as it is whole."""

    def __init__(self) -> None:
        self._blocks = MarkdownBlocks()
        self._block = 0
        """The first block of which not all is said."""
        self._said = 0
        """How many letters of its words are."""

    @property
    def left(self) -> bool:
        """Whether there is more in what was given; the next update with the same text goes on with it."""
        return self._blocks.unread > 0

    def update(self, markdown: str, *, complete: bool = False) -> list[str]:
        """Return the sentences that are new in ``markdown``, all that there is so far; ``complete`` at its end.

        Of a complete text that is long, those with which it goes on; see :attr:`left`.
        """
        found: list[str] = []
        all_blocks = self._blocks.update(markdown, self._blocks.cost + _READ_AT_A_TIME if complete else None)
        while self._block < len(all_blocks):
            block = all_blocks[self._block]
            last = self._block == len(all_blocks) - 1 and not self.left
            whole = complete or not last
            words = block_words(block)
            if block.kind in (BlockKind.CODE, BlockKind.TABLE):
                # said as soon as it begins: it may be long
                if not self._said:
                    found.append(words)
                    self._said = len(words)
            elif block.kind is not BlockKind.MATHS or whole:
                new, taken = sentences(words[self._said :], complete=whole)
                found += new
                self._said += taken
            if not whole:
                break
            self._block += 1
            self._said = 0
        return found
