"""One card for each model: what it is, and what can be done with it."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.models.words import context_words, gigabytes, takes_words, time_words
from app.theme import GRID, Theme
from app.widgets.confirm import Confirm
from app.widgets.leading import leading
from inference.catalogue import CatalogueModel
from inference.hub import Progress
from inference.installed_models import InstalledModel

_PERCENT = 1000  # steps of the progress bar


class Card(QFrame):
    """A name with marks, a few lines, buttons at the end, and room below."""

    def __init__(self, theme: Theme, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._theme = theme
        self._title = QLabel(title, self)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._head = QHBoxLayout()
        self._head.setSpacing(GRID)
        self._head.addWidget(self._title)
        self._head.addStretch(1)
        self._lines: list[QLabel] = []
        self._words = QVBoxLayout()
        self._words.setSpacing(3)
        self._words.addLayout(self._head)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(GRID // 2)
        self._head.addLayout(self.buttons)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * GRID, GRID + 4, 2 * GRID, GRID + 4)
        self.column.setSpacing(GRID)
        self.column.addLayout(self._words)
        theme.changed.connect(self._restyle)

    def mark(self, words: str, kind: str = "") -> QLabel:
        """Put a mark behind the name."""
        chip = QLabel(words, self)
        chip.setObjectName("chip")
        chip.setProperty("kind", kind)
        self._head.insertWidget(self._head.count() - 2, chip, 0, Qt.AlignmentFlag.AlignVCenter)
        return chip

    def line(self, words: str, alarming: Literal["no", "warn", "yes"] = "no") -> QLabel:
        """Append a line of words."""
        label = leading(QLabel(words, self))
        label.setObjectName("said")
        label.setProperty("alarming", alarming)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lines.append(label)
        self._words.addWidget(label)
        return label

    def button(self, words: str, name: str, *, kind: str = "") -> QPushButton:
        """Append a button."""
        button = QPushButton(words, self)
        button.setAccessibleName(name)
        if kind:
            button.setProperty("kind", kind)
        self.buttons.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        return button

    def _restyle(self) -> None:
        font = QFont(self._theme.body_font)
        font.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(font)
        for label in (*self._lines, *self.findChildren(QLabel, "chip")):
            label.setFont(self._theme.small_font)


class InstalledCard(Card):
    """A model on this computer."""

    load_requested = Signal(object)
    """Carries the folder; ``None`` for the demo."""
    remove_requested = Signal(object)
    """Carries the :class:`~inference.installed_models.InstalledModel`; the user has agreed."""

    def __init__(self, model: InstalledModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, model.name, parent)
        self.model = model
        if model.demo:
            self.mark(self.tr("Demo"), "demo")
        self._loaded = self.mark("", "loaded")
        if model.drafter:
            self.mark(self.tr("with drafter")).setToolTip(self.tr("Guesses words ahead, which makes answers faster"))
        if model.problem:
            self.line(model.problem, "yes")
        else:
            facts = (takes_words(model.takes), model.precision, gigabytes(model.bytes), context_words(model.context))
            self.line(" · ".join(fact for fact in facts if fact))
        if model.demo:
            self.line(
                self.tr(
                    "Comes with Larimar to show how it works. It knows little, and is often wrong: load a real model."
                )
            )
        else:
            self.line(str(model.path))
        self.load = self.button(self.tr("Load"), self.tr("Load {name}").format(name=model.name))
        self.load.clicked.connect(lambda _checked=False: self.load_requested.emit(None if model.demo else model.path))
        self.remove = self.button(self.tr("Remove"), self.tr("Remove {name}").format(name=model.name), kind="flat")
        self.remove.setVisible(model.origin in ("ours", "added"))
        self.remove.clicked.connect(lambda _checked=False: self._ask())
        words = self.tr("Delete it") if model.origin == "ours" else self.tr("Take it from the list")
        self.confirm = Confirm(words, self.tr("Keep it"), self)
        self.confirm.agreed.connect(lambda: self.remove_requested.emit(model))
        self.confirm.refused.connect(lambda: self.remove.setFocus(Qt.FocusReason.OtherFocusReason))
        self.column.addWidget(self.confirm)
        self.show_state("", busy=False)
        self._restyle()

    def show_state(self, loaded: str, *, busy: bool) -> None:
        """Show whether this is the loaded model, in words; ``busy`` while any model is being loaded."""
        self._loaded.setText(loaded)
        self._loaded.setVisible(bool(loaded))
        self.load.setVisible(not loaded and not self.model.problem)
        self.load.setEnabled(not busy)
        self.remove.setEnabled(not loaded)
        if loaded:
            self.confirm.hide()

    def _ask(self) -> None:
        if self.model.origin == "ours":
            question = self.tr("Delete {name} from this computer? {size} become free.")
        else:
            question = self.tr("Take {name} from this list? The folder itself stays where it is.")
        self.confirm.ask(question.format(name=self.model.name, size=gigabytes(self.model.bytes)))


class CatalogueCard(Card):
    """A model that can be had."""

    download_requested = Signal(object)
    """Carries the :class:`~inference.catalogue.CatalogueModel`."""
    pause_requested = Signal(str)
    cancel_requested = Signal(str)
    terms_requested = Signal(str)
    """Carries the address of the licence."""

    def __init__(
        self,
        model: CatalogueModel,
        theme: Theme,
        *,
        installed: bool,
        kept: int,
        free_memory: int | None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(theme, model.name, parent)
        self.model = model
        if installed:
            self.mark(self.tr("On this computer"), "loaded")
        self.line(self._about())
        size = self.tr("about {size} on disk") if model.repository else self.tr("about {size} once converted")
        facts = (takes_words(model.takes), size.format(size=gigabytes(model.bytes)), context_words(model.context))
        self.line(" · ".join(facts))
        self._memory(free_memory)
        self.said = self.line("")
        self.said.hide()
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _PERCENT)
        self.bar.setAccessibleName(self.tr("Download of {name}").format(name=model.name))
        self.bar.hide()
        self.column.addWidget(self.bar)
        terms = self.button(
            self.tr("Licence"), self.tr("Read the licence of {name}").format(name=model.name), kind="flat"
        )
        terms.setToolTip(f"{model.author}, {model.licence}: {model.terms}")
        terms.clicked.connect(lambda _checked=False: self.terms_requested.emit(model.terms))
        self.cancel = self.button(
            self.tr("Cancel"), self.tr("Cancel the download of {name}").format(name=model.name), kind="flat"
        )
        self.cancel.setToolTip(self.tr("Stop, and delete what has arrived"))
        self.cancel.clicked.connect(lambda _checked=False: self.cancel_requested.emit(model.id))
        self.download = self.button(self.tr("Download"), self.tr("Download {name}").format(name=model.name))
        self.download.clicked.connect(lambda _checked=False: self._pressed())
        self._running = False
        self._installed = installed
        self.show_stopped(kept)
        self._restyle()

    def show_progress(self, progress: Progress, speed: float) -> None:
        """Show how far the download is."""
        self._set_running(True)
        if not progress.total:
            self.bar.setRange(0, 0)
            self._say(self.tr("Asking the Hugging Face Hub …"))
            return
        self.bar.setRange(0, _PERCENT)
        self.bar.setValue(_PERCENT * progress.done // progress.total)
        words = [self.tr("{done} of {total}").format(done=gigabytes(progress.done), total=gigabytes(progress.total))]
        if progress.verifying:
            words.append(self.tr("checking what arrived"))
        elif speed > 0:
            words.append(self.tr("{speed} a second").format(speed=gigabytes(round(speed))))
            words.append(time_words((progress.total - progress.done) / speed))
        self._say(" · ".join(words))

    def show_stopped(self, kept: int, sentence: str = "") -> None:
        """Show that nothing is being downloaded, what is kept of a try, and why it ended."""
        self._set_running(False)
        self.bar.setVisible(bool(kept))
        self.bar.setRange(0, _PERCENT)
        self.bar.setValue(min(_PERCENT, _PERCENT * kept // self.model.bytes))
        self.cancel.setVisible(bool(kept))
        if kept and not sentence:
            self._say(self.tr("Paused; {size} are here already").format(size=gigabytes(kept)))
        else:
            self._say(sentence, alarming=bool(sentence))
        if self.model.repository:
            words = self.tr("Go on") if kept else self.tr("Download")
            name = self.tr("Go on with the download of {name}") if kept else self.tr("Download {name}")
            self.download.setText(words)
            self.download.setAccessibleName(name.format(name=self.model.name))
        else:
            self.download.setText(self.tr("How to get it"))
            self.download.setAccessibleName(self.tr("How to get {name}").format(name=self.model.name))
        self.download.setVisible(not self._installed)

    def _set_running(self, running: bool) -> None:
        if running != self._running:
            self._running = running
            self.bar.setVisible(running)
            self.cancel.setVisible(running)
            self.download.setText(self.tr("Pause"))
            self.download.setAccessibleName(self.tr("Pause the download of {name}").format(name=self.model.name))

    def _pressed(self) -> None:
        if self._running:
            self.pause_requested.emit(self.model.id)
        elif self.model.repository:
            self.show_progress(Progress(0, 0), 0.0)
            self.download_requested.emit(self.model)
        else:
            self.download.hide()
            self._say(
                self.tr(
                    "No folder that Larimar could download is published. Download {checkpoint} from the Hugging Face "
                    "Hub (hf download {checkpoint}), then choose “Convert a checkpoint…” above."
                ).format(checkpoint=self.model.checkpoint)
            )

    def _memory(self, free: int | None) -> None:
        needs = self.tr("Needs about {size} of memory").format(size=gigabytes(self.model.memory))
        if free is None:
            self.line(self.tr("{needs}.").format(needs=needs))
        elif free >= self.model.memory:
            self.line(self.tr("{needs}; {free} are free.").format(needs=needs, free=gigabytes(free)))
        else:
            self.line(
                self.tr("{needs}, and only {free} are free now: it would be slow, or not load.").format(
                    needs=needs, free=gigabytes(free)
                ),
                "warn",
            )

    def _say(self, words: str, *, alarming: bool = False) -> None:
        self.said.setText(words)
        self.said.setProperty("alarming", "yes" if alarming else "no")
        self.said.style().polish(self.said)
        self.said.setVisible(bool(words))
        self.said.setFont(self._theme.small_font)  # which polishing has set back

    def _about(self) -> str:
        about = {
            "gemma-4-E2B-it-q4": self.tr("The small one: sees and hears, and is quick on a laptop."),
            "gemma-4-E4B-it-q4": self.tr("Better answers than E2B, at about half its speed."),
            "gemma-4-12B-it": self.tr("One model for text, pictures and sound, without separate encoders."),
            "gemma-4-26B-A4B-it": self.tr("Many experts, of which few work on each word: large in memory, yet quick."),
            "gemma-4-31B-it": self.tr("The best answers of the family; wants a large graphics card."),
        }
        return about.get(self.model.id, self.model.about)
