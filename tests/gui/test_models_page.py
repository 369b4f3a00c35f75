"""The models page: what is on the disk, loading, removing, adding, and downloads."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.engine import FakeEngine
from fakes.hub_server import HubServer, serving, small_model, write
from PySide6.QtCore import Qt, QUrl
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.models import pane as pane_module
from app.models.cards import CatalogueCard, InstalledCard
from app.models.words import gigabytes, time_words
from app.session import SessionState
from inference.catalogue import CatalogueModel, load_catalogue
from inference.hub import Hub, partial_bytes
from inference.model_folder import default_model_folder

MakeApp = Callable[..., Larimar]
WEIGHTS = "onnx/decoder_model_merged_q4.onnx_data"
SMALL = replace(load_catalogue()[0], id="small", name="Small", repository="test/model", bytes=602_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    converted = next(model for model in load_catalogue() if not model.repository)
    catalogue: tuple[CatalogueModel, ...] = (SMALL, converted)
    monkeypatch.setattr(pane_module, "load_catalogue", lambda: catalogue)
    with serving(small_model()) as running:
        yield running


def shown(qtbot: QtBot, larimar: Larimar) -> dict[str, InstalledCard]:
    larimar.window.show_models()
    pane = larimar.window.models
    qtbot.waitUntil(lambda: bool(pane.catalogue_cards) and all(c.isVisible() for c in pane.catalogue_cards.values()))
    return installed(larimar)


def installed(larimar: Larimar) -> dict[str, InstalledCard]:
    """Return the cards by name, without those that Qt will show only when it next handles events."""
    return {card.model.name: card for card in larimar.window.models.installed_cards if card.isVisible()}


def small_card(larimar: Larimar) -> CatalogueCard:
    return larimar.window.models.catalogue_cards["small"]


def words_of(card: InstalledCard | CatalogueCard) -> str:
    return " | ".join(label.text() for label in card.findChildren(type(card._title)) if label.text())


def test_the_demo_offers_real_models_until_it_is_dismissed(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine(demo=True))
    assert larimar.window.offer.isVisible()
    qtbot.mouseClick(larimar.window.offer.models, Qt.MouseButton.LeftButton)
    assert larimar.window.panes.currentWidget() is larimar.window.models
    qtbot.mouseClick(larimar.window.offer.dismiss, Qt.MouseButton.LeftButton)
    assert not larimar.window.offer.isVisible()
    larimar.window.close()
    assert not make_app(FakeEngine(demo=True)).window.offer.isVisible()


def test_a_real_model_is_not_called_a_demo(qtbot: QtBot, make_app: MakeApp) -> None:
    assert not make_app(FakeEngine(demo=False)).window.offer.isVisible()


def test_a_card_that_cannot_be_used_is_told_of_until_it_is_dismissed(qtbot: QtBot, make_app: MakeApp) -> None:
    from inference.graphs.providers import CUDA_NEEDS

    notice = make_app(FakeEngine(provider_reason="no NVIDIA driver was found")).window.card_notice
    assert notice.isVisible()
    assert "no NVIDIA driver was found" in notice.text.text()
    for needed in CUDA_NEEDS.split(" with ")[1].replace(" and ", ", ").split(", "):
        assert needed in notice.text.text()
    qtbot.mouseClick(notice.dismiss, Qt.MouseButton.LeftButton)
    assert not notice.isVisible()
    assert not make_app(FakeEngine()).window.card_notice.isVisible()


def test_models_are_listed_loaded_and_removed(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    path = write(small_model(), tmp_path / "data" / "models" / "Mine")
    opened: list[Path | None] = []

    def factory(path: Path | None) -> FakeEngine:
        opened.append(path)
        return FakeEngine(demo=path is None, name="Mine" if path else "Larimar demo")

    larimar = make_app(factory)
    cards = shown(qtbot, larimar)
    demo, mine = (cards[name] for name in cards)
    assert demo.model.path == default_model_folder()
    assert "Demo" in words_of(demo)
    assert "Loaded, on CPU" in words_of(demo)
    assert not demo.remove.isVisible()
    assert "Text, pictures, video · 4 bit · 1 MB · 4096 tokens of context" in words_of(mine)
    assert "with drafter" in words_of(mine)
    qtbot.mouseClick(mine.load, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert opened == [None, path]
    assert larimar.settings.model_folder == path
    mine = installed(larimar)["Mine"]
    assert "Loaded, on CPU" in words_of(mine)
    assert not mine.remove.isEnabled()
    qtbot.waitUntil(lambda: next(iter(installed(larimar).values())).load.isVisible())
    qtbot.mouseClick(next(iter(installed(larimar).values())).load, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    qtbot.waitUntil(lambda: installed(larimar)["Mine"].remove.isVisible())
    mine = installed(larimar)["Mine"]
    qtbot.mouseClick(mine.remove, Qt.MouseButton.LeftButton)
    assert mine.confirm.isVisible()
    qtbot.keyClick(mine.confirm.no, Qt.Key.Key_Escape)
    assert not mine.confirm.isVisible()
    assert path.is_dir()
    qtbot.mouseClick(mine.remove, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(mine.confirm.yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Mine" not in installed(larimar))
    assert not path.exists()


def test_a_question_stays_open_while_another_model_is_being_loaded(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    path, other = (write(small_model(), tmp_path / "data" / "models" / name) for name in ("Mine", "Other"))
    hold = threading.Event()

    def factory(path: Path | None) -> FakeEngine:
        if path is not None:
            assert hold.wait(10)
        return FakeEngine(demo=path is None, name=path.name if path else "Larimar demo")

    larimar = make_app(factory)
    cards = shown(qtbot, larimar)
    mine = cards["Mine"]
    qtbot.mouseClick(cards["Other"].load, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Loading" in words_of(installed(larimar)["Other"]))
    assert not mine.load.isEnabled()
    qtbot.mouseClick(mine.remove, Qt.MouseButton.LeftButton)
    assert mine.confirm.isVisible()
    hold.set()
    qtbot.waitUntil(lambda: "Loaded, on CPU" in words_of(installed(larimar)["Other"]))
    assert mine.load.isEnabled()
    assert mine.confirm.isVisible()
    assert mine.confirm.no.hasFocus()
    qtbot.mouseClick(mine.confirm.yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Mine" not in installed(larimar))
    assert not path.exists()
    assert other.is_dir()


def test_a_truncated_folder_that_was_added_says_what_is_wrong(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    broken = write(small_model(), tmp_path / "elsewhere" / "Cut")
    (broken / "tokenizer.json").unlink()
    larimar = make_app(FakeEngine(), choose_folder=lambda start: broken)
    shown(qtbot, larimar)
    qtbot.mouseClick(larimar.window.models.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Cut" in installed(larimar))
    card = installed(larimar)["Cut"]
    assert "lacks tokenizer.json" in words_of(card)
    assert not card.load.isVisible()
    assert larimar.settings.added_models == (broken,)
    qtbot.mouseClick(card.remove, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(card.confirm.yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Cut" not in installed(larimar))
    assert broken.is_dir()
    assert larimar.settings.added_models == ()


def test_a_download_is_paused_goes_on_and_can_be_loaded(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, server: HubServer
) -> None:
    models = tmp_path / "data" / "models"
    hold = server.hold[WEIGHTS] = threading.Event()
    larimar = make_app(FakeEngine(), hub=Hub(server.endpoint))
    shown(qtbot, larimar)
    assert server.asked == []
    qtbot.mouseClick(small_card(larimar).download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: partial_bytes(models, "small") > 200_000)
    qtbot.waitUntil(lambda: " of " in small_card(larimar).said.text())
    assert small_card(larimar).download.text() == "Pause"
    qtbot.mouseClick(small_card(larimar).download, Qt.MouseButton.LeftButton)
    hold.set()
    qtbot.waitUntil(lambda: small_card(larimar).download.text() == "Go on")
    assert "Paused" in small_card(larimar).said.text()
    assert not (models / "small").exists()
    qtbot.mouseClick(small_card(larimar).download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Small" in installed(larimar))
    assert (models / "small" / WEIGHTS).read_bytes() == server.files[WEIGHTS]
    qtbot.waitUntil(lambda: not small_card(larimar).download.isVisible())


def test_a_download_that_is_cancelled_leaves_nothing(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, server: HubServer
) -> None:
    models = tmp_path / "data" / "models"
    server.break_at[WEIGHTS] = 300_000
    larimar = make_app(FakeEngine(), hub=Hub(server.endpoint))
    shown(qtbot, larimar)
    qtbot.mouseClick(small_card(larimar).download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "connection broke" in small_card(larimar).said.text())
    assert small_card(larimar).cancel.isVisible()
    qtbot.mouseClick(small_card(larimar).cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: small_card(larimar).download.text() == "Download")
    assert partial_bytes(models, "small") == 0


def test_closing_during_a_download_keeps_what_has_arrived(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, server: HubServer
) -> None:
    models = tmp_path / "data" / "models"
    hold = server.hold[WEIGHTS] = threading.Event()
    larimar = make_app(FakeEngine(), hub=Hub(server.endpoint))
    shown(qtbot, larimar)
    qtbot.mouseClick(small_card(larimar).download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: partial_bytes(models, "small") > 200_000)
    threading.Timer(0, hold.set).start()
    larimar.window.close()
    assert partial_bytes(models, "small") > 200_000


def test_offline_is_said_at_the_card(
    qtbot: QtBot, make_app: MakeApp, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    larimar = make_app(FakeEngine(), hub=Hub(server.endpoint))
    shown(qtbot, larimar)
    monkeypatch.setattr("inference.network.NETWORK.offline", True)
    qtbot.mouseClick(small_card(larimar).download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Offline" in small_card(larimar).said.text())
    assert server.asked == []


def test_a_disk_that_fills_up_is_said_at_the_card_and_the_download_goes_on(
    qtbot: QtBot, make_app: MakeApp, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    larimar = make_app(FakeEngine(), hub=Hub(server.endpoint))
    shown(qtbot, larimar)
    card = small_card(larimar)
    with monkeypatch.context() as patch:
        patch.setattr("inference.hub.os.fsync", full)
        qtbot.mouseClick(card.download, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "is full. What has arrived is kept" in card.said.text())
    assert card.download.text() == "Go on"
    qtbot.mouseClick(card.download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "small" in {model.path.name for model in larimar.window.models.models})


def test_what_must_be_converted_says_how_and_the_licence_opens(
    qtbot: QtBot, make_app: MakeApp, server: HubServer
) -> None:
    larimar = make_app(FakeEngine())
    larimar.window.models.free_memory = lambda: 10**9
    links: list[QUrl] = []
    larimar.window.models.open_link = links.append
    shown(qtbot, larimar)
    card = larimar.window.models.catalogue_cards["gemma-4-12B-it"]
    assert "only 1.0 GB are free" in words_of(card)
    qtbot.mouseClick(card.download, Qt.MouseButton.LeftButton)
    assert "Convert a checkpoint" in card.said.text()
    card.terms_requested.emit(card.model.terms)
    assert links[0].host() == "ai.google.dev"


def test_sizes_and_times_in_words() -> None:
    assert [gigabytes(count) for count in (3_400_000, 21_300_000_000)] == ["3 MB", "21.3 GB"]
    assert [time_words(seconds) for seconds in (0.2, 60, 600, 9000)] == [
        "1 s left",
        "60 s left",
        "10 min left",
        "2 h left",
    ]
