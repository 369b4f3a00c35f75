"""Files, pictures and pages in the composer: what is taken, what is refused and how, and what is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from PIL import Image as PilImage
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.chat.attachment_check import kind_of
from app.chat.layout import Action
from app.chat.pages_dialog import PagesDialog, parse_pages
from app.chat.pane import ChatPane
from app.session import SessionState
from app.visual_detail import automatic_detail, picture_tokens, sound_tokens, video_tokens
from gui import sample_media
from inference.errors import MediaError
from inference.messages import Audio, Image, Text, Video

MakeApp = Callable[..., Larimar]
EVERYTHING = frozenset({"image", "audio", "video"})


def ready(qtbot: QtBot, chat: ChatPane, count: int) -> None:
    qtbot.waitUntil(lambda: len(chat.attachments.items) == count and not chat.attachments.pending)


@pytest.fixture
def chat(make_app: MakeApp) -> ChatPane:
    return make_app(FakeEngine([words("ok"), words("ok")], modalities=EVERYTHING)).window.chat


def test_every_kind_is_sent_in_its_order_before_the_text(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    engine = FakeEngine([words("ok")], modalities=EVERYTHING)
    larimar = make_app(engine)
    chat = larimar.window.chat
    files = [
        sample_media.photograph(tmp_path / "a.jpg"),
        sample_media.recording(tmp_path / "b.wav", 2),
        sample_media.screenshot(tmp_path / "c.png"),
        sample_media.video(tmp_path / "d.mp4", 1),
        sample_media.pdf(tmp_path / "e.pdf", 2),
    ]
    chat.composer.add_files(files)
    ready(qtbot, chat, 6)
    assert [tile.accessibleName() for tile in chat.composer.strip.tiles] == [
        "a.jpg", "b.wav", "c.png", "d.mp4", "e.pdf, 1", "e.pdf, 2",
    ]  # fmt: skip
    assert chat.composer.cost.text().endswith("tokens")
    qtbot.keyClicks(chat.composer.edit, "What is it?")
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(engine.asked) and larimar.session.state is SessionState.READY)
    photo, sound, shot, film, first, second, text = engine.asked[0][0][0].parts
    assert photo == Image(files[0], 280)
    assert sound == Audio(files[1])
    assert shot == Image(files[2], 1120)
    assert film == Video(files[3])
    assert isinstance(first, Image)
    assert isinstance(second, Image)
    assert (first.soft_tokens, second.soft_tokens) == (1120, 1120)
    assert text == Text("What is it?")
    assert chat.attachments.items == ()
    assert not chat.composer.strip.isVisible()
    tiles = [button for button in chat.view.layout_of(0).buttons if button.action is Action.OPEN_MEDIA]
    assert len(tiles) == 6
    chat.view.grab()


def test_media_alone_can_be_sent(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    chat.composer.add_files([sample_media.photograph(tmp_path / "a.jpg")])
    ready(qtbot, chat, 1)
    assert chat.composer.button.isEnabled()
    qtbot.mouseClick(chat.composer.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(chat.model.messages) == 2)
    assert chat.controller.conversation.title == "a.jpg"


def test_enter_waits_for_what_is_still_looked_at(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    chat.composer.add_files([sample_media.photograph(tmp_path / "a.jpg")])
    chat.composer.edit.setPlainText("this")
    assert chat.attachments.pending
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Return)
    assert chat.model.messages == ()
    qtbot.waitUntil(lambda: len(chat.model.messages) == 2)
    assert len(chat.model.messages[0].media) == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda folder: sample_media.broken_picture(folder / "broken.png"),
            "“broken.png” cannot be read: it is damaged",
        ),
        (lambda folder: sample_media.huge(folder / "huge.png"), "“huge.png” is too large for a picture: 2.1 GB."),
        (lambda folder: sample_media.huge(folder / "huge.pdf"), "“huge.pdf” is too large for a PDF file"),
        (lambda folder: sample_media.huge(folder / "huge.wav"), "“huge.wav” cannot be read"),
        (lambda folder: _written(folder / "empty.wav", b""), "“empty.wav” is empty: it has no bytes."),
        (lambda folder: _written(folder / "false.mp4", b"no film" * 99), "“false.mp4” cannot be attached."),
        (lambda folder: _written(folder / "cut.mp4", bytes(999)), "“cut.mp4” cannot be read"),
        (lambda folder: _written(folder / "letter.docx", b"PK\x03\x04"), "“letter.docx” cannot be attached."),
        (lambda folder: _written(folder / "cut.pdf", b"%PDF-1.7 and no more"), "“cut.pdf” cannot be read"),
        (lambda folder: folder / "gone.png", "There is no file “gone.png”"),
        (lambda folder: folder, "is a folder"),
    ],
    ids=["broken", "huge", "huge pdf", "huge wav", "empty", "false", "cut video", "unknown", "cut", "gone", "folder"],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    qtbot: QtBot, chat: ChatPane, tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    chat.composer.edit.setPlainText("my words")
    chat.composer.add_files([make(tmp_path)])
    qtbot.waitUntil(chat.composer.refusal.isVisible)
    assert says in chat.composer.refusal.text
    assert chat.attachments.items == ()
    assert chat.composer.text == "my words"
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Escape)
    assert not chat.composer.refusal.isVisible()


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "cannot"),
    [
        (lambda folder: sample_media.photograph(folder / "a.jpg"), "cannot see pictures"),
        (lambda folder: sample_media.recording(folder / "a.wav"), "cannot hear"),
        (lambda folder: sample_media.pdf(folder / "a.pdf"), "cannot see pages"),
    ],
    ids=["picture", "recording", "pdf"],
)
def test_what_the_model_cannot_take_is_refused_before_sending(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, make: Callable[[Path], Path], cannot: str
) -> None:
    chat = make_app(FakeEngine()).window.chat
    chat.composer.add_files([make(tmp_path)])
    qtbot.waitUntil(chat.composer.refusal.isVisible)
    assert f"Fake 1B {cannot}" in chat.composer.refusal.text
    assert chat.attachments.items == ()


def test_what_was_attached_while_the_model_loaded_is_judged_before_sending(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    hold = threading.Event()
    engine = FakeEngine([words("ok")])

    def factory(path: Path | None) -> FakeEngine:
        hold.wait(10)
        return engine

    larimar = make_app(factory, wait=False)
    chat = larimar.window.chat
    chat.composer.add_files([sample_media.photograph(tmp_path / "a.jpg")])
    ready(qtbot, chat, 1)
    hold.set()
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Return)
    assert "cannot see pictures" in chat.composer.refusal.text
    assert not engine.asked
    qtbot.mouseClick(chat.composer.strip.tiles[0].remove_button, Qt.MouseButton.LeftButton)
    assert chat.attachments.items == ()


def test_files_are_dropped_anywhere_on_the_pane(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(sample_media.photograph(tmp_path / "a.jpg")))])
    action, button, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(chat.rect().center(), action, data, button, none)
    QApplication.sendEvent(chat, enter)
    assert enter.isAccepted()
    assert chat._drop_hint.isVisible()
    chat.grab()
    QApplication.sendEvent(chat, QDropEvent(QPointF(chat.rect().center()), action, data, button, none))
    assert not chat._drop_hint.isVisible()
    ready(qtbot, chat, 1)
    text = QMimeData()
    text.setText("words")
    refused = QDragEnterEvent(chat.rect().center(), action, text, button, none)
    refused.ignore()
    QApplication.sendEvent(chat, refused)
    assert not refused.isAccepted()


def test_pictures_files_and_text_are_pasted(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    clipboard = QGuiApplication.clipboard()
    image = QImage(300, 200, QImage.Format.Format_RGB32)
    image.fill(QColor("#336699"))
    clipboard.setImage(image)
    chat.composer.edit.paste()
    ready(qtbot, chat, 1)
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(sample_media.recording(tmp_path / "b.wav", 1)))])
    clipboard.setMimeData(files)
    chat.composer.edit.paste()
    ready(qtbot, chat, 2)
    cells = QMimeData()
    cells.setText("a\tb")
    cells.setImageData(image)
    clipboard.setMimeData(cells)
    chat.composer.edit.paste()
    assert chat.composer.text == "a\tb"
    picture, sound, _ = chat.composer.parts
    assert isinstance(picture, Image)
    assert isinstance(picture.source, bytes)
    assert picture.source.startswith(b"\x89PNG")
    assert isinstance(sound, Audio)


def test_the_file_dialog_attaches(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    chat.composer.choose_files = lambda: [sample_media.photograph(tmp_path / "a.jpg")]
    qtbot.mouseClick(chat.composer.attach, Qt.MouseButton.LeftButton)
    ready(qtbot, chat, 1)


def test_the_visual_detail_is_chosen_and_its_cost_shown(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    composer = chat.composer
    assert not composer.detail.isVisible()
    composer.add_files([sample_media.photograph(tmp_path / "a.jpg")])
    ready(qtbot, chat, 1)
    assert composer.detail.isVisible()
    assert composer.detail.text() == "Detail: Auto"
    costs = {}
    for action in composer.detail.menu().actions():
        action.trigger()
        tokens = action.data()
        costs[tokens] = chat.attachments.tokens
        assert composer.parts[0] == Image(tmp_path / "a.jpg", tokens or 280)
    assert list(costs) == [None, 70, 140, 280, 560, 1120]
    assert costs[None] == costs[280]
    assert 1000 < costs[1120] <= 1120
    composer.set_costs(tokens_per_second=100.0, context_length=4096)
    assert composer.cost.text().endswith("s")
    assert "about" in composer.cost.text()
    composer.set_costs(tokens_per_second=0.0, context_length=200)
    assert "context of 200 tokens" in composer.cost.toolTip()


def test_a_long_pdf_asks_for_its_pages(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def pages(path: Path, count: int) -> list[int]:
        asked.append((path.name, count))
        return [0, 8]

    chat.ask_pages = pages
    chat.composer.add_files([sample_media.pdf(tmp_path / "long.pdf", 9)])
    ready(qtbot, chat, 2)
    assert asked == [("long.pdf", 9)]
    assert [item.name for item in chat.attachments.items] == ["long.pdf, 1", "long.pdf, 9"]


def test_page_numbers_are_understood(qtbot: QtBot) -> None:
    assert parse_pages("1-3, 7", 9) == [0, 1, 2, 6]
    assert parse_pages("2;2–3", 9) == [1, 2]
    for nonsense in ("", "0", "3-1", "10", "a", "1,,2"):
        assert parse_pages(nonsense, 9) == []
    dialog = PagesDialog(Path("x.pdf"), 20)
    qtbot.addWidget(dialog)
    assert dialog.chosen == list(range(8))
    dialog.edit.setText("nine")
    assert not dialog.attach.isEnabled()


def test_reading_ahead_begins_with_the_attachments(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    engine = FakeEngine([words("ok")], modalities=EVERYTHING)
    chat = make_app(engine).window.chat
    picture = sample_media.photograph(tmp_path / "a.jpg")
    chat.composer.add_files([picture])
    qtbot.waitUntil(lambda: any(turns[-1].parts == (Image(picture, 280),) for turns, _ in engine.prepared))
    qtbot.keyClicks(chat.composer.edit, "What")
    qtbot.waitUntil(lambda: engine.prepared[-1][0][-1].text == "What")
    assert engine.prepared[-1][0][-1].parts[0] == Image(picture, 280)


def test_a_picture_of_the_conversation_opens(qtbot: QtBot, chat: ChatPane, tmp_path: Path) -> None:
    picture = sample_media.photograph(tmp_path / "a.jpg")
    shown: list[str] = []
    chat._show_picture = lambda image, name: shown.append(f"{name} {image.width()}")  # type: ignore[method-assign]
    chat._open_media(Image(picture))
    qtbot.waitUntil(lambda: shown == ["a.jpg 640"])
    opened: list[QUrl] = []
    chat.open_link = opened.append
    chat._open_media(Audio(tmp_path / "b.wav"))
    assert opened == [QUrl.fromLocalFile(str(tmp_path / "b.wav"))]


def test_screenshots_and_pages_deserve_more_tokens_than_photographs(tmp_path: Path) -> None:
    photo = PilImage.open(sample_media.photograph(tmp_path / "a.jpg")).convert("RGB")
    shot = PilImage.open(sample_media.screenshot(tmp_path / "b.png")).convert("RGB")
    noise = np.random.default_rng(0)
    scan = np.asarray(shot.convert("L")).astype(float) * 0.9 + noise.normal(12, 3, shot.size[::-1])
    paper = PilImage.fromarray(np.clip(scan, 0, 255).astype(np.uint8)).convert("RGB")
    static = PilImage.fromarray(noise.integers(0, 256, (400, 400, 3), dtype=np.uint8))
    assert automatic_detail(photo) == 280
    assert automatic_detail(shot) == 1120
    assert automatic_detail(paper) == 1120
    assert automatic_detail(static) == 280
    assert automatic_detail(PilImage.new("RGB", (800, 800), "white")) == 280
    assert automatic_detail(shot.resize((64, 40))) == 280


def test_what_media_cost() -> None:
    assert picture_tokens((640, 480), 280) == 266
    assert picture_tokens((0, 0), 280) == 280
    assert sound_tokens(0) == 0
    assert 240 <= sound_tokens(10) <= 260
    assert sound_tokens(60) == 2 * sound_tokens(29.999)
    assert video_tokens(3, (320, 240)) == 3 * picture_tokens((320, 240), 70)
    assert video_tokens(600, (320, 240)) == 32 * picture_tokens((320, 240), 70)


def test_kinds_are_told_by_content_and_name(tmp_path: Path) -> None:
    assert kind_of(_written(tmp_path / "a.png", b"%PDF-1.4 under a false name")) == "pdf"
    assert kind_of(_written(tmp_path / "a.HEIC", b"x")) == "image"
    assert kind_of(_written(tmp_path / "a.opus", b"x")) == "audio"
    assert kind_of(_written(tmp_path / "a.webm", b"x")) == "video"
    assert kind_of(sample_media.recording(tmp_path / "sound.wav", 1).rename(tmp_path / "film.mp4")) == "audio"
    assert kind_of(sample_media.video(tmp_path / "film.mp4", 1).rename(tmp_path / "phone.3gp")) == "video"
    assert kind_of(_written(tmp_path / "nameless", b"\x89PNG\r\n\x1a\n" + b"\0" * 30)) == "image"
    with pytest.raises(MediaError, match="cannot be attached"):
        kind_of(_written(tmp_path / "a.py", b"print()"))
