"""When a dictation begins and ends: the one owner of idle, recording and processing. No Qt, no clock of its own."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Final, Literal

Mode = Literal["hold", "toggle"]
"""Speak while the keys are held; or press once to begin and once to end."""

DEBOUNCE: Final = 0.030
"""Seconds within which a second press of the same keys is a bounce of the switch under them."""
RELEASE_GRACE: Final = 0.050
"""Seconds for which the keys may be up before that counts: some systems repeat a held key as up and down."""
REPEAT_GAP: Final = 1.0
"""Seconds after which a press, while the keys count as held, is no repeat: their release was lost."""
LONGEST: Final = 600.0
"""Seconds of one dictation; then it ends by itself and its text is inserted."""
SILENT_AT_MOST: Final = 120.0
"""Seconds without any sign of life while the text is made; then it is given up."""


class State(enum.Enum):
    """What dictation is doing."""

    IDLE = "idle"
    RECORDING = "recording"
    PROCESSING = "processing"
    """The last words become text, and the text goes to the other program."""


class Do(enum.Enum):
    """What the owner of the machine has to do now."""

    BEGIN = "begin"
    """Start to listen."""
    END = "end"
    """Stop to listen; the text is wanted."""
    DROP = "drop"
    """Stop everything; no text is wanted."""
    GIVE_UP = "give up"
    """Like ``DROP``: nothing has been heard of the text for too long."""


@dataclass
class Machine:
    """Takes what happens, with the time in seconds, and says what to do; call :meth:`tick` when :attr:`due` is over.

    Whatever comes in whatever order, it returns to idle, and never begins a second recording before the end of the
    first.
    """

    mode: Mode = "hold"
    longest: float = LONGEST
    state: State = State.IDLE
    _held: bool = False
    _pressed_at: float = -math.inf
    _released_at: float = -math.inf
    _began_at: float = -math.inf
    _stop_at: float = field(default=math.inf)
    _alive_at: float = -math.inf

    @property
    def due(self) -> float:
        """When to call :meth:`tick`; infinity for never."""
        if self.state is State.RECORDING:
            return min(self._stop_at, self._began_at + self.longest)
        if self.state is State.PROCESSING:
            return self._alive_at + SILENT_AT_MOST
        return math.inf

    # --- keys ---

    def press(self, now: float) -> Do | None:
        """The keys went down, or repeat while they are held."""
        since_press, since_release = now - self._pressed_at, now - self._released_at
        was_held, self._held = self._held, True
        self._pressed_at = now
        repeats = since_press < REPEAT_GAP if was_held else since_release < RELEASE_GRACE or since_press < DEBOUNCE
        if repeats:
            self._stop_at = math.inf  # they were not really up
            return None
        if self.state is State.IDLE:
            return self.begin(now)
        if self.state is State.RECORDING and (self.mode == "toggle" or was_held):
            return self.end(now)
        return None

    def release(self, now: float) -> Do | None:
        """The keys went up."""
        if not self._held:
            return None
        self._held = False
        self._released_at = now
        if self.state is State.RECORDING and self.mode == "hold":
            self._stop_at = now + RELEASE_GRACE
        return None

    # --- commands ---

    def begin(self, now: float) -> Do | None:
        """Begin, if nothing is under way."""
        if self.state is not State.IDLE:
            return None
        self.state = State.RECORDING
        self._began_at = now
        self._stop_at = math.inf
        return Do.BEGIN

    def end(self, now: float) -> Do | None:
        """End the recording, if there is one; its text is wanted."""
        if self.state is not State.RECORDING:
            return None
        self.state = State.PROCESSING
        self._stop_at = math.inf
        self._alive_at = now
        return Do.END

    def toggle(self, now: float) -> Do | None:
        """Begin, or end the recording."""
        return self.begin(now) if self.state is State.IDLE else self.end(now)

    def cancel(self, now: float) -> Do | None:
        """Forget what was said, whatever is under way."""
        if self.state is State.IDLE:
            return None
        self._rest()
        return Do.DROP

    # --- what the others report ---

    def alive(self, now: float) -> None:
        """The text is being worked on."""
        self._alive_at = now

    def done(self) -> None:
        """It is over: the text was inserted, there was none, or it went wrong."""
        self._rest()

    def tick(self, now: float) -> Do | None:
        """Do what the time asks for."""
        if now < self.due:
            return None
        if self.state is State.RECORDING:
            return self.end(now)
        if self.state is State.PROCESSING:
            self._rest()
            return Do.GIVE_UP
        return None

    def _rest(self) -> None:
        self.state = State.IDLE
        self._stop_at = math.inf
