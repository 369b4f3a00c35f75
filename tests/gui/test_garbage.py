"""Python's garbage is collected by the event loop alone, so that no other thread ends a Qt object."""

from __future__ import annotations

import gc
import threading
import weakref

from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.garbage import GuiThreadCollector


def test_cycles_end_on_the_gui_thread(qtbot: QtBot) -> None:
    gc.enable()
    collector = GuiThreadCollector()
    try:
        assert not gc.isenabled()
        ended: list[threading.Thread] = []
        cyclic = QObject()
        cyclic.myself = cyclic  # type: ignore[attr-defined]
        weakref.finalize(cyclic, lambda: ended.append(threading.current_thread()))
        del cyclic

        def allocate() -> None:
            for _ in range(5):
                [[] for _ in range(2 * gc.get_threshold()[0])]

        other = threading.Thread(target=allocate)
        other.start()
        other.join()
        assert not ended
        kept = [[] for _ in range(2 * gc.get_threshold()[0])]
        qtbot.waitUntil(lambda: bool(ended))
        assert ended == [threading.main_thread()]
        assert kept
    finally:
        collector.close()
    assert gc.isenabled()
