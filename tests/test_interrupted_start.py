"""Ctrl+C while the program starts: within the first import of Qt it would end in an abort (SIGABRT)."""

from __future__ import annotations

import signal

import pytest

from app.commands.window import interrupts_later


def test_an_interrupt_comes_when_the_block_has_ended() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = False
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_later():  # noqa: PT012
            signal.raise_signal(signal.SIGINT)
            reached = True
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached
