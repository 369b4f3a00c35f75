"""What comes back from other threads."""

from __future__ import annotations

import gc
import weakref

import pytest
from PySide6.QtCore import QEventLoop
from pytestqt.qtbot import QtBot

from app.background import Background


@pytest.mark.parametrize("decoding", [False, True])
def test_an_error_keeps_no_dialog_that_waited_for_it(decoding: bool, qtbot: QtBot) -> None:
    background = Background()

    def fail(*_: object) -> None:
        raise ValueError("damaged")

    def wait() -> weakref.ref[QEventLoop]:
        loop = QEventLoop()  # what a dialog waits in
        start = background.decode if decoding else background.run
        start(fail, lambda _: None, lambda error: loop.quit())
        loop.exec()
        return weakref.ref(loop)

    gc.collect()
    gc.disable()  # what it would collect, it would collect on any thread
    try:
        assert wait()() is None
    finally:
        gc.enable()
        background.close()
