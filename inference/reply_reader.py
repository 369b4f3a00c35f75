"""From generated tokens to what a reader of the reply sees, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Sequence

from inference.messages import Text
from inference.reply_parser import ReplyParser, ReplyPart, ends_inside_thought
from inference.stop_strings import StopStrings
from inference.tokenizer import StreamingDetokenizer, Tokenizer


class ReplyReader:
    """Token ids to parts of a reply, up to a stop string.

    Args:
        tokenizer: the model's.
        prompt_ids: what the reply goes on from; an open thought at its end is part of the reply.
        stop_strings: where the answer ends.
    """

    def __init__(self, tokenizer: Tokenizer, prompt_ids: Sequence[int], stop_strings: StopStrings) -> None:
        self._control_names = tokenizer.control_names
        self._detokenizer: StreamingDetokenizer = tokenizer.detokenizer()
        self.inside_thought = ends_inside_thought(prompt_ids, self._control_names)
        """Whether the reply begins within a thought that the template opened."""
        self._parser = ReplyParser(self._control_names, inside_thought=self.inside_thought)
        self._stop_strings = stop_strings

    def read(self, token: int) -> list[ReplyPart]:
        """Return the parts that are complete with ``token``."""
        marker = token in self._control_names
        piece = self._detokenizer.finalize() if marker else self._detokenizer.add_token(token)
        return self._shown(self._parser.feed(token, piece))

    def finish(self) -> list[ReplyPart]:
        """Return what was held back: the reply is over."""
        parts = self._shown(self._parser.finish(self._detokenizer.finalize()))
        held = self._stop_strings.flush()
        return [*parts, Text(held)] if held else parts

    def _shown(self, parts: Sequence[ReplyPart]) -> list[ReplyPart]:
        shown: list[ReplyPart] = []
        for part in parts:
            if self._stop_strings.found:
                break
            text = self._stop_strings.feed(part.text) if isinstance(part, Text) else self._stop_strings.flush()
            if text:
                shown.append(Text(text))
            if not isinstance(part, Text):
                shown.append(part)
        return shown


class ReplyClock:
    """Counts tokens and takes their times, in seconds."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.ticks = 0
        self.first = 0.0
        """From the start to the first token."""
        self.between = 0.0
        """From the first token to the last."""

    def tick(self) -> None:
        """Count a token."""
        since = time.perf_counter() - self._started
        if not self.ticks:
            self.first = since
        self.between = since - self.first
        self.ticks += 1
