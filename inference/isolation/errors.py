"""How a call in a child process can end without a result."""

from __future__ import annotations

from inference.errors import LarimarError


class IsolationError(LarimarError):
    """The child process gave no result. Callers that know what it worked on say so in a better sentence."""


class TookTooLongError(IsolationError):
    """The call passed its limit of time."""

    def __init__(self) -> None:
        super().__init__("This took too long and was stopped. Try something smaller or simpler.")


class NeededTooMuchMemoryError(IsolationError):
    """The call passed its limit of memory."""

    def __init__(self) -> None:
        super().__init__("This needed too much memory and was stopped. Try something smaller or simpler.")


class BrokeDownError(IsolationError):
    """The child process ended by itself, or answered what makes no sense."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(sentence or "The process that works on this broke down. Try it again, or try something else.")


class CallCancelled(Exception):  # noqa: N818 - it is no error, as concurrent.futures.CancelledError is none
    """Whoever asked for the call wants its result no longer, or the program ends."""
