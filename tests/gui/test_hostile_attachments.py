"""Files that would hang or fill the window: another process decodes them, and a sentence takes their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from hostile_files import RECURSION, jpeg_of_many_scans, many_paths, stream_bomb
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.chat.pane import ChatPane
from app.chat.thumbnails import Thumbnail
from gui import sample_media
from inference.isolation import POOL, Limits
from inference.media import isolated
from inference.memory import resident_bytes
from inference.messages import Image

MakeApp = Callable[..., Larimar]
PATIENCE = 120_000  # milliseconds, on a busy machine


@pytest.fixture
def chat(make_app: MakeApp) -> ChatPane:
    return make_app(FakeEngine([words("ok")], modalities=frozenset({"image", "audio", "video"}))).window.chat


def attach(chat: ChatPane, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    chat.composer.add_files([path])


@pytest.mark.parametrize("kind", ["recursion", "bomb"])
def test_a_page_that_fills_any_memory(kind: str, qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    refused: list[str] = []
    chat.attachments.refused.connect(refused.append)
    beats: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(len(POOL.pids)))
    timer.start(5)
    before = resident_bytes().get("resident", 0)
    attach(chat, tmp_path / "page.pdf", RECURSION if kind == "recursion" else stream_bomb(300))
    qtbot.waitUntil(lambda: any(beats), timeout=PATIENCE)
    # meanwhile the window goes on
    qtbot.keyClicks(chat.composer.edit, "Still here")
    assert chat.composer.edit.toPlainText() == "Still here"
    qtbot.waitUntil(lambda: bool(refused), timeout=PATIENCE)
    assert refused[0].startswith("Page 1 of “page.pdf” needs more memory than it may take")
    assert chat.attachments.items == ()
    assert chat.composer.refusal.text == refused[0]
    assert max(beats) >= 1, "another process drew it"
    assert resident_bytes().get("resident", 0) < before + (300 << 20), "it filled our memory, not its own"
    timer.stop()


@pytest.mark.parametrize("kind", ["page.pdf", "picture.jpg"])
def test_taking_it_away_ends_its_process(kind: str, qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    content = many_paths(400_000) if kind.endswith("pdf") else jpeg_of_many_scans(6000, 4000)
    attach(chat, tmp_path / kind, content)
    qtbot.waitUntil(lambda: bool(chat.attachments.items[0].kind) and bool(POOL.busy_pids), timeout=PATIENCE)
    busy = POOL.busy_pids
    chat.attachments.remove(chat.attachments.items[0].id)
    assert chat.attachments.items == ()
    qtbot.waitUntil(lambda: not POOL.busy_pids, timeout=PATIENCE)
    assert set(busy) - set(POOL.pids), "none of those that were at work has ended"


def test_others_go_on_while_it_is_looked_at(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    attach(chat, tmp_path / "slow.jpg", jpeg_of_many_scans(6000, 4000))
    chat.composer.add_files([sample_media.photograph(tmp_path / "a.jpg")])
    qtbot.waitUntil(lambda: chat.attachments.items[1].checked is not None, timeout=PATIENCE)
    assert chat.attachments.items[0].checked is None
    chat.attachments.clear()
    qtbot.waitUntil(lambda: len(POOL.pids) <= 1, timeout=PATIENCE)


def test_closing_the_window_ends_it(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    larimar = make_app(FakeEngine([words("ok")], modalities=frozenset({"image"})))
    attach(larimar.window.chat, tmp_path / "slow.jpg", jpeg_of_many_scans(6000, 4000))
    qtbot.waitUntil(lambda: bool(POOL.pids), timeout=PATIENCE)
    larimar.close()
    assert POOL.pids == []


def test_the_thumbnail_of_a_picture_in_the_history(
    qtbot: QtBot, chat: ChatPane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "_PICTURE", Limits(memory=1 << 30, seconds=0.5))
    part = Image(jpeg_of_many_scans(6000, 4000))
    thumbnails = chat.attachments._thumbnails
    with qtbot.waitSignal(thumbnails.ready, timeout=PATIENCE):
        assert thumbnails.get(part) is None
    assert thumbnails.get(part) == Thumbnail(None)
