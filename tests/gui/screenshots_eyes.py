"""The screens of :mod:`gui.screenshots` in which Larimar looks: the webcam pane and questions about the screen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fakes.engine import FakeEngine, words
from PIL import Image
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from app.application import Larimar
from app.devices.frame_devices import SOURCE_VARIABLE
from app.screen import questions
from app.screen.capture import Shot
from app.screen.portal_picture import _MISSING
from app.webcam.camera import CameraState
from gui import sample_media
from gui.scenes import film

CAPTION = "Hills in the evening, under an orange sky."
SEEN = """I see **rolling hills** at dusk:

1. a dark forest in front
2. the sun, low behind the ridge

The sky goes from `blue` to orange."""
READ = """It is a **table of squares**:

- 26 lines, from 0 to 25
- each with its square"""

Wait = Callable[[Callable[[], bool]], None]


def eyes_engine() -> FakeEngine:
    """Return an engine that captions, describes, then reads."""
    scripts = [words(CAPTION), words(SEEN), words(READ)]
    return FakeEngine(scripts, name="Larimar demo", modalities=frozenset({"image", "video"}))


def shoot_eyes(larimar: Larimar, folder: Path, variant: str, wait: Wait, frames: Callable[..., None]) -> None:
    """Render the webcam pane in its states, picking a region, and the small window; the engine is ``eyes_engine()``."""

    def save(widget: QWidget, name: str) -> None:
        frames()
        widget.grab().save(str(folder / f"{name}-{variant}.png"))

    data = larimar._options.paths.data
    data.mkdir(parents=True, exist_ok=True)
    photograph = np.asarray(Image.open(sample_media.photograph(data / "evening.jpg", (1280, 720))))
    os.environ[SOURCE_VARIABLE] = f"loop:{film(data / 'HD Webcam.mp4', [(photograph, 1.0)])}"
    window, pane = larimar.window, larimar.window.webcam
    window.rail.choose(1)
    wait(lambda: pane.camera.known)
    save(window, "webcam-off")
    pane.start()
    wait(lambda: pane.preview.painted > 0)
    pane.watch.setChecked(True)
    wait(lambda: bool(pane.preview.caption))
    save(window, "webcam-watching")
    pane.ask(pane.see.text())
    wait(lambda: bool(pane.talk.turns) and not pane.talk.busy)
    save(window, "webcam-asked")
    window.resize(520, 700)
    save(window, "webcam-narrow")
    window.resize(1080, 760)
    os.environ[SOURCE_VARIABLE] = f"file:{data / 'gone.mp4'}"
    pane.stop()
    pane.talk.clear()
    wait(lambda: not pane.camera.feed.live)
    pane.camera.look_around()
    wait(lambda: pane.camera.device is not None and "gone" in pane.camera.device.id)
    pane.start()
    wait(lambda: pane.camera.state is CameraState.FAILED)
    save(window, "webcam-trouble")
    del os.environ[SOURCE_VARIABLE]

    screen = QGuiApplication.primaryScreen()
    size = screen.size() * screen.devicePixelRatio()
    image = QImage(str(sample_media.screenshot(data / "screen.png", (size.width(), size.height()))))
    real_shots = questions.shots
    questions.shots = lambda: [Shot(screen, image, screen.devicePixelRatio())]
    larimar.screen.ask()
    assert larimar.screen.picker is not None
    (cover,) = larimar.screen.picker.covers
    save(cover, "screen-picking")
    cover.hint_region(QRect(size.width() // 8, size.height() // 6, size.width() // 2, size.height() // 3))
    save(cover, "screen-region")
    QTest.keyClick(cover, Qt.Key.Key_Return)
    wait(lambda: larimar.screen.window is not None and larimar.screen.window._media is not None)
    small = larimar.screen.window
    assert small is not None
    save(small, "screen-picked")
    small.actions_row[1].click()
    wait(lambda: bool(small.talk.turns) and not small.talk.busy)
    save(small, "screen-answer")
    small.show_trouble(_MISSING)
    save(small, "screen-trouble")
    small.close()
    questions.shots = real_shots
