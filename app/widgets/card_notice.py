"""A bar that says that the processor computes although the program was built for graphics cards, and why."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from app.session import Session
from app.theme import GRID, Theme
from app.widgets.leading import leading


class CardNotice(QFrame):
    """Hidden unless the loaded model should run on a card and does not; dismissed until the next start."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offer")
        self._session = session
        self._theme = theme
        self._dismissed = False
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        leading(self.text)
        self.dismiss = QPushButton(self)
        self.dismiss.setAccessibleName(self.tr("Dismiss"))
        self.dismiss.setIconSize(QSize(14, 14))
        self.dismiss.setFixedWidth(34)
        self.dismiss.clicked.connect(lambda _checked=False: self._dismiss())
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, 6, 2 * GRID, 6)
        line.setSpacing(GRID)
        line.addWidget(self.text, 1)
        line.addWidget(self.dismiss)
        session.state_changed.connect(lambda _: self._refresh())
        theme.changed.connect(self._restyle)
        self._restyle()
        self._refresh()

    def _dismiss(self) -> None:
        self._dismissed = True
        self._refresh()

    def _refresh(self) -> None:
        model = self._session.model
        reason = model.provider_reason if model else ""
        if reason:
            self.text.setText(
                self.tr(
                    "This build computes on NVIDIA graphics cards, but {reason}, so the processor computes. It needs "
                    "driver 580 or newer, CUDA 13 and cuDNN 9."
                ).format(reason=reason)
            )
        self.setVisible(bool(reason) and not self._dismissed)

    def _restyle(self) -> None:
        self.text.setFont(self._theme.small_font)
        self.dismiss.setIcon(self._theme.icon("close", self._theme.colours.on_badge, 14))
