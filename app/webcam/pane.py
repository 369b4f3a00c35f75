"""The webcam pane: an empty room that says so."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.theme import Theme
from app.widgets.notice import Notice


class WebcamPane(QWidget):
    """Says what will be here."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice = Notice(theme, "camera", self.tr("The webcam is not here yet"), parent=self)
        self.notice.set_text(
            self.tr(
                "This room will let the model look through your camera and answer what you ask about it. "
                "It is still being built: for now nothing here touches your camera."
            )
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.notice)
