"""A reply that is read aloud while it is still being written, sentence by sentence."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.devices.speaker import Speaker
from app.voice.spoken import SentenceStream


class SpokenReply(QObject):
    """One reply at a time: what is new of it goes to the speaker; what is not yet said can be taken up again."""

    speaking_changed = Signal(bool)
    """Whether a voice can be heard."""
    ended = Signal()
    """All of a reply that was complete was said; not after :meth:`stop`."""

    def __init__(self, speaker: Speaker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._speaker = speaker
        self._stream = SentenceStream()
        self._id = ""
        self._markdown = ""
        self._complete = False
        self._silenced = False
        self._speaking = False
        self._waiting: list[str] = []
        """What was given to the speaker and is not said yet, the sentence that is being said first."""
        self._broken_off: list[str] = []
        speaker.started.connect(self._started)
        speaker.finished.connect(self._finished)

    @property
    def speaking(self) -> bool:
        """Whether a voice can be heard, or will be in a moment."""
        return self._speaking or bool(self._waiting)

    def update(self, reply_id: str, markdown: str, *, complete: bool = False) -> None:
        """Say what is new of a reply, of which ``markdown`` is all that there is so far.

        Another id begins another reply, and ends the voice of the one before.
        """
        if reply_id != self._id:
            self.stop()
            self._id, self._stream = reply_id, SentenceStream()
            self._complete = self._silenced = False
            self._broken_off = []
        if self._complete:
            return
        self._complete, self._markdown = complete, markdown
        new = self._read()
        if self._silenced:
            self._broken_off += new
        else:
            for sentence in new:
                self._say(sentence)
            if complete and not self.speaking:
                self.ended.emit()

    def _read(self) -> list[str]:
        """Return the sentences with which the reply goes on; of a long one that is complete not all at once."""
        new = self._stream.update(self._markdown, complete=self._complete)
        while not new and self._stream.left:
            new = self._stream.update(self._markdown, complete=self._complete)
        return new

    def stop(self) -> None:
        """Be silent, and stay so for the rest of this reply; :meth:`resume` goes on."""
        self._silenced = True
        if self._waiting:
            self._broken_off, self._waiting = [*self._waiting, *self._broken_off], []
            self._speaker.stop()
        self._set_speaking(False)

    def resume(self) -> bool:
        """Go on with the sentence at which it was stopped; return whether there is anything to say."""
        rest, self._broken_off = self._broken_off, []
        if not rest and self._stream.left:
            rest = self._read()
        self._silenced = False
        for sentence in rest:
            self._say(sentence)
        return bool(rest)

    def _say(self, sentence: str) -> None:
        """Give the speaker one sentence at a time, so that it is known which one was broken off."""
        self._waiting.append(sentence)
        if len(self._waiting) == 1:
            self._speaker.say(sentence)

    def _started(self) -> None:
        if self._waiting:
            self._set_speaking(True)

    def _finished(self) -> None:
        if not self._waiting:
            return
        self._waiting.pop(0)
        if not self._waiting and self._stream.left:
            self._waiting = self._read()
        if self._waiting:
            self._speaker.say(self._waiting[0])
            return
        self._set_speaking(False)
        if self._complete:
            self.ended.emit()

    def _set_speaking(self, speaking: bool) -> None:
        if speaking != self._speaking:
            self._speaking = speaking
            self.speaking_changed.emit(speaking)
