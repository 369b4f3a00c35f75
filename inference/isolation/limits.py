"""What a call in a child process may take."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one call. Passing one of them ends the child, and with it the call."""

    memory: int | None = 1024 * MEGABYTE
    """Resident bytes of the child, its own 60 MB or so included; ``None`` for any number."""
    seconds: float | None = 30.0
    """Wall-clock time until the result, or until the next item of a stream; ``None`` for any time."""
    answer: int = 1024 * MEGABYTE
    """Bytes of one answer: of the result, or of one item of a stream."""
