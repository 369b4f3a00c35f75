"""The models page: what is on this computer, and the family of models that can be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QFont, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.background import Background
from app.models.cards import CatalogueCard, InstalledCard
from app.models.conversion_card import ConversionCard
from app.models.conversions import Conversions
from app.models.downloads import Downloads
from app.session import Session, SessionState
from app.theme import GRID, Theme
from app.widgets.leading import leading
from app.widgets.middle_column import middle_column
from inference.catalogue import CatalogueModel, load_catalogue
from inference.hub import Progress
from inference.installed_models import InstalledModel, installed_models, remove_model
from inference.memory import available_bytes
from inference.model_folder import default_model_folder

_COLUMN_AT_MOST = 860
_ROOM_FOR_WORDS = 700


class ModelsPane(QScrollArea):
    """Cards in a column. Which folders are looked into is for :meth:`set_folders`."""

    load_requested = Signal(object)
    """Carries a folder; ``None`` for the demo."""
    folder_added = Signal(object)
    """The user wants a model folder from elsewhere in the list."""
    folder_dropped = Signal(object)
    """… and one no longer."""

    def __init__(
        self,
        session: Session,
        theme: Theme,
        background: Background,
        downloads: Downloads,
        conversions: Conversions,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("sheet")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._session = session
        self._theme = theme
        self._background = background
        self._downloads = downloads
        self._conversions = conversions
        self._ours = Path()
        self._added: Sequence[Path] = ()
        self._visit = 0
        self.choose_folder: Callable[[], Path | None] = lambda: None
        self.choose_checkpoint: Callable[[], Path | None] = lambda: None
        self.open_link: Callable[[QUrl], object] = QDesktopServices.openUrl
        self.free_memory: Callable[[], int | None] = available_bytes
        self.models: Sequence[InstalledModel] = ()
        self.installed_cards: list[InstalledCard] = []
        self.catalogue_cards: dict[str, CatalogueCard] = {}
        self._catalogue: tuple[CatalogueModel, ...] = ()
        inside = QWidget(self)
        inside.setObjectName("inside")
        self.setWidget(inside)
        self._heading = leading(QLabel(self.tr("Models"), inside))
        self._about = leading(
            QLabel(self.tr("Everything runs on this computer; only a download needs the network."), inside)
        )
        self._about.setObjectName("hint")
        self._about.setWordWrap(True)
        self._add_words = self.tr("Add a folder…")
        self.add_button = QPushButton(self._add_words, inside)
        self.add_button.setAccessibleName(self.tr("Add a model folder"))
        self.add_button.setIcon(theme.icon("folder", theme.colours.muted, 18))
        self.add_button.clicked.connect(lambda _checked=False: self._add())
        self._convert_words = self.tr("Convert a checkpoint…")
        self.convert_button = QPushButton(self._convert_words, inside)
        self.convert_button.setAccessibleName(self.tr("Convert a checkpoint to a model folder"))
        self.convert_button.setIcon(theme.icon("wrench", theme.colours.muted, 18))
        self.convert_button.clicked.connect(lambda _checked=False: self._convert())
        self.conversion = ConversionCard(theme, background, conversions, inside)
        self.conversion.choose_folder = lambda: self.choose_checkpoint()
        self.conversion.converted.connect(lambda _: self.refresh())
        self.conversion.closed.connect(lambda: self.convert_button.setFocus(Qt.FocusReason.OtherFocusReason))
        self.problem = QLabel(inside)
        self.problem.setObjectName("said")
        self.problem.setProperty("alarming", "yes")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self._here = leading(QLabel(self.tr("On this computer"), inside))
        self._there = leading(QLabel(self.tr("Gemma 4, by Google"), inside))
        self._installed = QVBoxLayout()
        self._others = QVBoxLayout()
        self._arrange(inside)
        session.state_changed.connect(lambda _: self._show_installed())
        downloads.progressed.connect(self._progressed)
        downloads.finished.connect(lambda *_: self.refresh())
        downloads.stopped.connect(self._stopped)
        theme.changed.connect(self._restyle)
        self._restyle()

    def set_folders(self, ours: Path, added: Sequence[Path]) -> None:
        """Look into other folders: ``ours`` is also where downloads go."""
        self._ours, self._added = ours, tuple(added)
        if self.isVisible():
            self.refresh()

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        return (self.convert_button,)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the words on the buttons out where there is little room."""
        super().resizeEvent(event)
        roomy = self.width() >= _ROOM_FOR_WORDS
        for button, words in ((self.convert_button, self._convert_words), (self.add_button, self._add_words)):
            button.setText(words if roomy else "")
            button.setToolTip("" if roomy else words)

    def showEvent(self, event: QShowEvent) -> None:
        """Look at the disk anew."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Look at the disk, soon."""
        self._visit += 1
        visit, ours, added = self._visit, self._ours, self._added

        def look() -> tuple[list[InstalledModel], tuple[CatalogueModel, ...], dict[str, int]]:
            catalogue = load_catalogue()
            kept = {model.id: self._downloads.kept(model.id, ours) for model in catalogue}
            return installed_models(ours, added), catalogue, kept

        def looked(found: tuple[list[InstalledModel], tuple[CatalogueModel, ...], dict[str, int]]) -> None:
            if visit == self._visit:
                models, self._catalogue, kept = found
                names = {model.id: model.name for model in self._catalogue}
                self.models = [replace(model, name=names.get(model.path.name, model.name)) for model in models]
                self.conversion.set_models(ours, self.models)
                self._show_installed()
                self._show_catalogue(kept)

        self._background.run(look, looked)

    # --- what is shown ---

    def _show_installed(self) -> None:
        """Change what there is to change: a question that is open stays open, and the focus where it is."""
        focused = self._focus()
        attended = next((card.model.path for card in self.installed_cards if card.isAncestorOf(focused)), None)
        left = list(self.installed_cards)
        self.installed_cards = []
        for model in self.models:
            card = next((card for card in left if card.model == model), None)
            if card is None:
                card = self._installed_card(model)
            else:
                left.remove(card)
            self.installed_cards.append(card)
        for card in left:
            self._installed.removeWidget(card)
            card.hide()
            card.deleteLater()
        busy = self._session.state is SessionState.LOADING
        for place, card in enumerate(self.installed_cards):
            if self._installed.indexOf(card) != place:
                self._installed.removeWidget(card)
                self._installed.insertWidget(place, card)
            card.show_state(self._loaded(card.model), busy=busy)
            usable = card.isAncestorOf(focused) and focused.isEnabled() and focused.isVisibleTo(self)
            if card.model.path == attended and not usable:
                (card.load if card.load.isEnabled() else self.add_button).setFocus(Qt.FocusReason.OtherFocusReason)

    def _installed_card(self, model: InstalledModel) -> InstalledCard:
        card = InstalledCard(model, self._theme, self.widget())
        card.load_requested.connect(self.load_requested)
        card.remove_requested.connect(self._remove)
        return card

    def _loaded(self, model: InstalledModel) -> str:
        state = self._session.state
        wanted = self._session.path or default_model_folder()
        if wanted.resolve() != model.path.resolve() or state in (SessionState.FAILED, SessionState.CLOSED):
            return ""
        if state is SessionState.LOADING:
            return self.tr("Loading …")
        if state is SessionState.UNLOADED:
            return self.tr("Unloaded to save memory")
        loaded = self._session.model
        provider = loaded.provider if loaded else ""
        return self.tr("Loaded, on {provider}").format(provider=provider) if provider else self.tr("Loaded")

    def _show_catalogue(self, kept: dict[str, int]) -> None:
        _empty(self._others)
        here = {model.path.name for model in self.models if model.origin != "demo"}
        free = self.free_memory()
        self.catalogue_cards = {}
        for model in self._catalogue:
            card = CatalogueCard(
                model,
                self._theme,
                installed=model.id in here,
                kept=kept[model.id],
                free_memory=free,
                parent=self.widget(),
            )
            card.download_requested.connect(lambda model: self._downloads.start(model, self._ours))
            card.pause_requested.connect(self._downloads.pause)
            card.cancel_requested.connect(lambda model_id: self._downloads.cancel(model_id, self._ours))
            card.terms_requested.connect(lambda address: self.open_link(QUrl(address)))
            if self._downloads.running(model.id):
                card.show_progress(Progress(0, 0), 0.0)
            self._others.addWidget(card)
            self.catalogue_cards[model.id] = card

    def _progressed(self, model_id: str, progress: Progress, speed: float) -> None:
        if card := self.catalogue_cards.get(model_id):
            card.show_progress(progress, speed)

    def _stopped(self, model_id: str, sentence: str) -> None:
        ours = self._ours

        def looked(kept: int) -> None:
            card = self.catalogue_cards.get(model_id)
            if card is not None and not self._downloads.running(model_id):
                card.show_stopped(kept, sentence)

        self._background.run(lambda: self._downloads.kept(model_id, ours), looked)

    # --- what the user asks for ---

    def _add(self) -> None:
        folder = self.choose_folder()
        if folder is not None:
            self.folder_added.emit(folder)
            self.refresh()

    def _convert(self) -> None:
        if self._conversions.running is not None:
            self.ensureWidgetVisible(self.conversion)
            return
        folder = self.choose_checkpoint()
        if folder is not None:
            self.conversion.show_checkpoint(folder)

    def _remove(self, model: InstalledModel) -> None:
        self.problem.hide()
        if model.origin == "added":
            self.folder_dropped.emit(model.path)
            self.refresh()
            return
        self._background.run(lambda: remove_model(model), lambda _: self.refresh(), self._not_removed)

    def _not_removed(self, error: Exception) -> None:
        self.problem.setText(str(error))
        self.problem.show()
        self.refresh()

    # --- how ---

    def _focus(self) -> QWidget:
        return self.focusWidget() or self

    def _arrange(self, inside: QWidget) -> None:
        head = QHBoxLayout()
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._heading)
        words.addWidget(self._about)
        head.addLayout(words, 1)
        head.addWidget(self.convert_button)
        head.addSpacing(GRID)
        head.addWidget(self.add_button)
        column = QVBoxLayout()
        column.setSpacing(GRID)
        column.addLayout(head)
        column.addWidget(self.problem)
        column.addWidget(self.conversion)
        for heading, cards in ((self._here, self._installed), (self._there, self._others)):
            cards.setSpacing(GRID)
            column.addSpacing(2 * GRID)
            column.addWidget(heading)
            column.addLayout(cards)
        column.addStretch(1)
        body = QWidget(inside)
        body.setLayout(column)
        row = middle_column(body, _COLUMN_AT_MOST, inside)
        row.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)

    def _restyle(self) -> None:
        heading = QFont(self._theme.body_font)
        heading.setWeight(QFont.Weight.DemiBold)
        for label in (self._here, self._there):
            label.setFont(heading)
        title = QFont(heading)
        title.setPointSizeF(title.pointSizeF() * 1.5)
        self._heading.setFont(title)
        self._about.setFont(self._theme.body_font)
        self.problem.setFont(self._theme.body_font)
        self.add_button.setIcon(self._theme.icon("folder", self._theme.colours.muted, 18))
        self.convert_button.setIcon(self._theme.icon("wrench", self._theme.colours.muted, 18))


def _empty(layout: QVBoxLayout) -> None:
    while item := layout.takeAt(0):
        if widget := item.widget():
            widget.hide()
            widget.deleteLater()
