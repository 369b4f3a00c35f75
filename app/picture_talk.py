"""Questions about what was just seen, without a conversation in the store: for the camera and for the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from app.session import Frame, Session
from inference.messages import Image, Part, ReplyOptions, Text, Turn, Video


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what became of it."""

    question: str
    media: tuple[Image | Video, ...] = ()
    """What was shown with this question; none in follow-ups."""
    answer: str = ""
    error: str = ""
    """Why there is no answer, in a sentence for the user."""
    under_way: bool = True
    stopped: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """The question as parts of a turn: media first, as the model was trained."""
        return (*self.media, Text(self.question))


class PictureTalk(QObject):
    """Asks, and keeps what is said until it is cleared. Nothing of it is written anywhere."""

    changed = Signal()
    """There is another question, or more of an answer."""
    ended = Signal()
    """An answer is complete, was stopped, or failed."""

    def __init__(self, session: Session, parent: QObject | None = None, *, remembers: bool) -> None:
        """Make a talk; where it ``remembers``, earlier questions are told to the model with their pictures."""
        super().__init__(parent)
        self._session = session
        self._remembers = remembers
        self._turn: int | None = None
        self._exchanges: list[Exchange] = []
        session.frame.connect(self._frame_arrived)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All that was asked, oldest first."""
        return tuple(self._exchanges)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._turn is not None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was answered, as turns of a conversation."""
        answered = [exchange for exchange in self._exchanges if exchange.answer]
        # The picture belongs to the first question, even where that one was not answered.
        media = next((exchange.media for exchange in self._exchanges if exchange.media), ())
        turns: list[Turn] = []
        for number, exchange in enumerate(answered):
            shown = replace(exchange, media=media) if number == 0 and not exchange.media else exchange
            turns += [Turn("user", shown.parts), Turn.of("assistant", exchange.answer)]
        return tuple(turns)

    def ask(self, question: str, media: Sequence[Image | Video] = ()) -> None:
        """Ask; the answer under way is stopped first."""
        self.stop()
        earlier = self.turns if self._remembers else ()
        if self._remembers and not media and not earlier:
            media = next((exchange.media for exchange in self._exchanges if exchange.media), ())
        exchange = Exchange(question, tuple(media))
        self._exchanges.append(exchange)
        self._turn = self._session.submit((*earlier, Turn("user", exchange.parts)), ReplyOptions())
        self.changed.emit()

    def stop(self) -> None:
        """End the answer under way; what was said stays."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            self._session.withdraw(turn)
            self._exchanges[-1] = replace(self._exchanges[-1], under_way=False, stopped=True)
            self.changed.emit()
            self.ended.emit()

    def clear(self) -> None:
        """Forget everything."""
        self.stop()
        if self._exchanges:
            self._exchanges.clear()
            self.changed.emit()

    def _frame_arrived(self, frame: Frame) -> None:
        if self._turn is None or frame.turn != self._turn:
            return
        exchange = self._exchanges[-1]
        exchange = replace(exchange, answer=exchange.answer + frame.text, error=frame.error)
        if frame.last:
            self._turn = None
            stopped = frame.done is not None and frame.done.reason == "cancelled"
            exchange = replace(exchange, under_way=False, stopped=stopped)
        self._exchanges[-1] = exchange
        if frame.text or frame.last:
            self.changed.emit()
        if frame.last:
            self.ended.emit()
