"""The line at the bottom: which model, on what, and what it is doing. How fast it was stands under each reply."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton, QWidget

from app.session import Frame, Session, SessionState
from app.theme import GRID, Theme

translate = QCoreApplication.translate  # the name that lupdate looks for
_DOT = 8
_NAME_AT_MOST = 200  # pixels
_PROVIDERS = {"CPUExecutionProvider": "CPU", "CUDAExecutionProvider": "CUDA", "cpu": "CPU", "cuda": "CUDA"}


class StateDot(QWidget):
    """A coloured dot; what it means is also said in words beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colour = QColor()
        self.setFixedSize(_DOT, _DOT)

    def set_colour(self, colour: str) -> None:
        """Change the colour."""
        self._colour = QColor(colour)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the dot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawEllipse(self.rect())


class StatusLine(QFrame):
    """Follows the session."""

    choose_model_requested = Signal()
    models_requested = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status")
        self._session = session
        self._theme = theme
        self._dot = StateDot(self)
        self.state_label = QLabel(self)
        self.model_button = QToolButton(self)
        self.model_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.model_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.model_button.setIconSize(QSize(12, 12))
        self.model_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.model_button.setMenu(self._menu())
        self.badge = QLabel(self.tr("demo"), self)
        self.badge.setObjectName("badge")
        self.badge.setToolTip(self.tr("A tiny model that comes with Larimar to show how it works"))
        self.provider_label = QLabel(self)
        self.offline_label = QLabel(self.tr("offline"), self)
        self.offline_label.setObjectName("offline")
        self.offline_label.setToolTip(self.tr("No connection leaves this computer; the settings have the switch"))
        self.offline_label.hide()
        line = self._line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, 5, 2 * GRID, 5)
        line.setSpacing(GRID)
        line.addWidget(self._dot)
        line.addWidget(self.state_label)
        line.addStretch(1)
        for widget in (self.offline_label, self.model_button, self.badge, self.provider_label):
            line.addWidget(widget)
        session.state_changed.connect(self._refresh)
        session.frame.connect(self._frame_arrived)
        session.loading.connect(self._loading)
        theme.changed.connect(self._refresh)
        self._refresh()

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        models = QAction(self.tr("Models…"), menu)
        models.triggered.connect(lambda _checked=False: self.models_requested.emit())
        menu.addAction(models)
        choose = QAction(self.tr("Choose a model folder…"), menu)
        choose.triggered.connect(lambda _checked=False: self.choose_model_requested.emit())
        menu.addAction(choose)
        return menu

    def show_live(self, indicator: QWidget) -> None:
        """Give the indicator of what is live its place, right after the state."""
        self._line.insertSpacing(2, GRID)
        self._line.insertWidget(3, indicator)

    def show_offline(self, offline: bool) -> None:
        """Say whether the network is switched off."""
        self.offline_label.setVisible(offline)

    def _refresh(self) -> None:
        state, colours = self._session.state, self._theme.colours
        labels = (self.state_label, self.badge, self.provider_label, self.offline_label)
        for widget in (self.model_button, *labels):
            widget.setFont(self._theme.small_font)
        dot, words = {
            SessionState.LOADING: (colours.accent, self.tr("Loading …")),
            SessionState.READY: (colours.good, self.tr("Ready")),
            SessionState.GENERATING: (colours.accent, self.tr("Reading …")),
            SessionState.UNLOADED: (colours.muted, self.tr("Unloaded to save memory")),
            SessionState.FAILED: (colours.danger, self.tr("No model")),
            SessionState.CLOSED: (colours.muted, self.tr("Closed")),
        }[state]
        self._dot.set_colour(dot)
        self.state_label.setText(words)
        model = self._session.model
        name = model.name if model else self.tr("none")
        shown = self.model_button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _NAME_AT_MOST)
        self.model_button.setText(shown if model else self.tr("Choose a model"))
        self.model_button.setIcon(self._theme.icon("unfold", colours.muted, 12))
        self.model_button.setAccessibleName(self.tr("Model: {name}").format(name=name))
        self.model_button.setToolTip(str(self._session.path or name))
        self.badge.setVisible(bool(model and model.demo))
        self.provider_label.setText(_PROVIDERS.get(model.provider, model.provider) if model else "")
        self.provider_label.setVisible(model is not None)

    def _loading(self, step: str, share: float) -> None:
        self.state_label.setText(self.tr("Loading … {percent} %").format(percent=round(100 * share)))
        self.state_label.setToolTip(step)

    def _frame_arrived(self, frame: Frame) -> None:
        if frame.text or frame.tool_calls:
            self.state_label.setText(self.tr("Answering …"))
        elif frame.thought:
            self.state_label.setText(self.tr("Thinking …"))
        elif frame.prefill is not None and frame.prefill.total > 0:
            percent = 100 * frame.prefill.done // frame.prefill.total
            self.state_label.setText(self.tr("Reading … {percent} %").format(percent=percent))
