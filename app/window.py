"""The main window: the rail, the panes and the status line."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QByteArray, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.background import Background
from app.chat.pane import ChatPane
from app.conversation import ConversationStore
from app.devices.speaker import Speaker
from app.history.pane import HistoryPane
from app.live_senses import LiveSenses
from app.microphone.pane import MicrophonePane
from app.models.conversions import Conversions
from app.models.downloads import Downloads
from app.models.pane import ModelsPane
from app.session import Session
from app.theme import Theme
from app.voice.bar import VoiceBar
from app.webcam.pane import WebcamPane
from app.widgets.app_menu import AppMenu
from app.widgets.card_notice import CardNotice
from app.widgets.demo_offer import DemoOffer
from app.widgets.live_indicator import LiveIndicator
from app.widgets.rail import Rail
from app.widgets.status_line import StatusLine
from app.widgets.storage_notice import StorageNotice
from app.widgets.update_notice import UpdateNotice

_SIZE = QSize(1080, 760)
_SMALLEST = QSize(520, 420)
_ROOM_FOR_HISTORY = 860
"""A window that is narrower hides the list of conversations until it is asked for; in pixels."""


class MainWindow(QMainWindow):
    """Everything the user sees."""

    closing = Signal()
    """The user closed the window for good; it is hidden already."""
    left_in_tray = Signal()
    """The user closed the window, and the program goes on in the tray."""
    sidebar_changed = Signal(bool)
    """The user wants to see the list of conversations, or not."""

    def __init__(
        self,
        session: Session,
        theme: Theme,
        store: ConversationStore,
        background: Background,
        downloads: Downloads,
        conversions: Conversions,
        speaker: Speaker | None = None,
        senses: LiveSenses | None = None,
    ) -> None:
        super().__init__()
        self.senses = senses or LiveSenses(self)
        self.setWindowTitle(self.tr("Larimar"))
        self.setWindowIcon(theme.icon("larimar", "#000000", 64))
        self.setMinimumSize(_SMALLEST)
        self.resize(_SIZE)
        self.rail = Rail(theme, self)
        self.models = ModelsPane(session, theme, background, downloads, conversions, self)
        self.history = HistoryPane(theme, self)
        self.offer = DemoOffer(session, theme, self)
        self.storage_notice = StorageNotice(theme, self)
        self.update_notice = UpdateNotice(theme, self)
        self.card_notice = CardNotice(session, theme, self)
        self._sidebar = True
        self._history_wished: bool | None = None  # for now, whatever the room
        self.stays_in_tray: Callable[[], bool] = lambda: False
        """Asked when the window is closed: whether the program goes on without it."""
        self._leaving = False
        self.panes = QStackedWidget(self)
        self.chat = ChatPane(session, theme, store, background, speaker, self)
        self.voice_bar = VoiceBar(theme, self.chat)
        self.chat.add_bar(self.voice_bar)
        self.webcam = WebcamPane(session, theme, background, self.senses, self)
        self.microphone = MicrophonePane(session, theme, background, self.senses, self)
        self.status = StatusLine(session, theme, self)
        self.live = LiveIndicator(self.senses, theme, self.status)
        self.status.show_live(self.live)
        for icon, name, pane in (
            ("chat", self.tr("Chat"), self.chat),
            ("camera", self.tr("Webcam"), self.webcam),
            ("microphone", self.tr("Microphone"), self.microphone),
            ("models", self.tr("Models"), self.models),
        ):
            self.rail.add(icon, name)
            self.panes.addWidget(pane)
        self.menu = AppMenu(theme, self)
        self.menu.insertMenu(self.menu.actions()[1], self.history.menu)
        self.rail.add_menu(self.menu, self.tr("Settings"))
        self.rail.chosen.connect(self.panes.setCurrentIndex)
        self.rail.chosen.connect(lambda _: self._place_history())
        for asked in (self.menu.models_requested, self.status.models_requested, self.offer.models_requested):
            asked.connect(self.show_models)
        self.chat.header.history_requested.connect(self.toggle_history)
        self.rail.choose(0)

        body = QHBoxLayout()
        body.setSpacing(0)
        body.addWidget(self.rail)
        body.addWidget(self.history)
        beside = QVBoxLayout()
        beside.setSpacing(0)
        beside.addWidget(self.storage_notice)
        beside.addWidget(self.update_notice)
        beside.addWidget(self.card_notice)
        beside.addWidget(self.offer)
        beside.addWidget(self.panes, 1)
        body.addLayout(beside, 1)
        centre = QWidget(self)
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(body, 1)
        column.addWidget(self.status)
        self.setCentralWidget(centre)

        for keys, step in (("F6", 1), ("Shift+F6", -1)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.activated.connect(lambda step=step: self._next_stop(step))
        self.chat.composer.setFocus(Qt.FocusReason.OtherFocusReason)

    def restore(self, geometry: bytes) -> None:
        """Put the window where it was, if that place still exists."""
        if geometry:
            self.restoreGeometry(QByteArray(geometry))

    def geometry_to_keep(self) -> bytes:
        """Return what :meth:`restore` understands."""
        return bytes(self.saveGeometry().data())

    def show_models(self) -> None:
        """Show the models page."""
        self.rail.choose(self.panes.indexOf(self.models))

    def come_back(self) -> None:
        """Be seen, wherever the window was."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def quit(self) -> None:
        """Close the window and end the program, tray or not."""
        self.about_to_quit()
        self.close()

    def about_to_quit(self) -> None:
        """Know that the next closing is for good."""
        self._leaving = True

    def new_chat(self) -> None:
        """Show the chat, and begin another conversation in it."""
        self.rail.choose(0)
        self.chat.new_chat()

    def set_sidebar(self, shown: bool) -> None:
        """Show the list of conversations where there is room for it, or not."""
        self._sidebar = shown
        self._place_history()

    def toggle_history(self) -> None:
        """Show the list of conversations, or hide it; remembered where there is room for it."""
        shown = not self.history.isVisible()
        if self._roomy:
            self._sidebar, self._history_wished = shown, None
            self.sidebar_changed.emit(shown)
        else:
            self._history_wished = shown
        self._place_history()

    def search_history(self) -> None:
        """Show the chat and its list of conversations, with the cursor in the search field."""
        self.rail.choose(0)
        self._history_wished = True
        self._place_history()
        self.history.focus_search()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the list of conversations where there is room for it."""
        super().resizeEvent(event)
        if (event.oldSize().width() >= _ROOM_FOR_HISTORY) != (event.size().width() >= _ROOM_FOR_HISTORY):
            self._history_wished = None
        self._place_history()

    @property
    def _roomy(self) -> bool:
        return self.width() >= _ROOM_FOR_HISTORY

    def _place_history(self) -> None:
        wished = self._roomy and self._sidebar if self._history_wished is None else self._history_wished
        self.history.setVisible(wished and self.panes.currentWidget() is self.chat)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Vanish at once, then let the rest end in order, unless the program is to go on in the tray."""
        if not self._leaving and self.stays_in_tray():
            event.ignore()
            self.hide()
            self.left_in_tray.emit()
            return
        event.accept()
        self.hide()
        self.closing.emit()

    def _stops(self) -> list[QWidget]:
        checked = next(button for button in self.rail.buttons if button.isChecked())
        stops: list[QWidget] = [checked]
        if self.panes.currentWidget() is self.chat:
            stops.extend(self.history.stops())
            stops.extend(self.chat.stops())
        if self.panes.currentWidget() is self.models:
            stops.extend(self.models.stops())
        if self.panes.currentWidget() is self.webcam:
            stops.extend(self.webcam.stops())
        if self.panes.currentWidget() is self.microphone:
            stops.extend(self.microphone.stops())
        if not self.live.isHidden():
            stops.append(self.live)
        stops.append(self.status.model_button)
        return stops

    def _next_stop(self, step: int) -> None:
        stops = self._stops()
        focused = QApplication.focusWidget()
        here = next((n for n, stop in enumerate(stops) if focused is not None and self._in(focused, stop)), None)
        there = (here + step) % len(stops) if here is not None else (0 if step > 0 else len(stops) - 1)
        stops[there].setFocus(Qt.FocusReason.ShortcutFocusReason)

    @staticmethod
    def _in(focused: QWidget, stop: QWidget) -> bool:
        return focused is stop or stop.isAncestorOf(focused) or focused.parentWidget() is stop.parentWidget()
