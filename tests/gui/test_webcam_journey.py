"""A video in the place of the camera, the demo model before it: what it says must follow what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.devices.frame_devices import SOURCE_VARIABLE
from app.engine_opening import open_engine
from app.session import SessionState
from app.webcam.camera import CameraState
from gui.scenes import film, scene

LONG = 15_000


def test_captions_follow_the_scenes_and_questions_are_about_what_is_shown(
    make_app: Callable[..., Larimar], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = [("circle", "red"), ("square", "blue"), ("triangle", "green")]
    clip = film(tmp_path / "shapes.mp4", [(scene(*shape), 3.0) for shape in shapes])
    monkeypatch.setenv(SOURCE_VARIABLE, f"file:{clip}")
    larimar = make_app(open_engine, wait=False)
    window, pane = larimar.window, larimar.window.webcam
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY, timeout=LONG)
    window.rail.choose(1)
    qtbot.waitUntil(pane.start_button.isEnabled)
    captions: list[tuple[float, str]] = []

    def note(caption: str) -> None:
        shown = pane.camera.newest
        captions.append((shown.time if shown else -1.0, caption))

    pane.watcher.captioned.connect(note)
    qtbot.mouseClick(pane.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.watch.isEnabled())
    qtbot.mouseClick(pane.watch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(captions) >= 1, timeout=LONG)
    pane.ask("What do you see?")
    qtbot.waitUntil(lambda: bool(pane.talk.exchanges) and not pane.talk.busy, timeout=LONG)
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.FAILED, timeout=LONG)  # the video has ended
    print([f"{caption!r} at {time:.2f} s" for time, caption in captions])
    assert len(captions) == len(shapes), "one caption a scene"
    for (shape, colour), (_, caption) in zip(shapes, captions, strict=True):
        assert colour in caption
        assert shape in caption
    assert "red circle" in pane.talk.exchanges[0].answer
    qtbot.waitUntil(lambda: not larimar.senses.live)
