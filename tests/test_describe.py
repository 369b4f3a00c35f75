"""``main.py describe``: what it looks at, and what it says when there is nothing to see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gui.sample_media import screenshot
from gui.scenes import film, scene
from PIL import Image as PilImage
from PySide6.QtWidgets import QApplication

import main
from app.devices import camera_still
from app.devices.frame_devices import SOURCE_VARIABLE
from inference.media.image_decoding import load_image
from inference.messages import Image, Part, Text, Video


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Part]]:
    """What the model was asked, in place of an answer."""
    asked: list[Sequence[Part]] = []

    def ask(_thread: object, parts: Sequence[Part], **_: object) -> int:
        asked.append(parts)
        return 0

    monkeypatch.setattr("app.terminal.ask", ask)
    return asked


def test_pictures_and_videos(asked: list[Sequence[Part]], tmp_path: Path) -> None:
    picture, clip = tmp_path / "a.png", film(tmp_path / "b.mp4", [(scene("circle", "red"), 0.2)])
    PilImage.fromarray(scene("circle", "red")).save(picture)
    assert main.main(["describe", str(picture)]) == 0
    assert main.main(["describe", str(clip), "--question", "What happens?"]) == 0
    assert main.main(["describe", str(screenshot(tmp_path / "c.png"))]) == 0
    assert asked[0] == [Image(picture), Text("Describe what you see.")]
    assert asked[1] == [Video(clip), Text("What happens?")]
    assert asked[2][0] == Image(tmp_path / "c.png", 1120), "small print is looked at closely"


def test_the_camera(asked: list[Sequence[Part]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = film(tmp_path / "a.mp4", [(scene("circle", "red"), 0.1), (scene("square", "blue"), 3)])
    monkeypatch.setenv(SOURCE_VARIABLE, f"file:{clip}")
    monkeypatch.setattr(camera_still, "SETTLE_SECONDS", 0.3)
    assert main.main(["describe", "--webcam"]) == 0
    picture = asked[0][0]
    assert isinstance(picture, Image)
    assert isinstance(picture.source, bytes)
    red, _, blue = load_image(picture.source)[240, 320]
    assert blue > 200 > red + 100, "not the first picture, which cameras have before they have found their exposure"


@pytest.mark.usefixtures("qapp")
def test_the_screen(asked: list[Sequence[Part]]) -> None:
    assert main.main(["describe", "--screen"]) == 0
    picture = asked[0][0]
    assert isinstance(picture, Image)
    assert isinstance(picture.source, bytes)
    size = QApplication.primaryScreen().size() * QApplication.primaryScreen().devicePixelRatio()
    assert np.asarray(load_image(picture.source)).shape == (size.height(), size.width(), 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no such file.png"], "There is no file no such file.png"),
        (["text.txt"], "“text.txt” is not a picture"),
        (["--webcam"], "No camera was found"),
        (["--screen"], "no screen to look at"),
    ],
)
def test_what_cannot_be_seen_is_said(
    arguments: list[str],
    sentence: str,
    asked: list[Sequence[Part]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.devices.frame_devices.list_cameras", lambda: ())
    monkeypatch.setattr("app.display.window_problem", lambda: "There is no display for a window.")
    assert main.main(["describe", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(
    "arguments", [[], ["a.png", "--screen"], ["--webcam", "--screen"], ["a.png", "--question", ""]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["describe", *arguments])
    assert ended.value.code == 2
