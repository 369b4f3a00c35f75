"""Converting checkpoints from the window: what the child says, what the card shows, and how it is stopped."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.engine import FakeEngine
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.conversion_report import Failed, Needs, Reporter, Stage, read_report
from app.models.checkpoints import checkpoint_name, look_at_checkpoint
from app.models.conversions import Conversions, Order

MakeApp = Callable[..., Larimar]

CHILD = r"""
import json, pathlib, sys
arguments = sys.argv[1:]
checkpoint, out = (pathlib.Path(each) for each in arguments[-2:])
def say(kind, **what):
    print(json.dumps({"larimar-conversion": kind, **what}), flush=True)
mode = (checkpoint / "mode").read_text()
print("Collecting torch: what pip says is no report")
if mode == "needs" and "--install" not in arguments:
    say("needs", sentence="Converting needs PyTorch: 1 to 4 GB to download.")
    sys.exit(1)
if mode == "fails":
    say("failed", sentence="The checkpoint is damaged.")
    sys.exit(1)
if mode == "dies":
    sys.exit(9)
say("stage", words="Writing the decoder", fraction=0.5, detail="1.0 of 2.0 GB")
if mode == "waits":
    sys.stdin.read()
    sys.exit(130)
if mode == "hangs":
    import time
    time.sleep(600)
