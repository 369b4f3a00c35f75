"""A checkpoint that is to become a model folder: what it is, how it is converted, and how far that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QWidget

from app.background import Background
from app.conversion_report import Stage
from app.models.cards import Card
from app.models.checkpoints import CheckpointLook, look_at_checkpoint
from app.models.conversions import Conversions, Order
from app.models.words import gigabytes
from app.theme import GRID, Theme
from app.widgets.choice import Choice
from app.widgets.confirm import Confirm
from inference.installed_models import InstalledModel

_STEPS = 1000
_SHARES = {"q4": 5 / 16, "q8": 9 / 16, "fp16": 1.0, "fp32": 2.0}
"""Bytes of the result for each byte of a checkpoint in 16 bits, scales included."""


class ConversionCard(Card):
    """Hidden until a folder is chosen; one conversion at a time."""

    converted = Signal(object)
    """Carries the new model folder."""
    closed = Signal()
    """The user is done with it; the focus wants another place."""

    def __init__(
        self, theme: Theme, background: Background, conversions: Conversions, parent: QWidget | None = None
    ) -> None:
        super().__init__(theme, "", parent)
        self._background = background
        self._conversions = conversions
        self._look: CheckpointLook | None = None
        self._drafter: CheckpointLook | None = None
        self._ours = Path()
        self._models: Sequence[InstalledModel] = ()
        self._visit = 0
        self.choose_folder: Callable[[], Path | None] = lambda: None
        self.facts = self.line("")
        self.where = self.line("")
        self.said = self.line("")
        self.precision = Choice(theme, self.tr("Precision"), self)
        for value, words in (
            ("q4", self.tr("4 bit (as published models are)")),
            ("q8", self.tr("8 bit (more memory, slightly better)")),
            ("fp16", self.tr("16 bit (for graphics cards)")),
            ("fp32", self.tr("32 bit (to compare with)")),
        ):
            self.precision.addItem(words, value)
        self.precision.activated.connect(lambda _: self._describe())
        self.target = Choice(theme, self.tr("Model that the drafter is added to"), self)
        self._options = QWidget(self)
        options = QHBoxLayout(self._options)
        options.setContentsMargins(0, 0, 0, 0)
        options.setSpacing(GRID)
        self._precision_label = QLabel(self.tr("Precision"), self._options)
        options.addWidget(self._precision_label)
        options.addWidget(self.precision)
        options.addWidget(self.target)
        options.addStretch(1)
        self.drafter_button = self.button(
            self.tr("Add a drafter…"), self.tr("Choose the checkpoint of the model’s drafter"), kind="flat"
        )
        self.drafter_button.setToolTip(self.tr("Guesses words ahead, which makes answers faster"))
        self.drafter_button.clicked.connect(lambda _checked=False: self._choose_drafter())
        options.addWidget(self.drafter_button)
        self.column.addWidget(self._options)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _STEPS)
        self.bar.setAccessibleName(self.tr("Conversion"))
        self.column.addWidget(self.bar)
        self.confirm = Confirm(self.tr("Install and convert"), self.tr("Do not install"), self)
        self.confirm.setProperty("kind", "calm")
        self.confirm.yes.setProperty("kind", "primary")
        self.confirm.agreed.connect(lambda: self._start(install=True))
        self.confirm.refused.connect(lambda: self._show_stopped(self.tr("Nothing was installed.")))
        self.column.addWidget(self.confirm)
        self.cancel = self.button(self.tr("Close"), self.tr("Do not convert"), kind="flat")
        self.cancel.clicked.connect(lambda _checked=False: self._cancel())
        self.go = self.button(self.tr("Convert"), self.tr("Convert"), kind="primary")
        self.go.clicked.connect(lambda _checked=False: self._start())
        conversions.progressed.connect(self._progressed)
        conversions.agreement_wanted.connect(self._ask)
        conversions.finished.connect(self._finished)
        conversions.stopped.connect(self._show_stopped)
        self.hide()
        self._restyle()

    def set_models(self, ours: Path, models: Sequence[InstalledModel]) -> None:
        """Know where converted models go, and which there are for a drafter to be added to."""
        self._ours, self._models = ours, models

    def show_checkpoint(self, path: Path) -> None:
        """Look at a folder and offer to convert it."""
        if self._conversions.running is not None:
            return
        self._visit += 1
        visit = self._visit

        def looked(look: CheckpointLook) -> None:
            if visit == self._visit and self._conversions.running is None:
                self._offer(look)

        self._background.run(lambda: look_at_checkpoint(path), looked)

    # --- what is shown ---

    def _offer(self, look: CheckpointLook) -> None:
        self._look, self._drafter = look, None
        self._title.setText(look.name)
        self.setAccessibleName(self.tr("Convert {name}").format(name=look.name))
        self.target.clear()
        for model in self._models:
            if look.drafter and model.origin in ("ours", "added") and not model.drafter and not model.problem:
                self.target.addItem(model.name, model.path)
        self._show_stopped("")
        if look.problem:
            self._say(look.problem, alarming=True)
        elif look.drafter and not self.target.count():
            self._say(self.tr("This is the drafter of a model: convert or download the model first."), alarming=True)
        self._describe()
        self.show()
        (self.cancel if self.go.isHidden() else self.go).setFocus(Qt.FocusReason.OtherFocusReason)

    def _describe(self) -> None:
        look = self._look
        if look is None:
            return
        usable = not look.problem and (not look.drafter or self.target.count() > 0)
        self.go.setVisible(usable and self._conversions.running is None and self.confirm.isHidden())
        self.go.setAccessibleName(self.tr("Convert {name}").format(name=look.name))
        self._options.setVisible(usable and self._conversions.running is None)
        self.target.setVisible(look.drafter)
        for widget in (self.precision, self._precision_label, self.drafter_button):
            widget.setVisible(not look.drafter)
        if self._drafter is not None:
            self.drafter_button.setText(self.tr("With {name}").format(name=self._drafter.name))
        else:
            self.drafter_button.setText(self.tr("Add a drafter…"))
        self.where.setText(str(look.path))
        if look.problem:
            self.facts.hide()
            return
        size = gigabytes(look.bytes)
        if look.drafter:
            words = self.tr("A drafter of {size}: it makes the answers of its model faster.")
            self.facts.setText(words.format(size=size))
        else:
            about = gigabytes(round(look.bytes * _SHARES[self.precision.currentData()]))
            self.facts.setText(
                self.tr("{size} of weights become about {about}, and take some minutes to convert.").format(
                    size=size, about=about
                )
            )
        self.facts.show()

    def _progressed(self, stage: Stage) -> None:
        if stage.fraction is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(round(_STEPS * min(1.0, max(0.0, stage.fraction))))
        percent = "" if stage.fraction is None else self.tr("{percent} %").format(percent=round(100 * stage.fraction))
        self._say(" · ".join(each for each in (stage.words, percent, stage.detail) if each))

    def _show_running(self) -> None:
        self.confirm.hide()
        self._options.hide()
        self.bar.setRange(0, 0)
        self.bar.show()
        self.go.hide()
        self.cancel.setText(self.tr("Stop"))
        self.cancel.setAccessibleName(self.tr("Stop the conversion"))
        self.cancel.setFocus(Qt.FocusReason.OtherFocusReason)
        self._say(self.tr("Beginning …"))

    def _show_stopped(self, sentence: str) -> None:
        self.confirm.hide()
        self.bar.hide()
        self.cancel.setText(self.tr("Close"))
        self.cancel.setAccessibleName(self.tr("Do not convert"))
        self._say(sentence, alarming=bool(sentence))
        self._describe()

    def _ask(self, sentence: str) -> None:
        self._show_stopped("")
        self._options.hide()
        self.go.hide()
        self.confirm.ask(sentence)

    def _finished(self, folder: Path) -> None:
        self._look = None
        self.hide()
        self.closed.emit()
        self.converted.emit(folder)

    def _say(self, words: str, *, alarming: bool = False) -> None:
        self.said.setText(words)
        self.said.setProperty("alarming", "yes" if alarming else "no")
        self.said.style().polish(self.said)
        self.said.setVisible(bool(words))
        self.said.setFont(self._theme.small_font)  # which polishing has set back

    # --- what the user asks for ---

    def _start(self, *, install: bool = False) -> None:
        look = self._look
        if look is None:
            return
        precision = str(self.precision.currentData())
        out = self._ours / (look.name if precision == "q4" else f"{look.name}-{precision}")
        if look.drafter:
            out = Path(self.target.currentData())
        elif out.exists():
            words = self.tr("There is a model of this name already: remove it first, or choose another precision.")
            self._say(words, alarming=True)
            return
        drafter = self._drafter.path if self._drafter else None
        self._show_running()
        self._conversions.start(Order(look.path, out, precision, drafter, install))

    def _cancel(self) -> None:
        if self._conversions.running is not None:
            self._say(self.tr("Stopping …"))
            self._conversions.cancel()
        else:
            self._visit += 1
            self._look = None
            self.hide()
            self.closed.emit()

    def _choose_drafter(self) -> None:
        if self._drafter is not None:
            self._drafter = None
            self._describe()
            return
        path = self.choose_folder()
        if path is None:
            return
        model = self._look

        def looked(look: CheckpointLook) -> None:
            if self._look is not model or self._conversions.running is not None:
                return
            if look.problem or not look.drafter:
                self._say(look.problem or self.tr("This folder holds no drafter."), alarming=True)
            else:
                self._drafter = look
                self._say("")
            self._describe()

        self._background.run(lambda: look_at_checkpoint(path), looked)
