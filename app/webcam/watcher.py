"""Watching: a caption of what the camera sees, about once a second, as long as the scene changes."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.background import Background
from app.devices.frame_source import Frame as Still
from app.session import Frame, Session
from app.webcam.scene import Signature, differs, signature
from inference.media.image_encoding import jpeg_of
from inference.messages import Image, ReplyOptions, Text, Turn

PROMPT = "Describe the picture in one sentence."
"""What the model is asked, in the language of the window; the demo knows English only."""
_LOOK_SECONDS = 0.1
_ASK_SECONDS = 1.0
_SETTLE_SECONDS = 0.5
"""So long a scene that moves may settle before it is captioned all the same."""
_OPTIONS = ReplyOptions(temperature=0.0, max_tokens=64)


class Watcher(QObject):
    """Looks at frames, and asks when it is worth it. Lets everybody else's questions go first."""

    captioned = Signal(str)
    """The scene has another caption than before."""
    failed = Signal(str)
    """The model cannot be asked; carries a sentence. Nobody watches any more."""

    def __init__(self, session: Session, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._background = background
        self.active = False
        self.caption = ""
        self.asked = 0
        """How often the model was asked since the beginning."""
        self._visit = 0
        self._turn: int | None = None
        self._asking = False
        self._answer = ""
        self._seen: Signature | None = None
        """The scene at the last look."""
        self._asked: Signature | None = None
        """The scene that the model was asked about last."""
        self._asked_at = self._looked_at = float("-inf")
        self._changed_at: float | None = None
        session.frame.connect(self._frame_arrived)

    def start(self) -> None:
        """Begin to watch."""
        self.stop()
        self.active = True
        self.asked = 0

    def stop(self) -> None:
        """Watch no longer; nothing more arrives."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            self._session.withdraw(turn)
        self._visit += 1
        self.active = False
        self.caption = ""
        self._forget()

    def look(self, still: Still) -> None:
        """Take a frame of the camera; cheap when nothing has changed."""
        if not self.active or still.time - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = still.time
        seen, before = signature(still.image), self._seen
        self._seen = seen
        if self._asking or (self._asked is not None and not differs(seen, self._asked)):
            self._changed_at = None
            return
        if self._changed_at is None:
            self._changed_at = still.time
        moving = before is not None and differs(seen, before)
        if moving and still.time - self._changed_at < _SETTLE_SECONDS:
            return
        if still.time - self._asked_at >= _ASK_SECONDS:
            self._ask(still, seen)

    def _forget(self) -> None:
        self._turn = self._seen = self._asked = self._changed_at = None
        self._asking, self._answer = False, ""
        self._asked_at = self._looked_at = float("-inf")

    def _ask(self, still: Still, seen: Signature) -> None:
        self._asking, self._asked, self._asked_at, self._changed_at = True, seen, still.time, None
        visit = self._visit

        def encoded(picture: bytes) -> None:
            if visit == self._visit:
                self.asked += 1
                self._answer = ""
                turn = Turn("user", (Image(picture), Text(self._prompt())))
                self._turn = self._session.submit((turn,), _OPTIONS, background=True)

        self._background.run(lambda: jpeg_of(still.image), encoded)

    def _prompt(self) -> str:
        model = self._session.model
        return PROMPT if model is not None and model.demo else self.tr("Describe the picture in one sentence.")

    def _frame_arrived(self, frame: Frame) -> None:
        if self._turn is None or frame.turn != self._turn:
            return
        self._answer += frame.text
        if not frame.last:
            return
        self._turn, self._asking = None, False
        if frame.error:
            self.stop()
            self.failed.emit(frame.error)
        elif frame.done is not None and frame.done.reason == "cancelled":
            self._asked = None  # somebody stopped everything; the scene is still to be described
        else:
            self._say(" ".join(self._answer.split()))

    def _say(self, caption: str) -> None:
        if caption and plain(caption) != plain(self.caption):
            self.caption = caption
            self.captioned.emit(caption)


def plain(caption: str) -> str:
    """Return a caption without what makes no difference to its meaning."""
    return "".join(letter for letter in caption.casefold() if letter.isalnum())