out.mkdir(parents=True)
(out / "arguments.json").write_text(json.dumps(arguments))
"""


def checkpoint(folder: Path, mode: str = "", model_type: str = "gemma4") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    (folder / "mode").write_text(mode)
    return folder


@pytest.fixture
def child(tmp_path: Path) -> Callable[[], list[str]]:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    return lambda: [sys.executable, str(script)]


@pytest.fixture
def conversions(child: Callable[[], list[str]]) -> Iterator[Conversions]:
    made = Conversions(command=child)
    yield made
    made.close()


def test_reports_survive_the_way() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream, clock=lambda: 0.0)
    said = [Stage("Writing", 0.5, "1 of 2 GB"), Needs("PyTorch"), Failed("Damaged: “ü”.")]
    for report in said:
        reporter.say(report)
    assert [read_report(line) for line in stream.getvalue().splitlines()] == said
    for other in ("Collecting torch", "{}", "[1]", "null", '{"larimar-conversion": "newer"}'):
        assert read_report(other) is None
    assert read_report('{"larimar-conversion": "stage", "unknown": 1}') is None


def test_a_stage_is_not_reported_too_often_and_ends_with_its_listener() -> None:
    now = [0.0]
    stream = io.StringIO()
    reporter = Reporter(stream, clock=lambda: now[0])
    for step in range(100):
        now[0] = step / 1000
        reporter.show("One", step / 100)
    reporter.show("One", 1.0)
    reporter.show("Two", 0.0)
    assert len(stream.getvalue().splitlines()) == 3
    reporter.cancelled = True
    with pytest.raises(KeyboardInterrupt):
        reporter.show("Two", 0.1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "gem'), "is damaged"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "llama"}'), "no Gemma 4"),
        (lambda folder: (folder / "config.json").write_text("[]"), "is damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    ],
)
def test_what_is_no_checkpoint_is_said_before_anything_starts(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = checkpoint(tmp_path / "some")
    assert not look_at_checkpoint(folder).problem
    spoil(folder)
    assert words in look_at_checkpoint(folder).problem


def test_names_come_from_the_repository_in_the_cache(tmp_path: Path) -> None:
    assert checkpoint_name(Path("/c/hub/models--google--gemma-4-12B-it/snapshots/0123abc")) == "gemma-4-12B-it"
    assert checkpoint_name(Path("/models/My model: ü?")) == "My model- ü"
    drafter = checkpoint(tmp_path / "d", model_type="gemma4_assistant")
    assert look_at_checkpoint(drafter).drafter


def test_progress_then_the_folder(qtbot: QtBot, conversions: Conversions, tmp_path: Path) -> None:
    seen: list[Stage] = []
    conversions.progressed.connect(seen.append)
    order = Order(checkpoint(tmp_path / "c"), tmp_path / "out", "q8", tmp_path / "drafter")
    with qtbot.waitSignal(conversions.finished) as done:
        conversions.start(order)
        assert conversions.running == order
    assert done.args == [tmp_path / "out"]
    assert seen == [Stage("Writing the decoder", 0.5, "1.0 of 2.0 GB")]
    assert conversions.running is None
    said = json.loads((tmp_path / "out" / "arguments.json").read_text())
    assert said[:6] == ["convert", "--report", "--precision", "q8", "--drafter", str(tmp_path / "drafter")]


@pytest.mark.parametrize(("mode", "words"), [("fails", "The checkpoint is damaged."), ("dies", "broke off")])
def test_failures_are_sentences(qtbot: QtBot, conversions: Conversions, tmp_path: Path, mode: str, words: str) -> None:
    with qtbot.waitSignal(conversions.stopped) as ended:
        conversions.start(Order(checkpoint(tmp_path / "c", mode), tmp_path / "out"))
    assert words in ended.args[0]


@pytest.mark.parametrize("mode", ["waits", "hangs"])
def test_stopping_ends_the_child_whether_it_listens_or_not(
    qtbot: QtBot, conversions: Conversions, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.models.conversions._PATIENCE", 0.2)
    with qtbot.waitSignal(conversions.progressed):
        conversions.start(Order(checkpoint(tmp_path / "c", mode), tmp_path / "out"))
    process = conversions._process
    assert process is not None
    with qtbot.waitSignal(conversions.stopped) as ended:
        conversions.cancel()
    assert ended.args == [""]
    assert process.poll() is not None


def test_closing_the_program_ends_the_child(qtbot: QtBot, conversions: Conversions, tmp_path: Path) -> None:
    with qtbot.waitSignal(conversions.progressed):
        conversions.start(Order(checkpoint(tmp_path / "c", "waits"), tmp_path / "out"))
    process = conversions._process
    conversions.close()
    assert process is not None
    assert process.poll() is not None


def test_the_card_converts_after_agreement_and_the_model_is_listed(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, child: Callable[[], list[str]]
) -> None:
    larimar = make_app(FakeEngine())
    larimar.conversions._command = child
    pane = larimar.window.models
    larimar.window.show_models()
    qtbot.waitUntil(lambda: bool(pane.catalogue_cards))
    pane.choose_checkpoint = lambda: checkpoint(tmp_path / "gemma-4-12B-it", "needs")
    qtbot.mouseClick(pane.convert_button, Qt.MouseButton.LeftButton)
    card = pane.conversion
    qtbot.waitUntil(card.isVisible)
    assert "2 MB of weights become about 1 MB" in card.facts.text()
    with qtbot.waitSignal(larimar.conversions.agreement_wanted):
        qtbot.mouseClick(card.go, Qt.MouseButton.LeftButton)
    assert card.confirm.isVisible()
    assert "1 to 4 GB" in card.confirm.accessibleName()
    assert not (tmp_path / "data" / "models" / "gemma-4-12B-it").exists()
    with qtbot.waitSignal(card.converted):
        qtbot.mouseClick(card.confirm.yes, Qt.MouseButton.LeftButton)
    assert not card.isVisible()
    qtbot.waitUntil(lambda: any(each.model.path.name == "gemma-4-12B-it" for each in pane.installed_cards))
    marks = pane.catalogue_cards["gemma-4-12B-it"].findChildren(QLabel)
    assert "On this computer" in [label.text() for label in marks]


def test_the_card_says_what_went_wrong_and_can_be_stopped(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, child: Callable[[], list[str]]
) -> None:
    larimar = make_app(FakeEngine())
    larimar.conversions._command = child
    pane = larimar.window.models
    larimar.window.show_models()
    card = pane.conversion
    card.set_models(tmp_path / "models", ())
    folder = checkpoint(tmp_path / "mine", "fails")
    card.show_checkpoint(folder)
    qtbot.waitUntil(card.isVisible)
    with qtbot.waitSignal(larimar.conversions.stopped):
        card.go.click()
    assert card.said.text() == "The checkpoint is damaged."
    (folder / "mode").write_text("waits")
    with qtbot.waitSignal(larimar.conversions.progressed):
        card.go.click()
    assert "Writing the decoder · 50 % · 1.0 of 2.0 GB" in card.said.text()
    assert card.cancel.text() == "Stop"
    with qtbot.waitSignal(larimar.conversions.stopped):
        card.cancel.click()
    assert card.go.isVisible()
    card.cancel.click()
    assert not card.isVisible()


def test_a_drafter_wants_its_model_and_other_folders_are_refused(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    larimar = make_app(FakeEngine())
    larimar.window.show_models()
    card = larimar.window.models.conversion
    card.show_checkpoint(checkpoint(tmp_path / "drafter", model_type="gemma4_assistant"))
    qtbot.waitUntil(card.isVisible)
    assert "the drafter of a model" in card.said.text()
    assert not card.go.isVisible()
    card.show_checkpoint(tmp_path)
    qtbot.waitUntil(lambda: "no config.json" in card.said.text())
    assert not card.go.isVisible()
