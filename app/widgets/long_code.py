"""Code between fences that is longer than what is parsed at a time: its lines are read one by one, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from markdown_it.token import Token

if TYPE_CHECKING:
    from app.widgets.markdown import Block

_INDENT: Final = re.compile(r"[ \t]*")


@dataclass(slots=True)
class OpenFence:
    """A block of code that is not closed yet."""

    marker: str
    """What closes it, or more of the same."""
    language: str
    indent: int
    """Columns that are taken from the beginning of each line."""
    quotes: int
    """How many marks of quotes stand before each line."""
    top_level: bool
    lines: list[str] = field(default_factory=list)
    _code: str | None = None

    @classmethod
    def at_end(cls, tokens: Sequence[Token], text: str) -> OpenFence | None:
        """Return the code that is open at the end of ``text``, without a last line that is not complete."""
        fence = next((token for token in reversed(tokens) if token.type == "fence"), None)
        complete = text.count("\n")
        if fence is None or fence.map is None or fence.map[1] < complete or fence.map[0] >= complete:
            return None
        begin, end = fence.map
        content = fence.content.removesuffix("\n").split("\n") if fence.content else []
        if len(content) < end - begin - 1:
            return None  # the last line closed it
        words = fence.info.split()
        before = text.split("\n")[begin].partition(fence.markup)[0]
        quotes = before.count(">")
        indent = len((before.rpartition(">")[2] if quotes else before).expandtabs(4))
        top = fence.level == 0
        lines = content[: complete - begin - 1] if top else []
        return cls(fence.markup, words[0][:32] if words else "", indent, quotes, top, lines)

    def read(self, text: str, begin: int) -> tuple[int, bool]:
        """Take the complete lines from ``begin`` on; return where the rest begins, and whether the code has ended."""
        while (end := text.find("\n", begin)) >= 0:
            line = self._without_prefix(text[begin:end])
            if line is None:
                return begin, True  # the list or quote that it stands in has ended
            if self._closes(line):
                return end + 1, True
            self._add(line)
            begin = end + 1
        return begin, False

    def block(self, rest: str = "") -> Block:
        """Return what there is of it; ``rest`` is a line that is not complete."""
        from app.widgets.markdown import Block, BlockKind

        if self._code is None:
            self._code = "\n".join(self.lines)
            self.lines = [self._code] if self.lines else []
        line = self._without_prefix(rest) if rest else None
        code = self._code
        if line is not None and not self._closes(line):
            code = f"{code}\n{self._dedented(line)}" if self.lines else self._dedented(line)
        return Block(BlockKind.CODE, "", code, self.language)

    def _add(self, line: str) -> None:
        self.lines.append(self._dedented(line))
        self._code = None

    def _closes(self, line: str) -> bool:
        indent = len(_INDENT.match(line).group())  # type: ignore[union-attr]
        bare = line.strip()
        return (
            indent - (self.indent if not self.top_level else 0) < 4
            and len(bare) >= len(self.marker)
            and not bare.strip(self.marker[0])
        )

    def _dedented(self, line: str) -> str:
        taken = 0
        while taken < min(self.indent, len(line)) and line[taken] == " ":
            taken += 1
        return line[taken:]

    def _without_prefix(self, line: str) -> str | None:
        for _ in range(self.quotes):
            bare = line.lstrip(" ")
            if not bare.startswith(">"):
                return None
            line = bare[2:] if bare[1:2] == " " else bare[1:]
        if not self.top_level and not self.quotes and line.strip():
            indent = len(line) - len(line.lstrip())
            if indent < min(self.indent, 2):
                return None
        return line
