"""A bar that says that the processor computes although the program was built for graphics cards, and why."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from app.session import Session
from app.theme import Theme
from app.widgets.offer_bar import OfferBar


class CardNotice(OfferBar):
    """Hidden unless the loaded model should run on a card and does not; dismissed until the next start."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._dismissed = False
        self.name_dismissing(self.tr("Dismiss"))
        self.dismiss.clicked.connect(lambda _checked=False: self._dismiss())
        self.restyle()
        self.refresh()

    def _dismiss(self) -> None:
        self._dismissed = True
        self.refresh()

    def refresh(self) -> None:
        """Show the reason, if there is one."""
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
