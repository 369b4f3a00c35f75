"""What the settings are laid out with: sections, and in them rows that can be searched."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.widgets.leading import leading


class Row(QWidget):
    """A setting: its name, what it does, and a control."""

    def __init__(self, theme: Theme, title: str, about: str, control: QWidget | None, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._title = leading(QLabel(title, self))
        self.about = leading(QLabel(about, self))
        self.about.setObjectName("hint")
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setVisible(bool(about))
        self.said = leading(QLabel(self))
        """What came of a change; hidden while empty."""
        self.said.setObjectName("said")
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.said.hide()
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._title)
        words.addWidget(self.about)
        line = QHBoxLayout()
        line.setSpacing(3 * GRID)
        line.addLayout(words, 1)
        if control is not None:
            line.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * GRID, GRID + 2, 2 * GRID, GRID + 2)
        self.column.setSpacing(GRID // 2)
        self.column.addLayout(line)
        self.column.addWidget(self.said)
        theme.changed.connect(self._restyle)
        self._restyle()

    def say(self, words: str, *, alarming: bool = False) -> None:
        """Say something under the row; nothing takes it away."""
        self.said.setText(words)
        self.said.setProperty("alarming", "yes" if alarming else "no")
        self.said.style().polish(self.said)
        self.said.setVisible(bool(words))
        self.said.setFont(self._theme.small_font)  # which polishing has set back

    def matches(self, words: list[str]) -> bool:
        """Return whether all of ``words``, in small letters, occur in what the row says."""
        text = f"{self._title.text()} {self.about.text()}".casefold()
        return all(word in text for word in words)

    def _restyle(self) -> None:
        self._title.setFont(self._theme.body_font)
        self.about.setFont(self._theme.small_font)
        self.said.setFont(self._theme.small_font)


class Section(QWidget):
    """A heading and a card of rows."""

    def __init__(self, theme: Theme, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.title = title
        self._theme = theme
        self._heading = leading(QLabel(title, self))
        self.rows: list[Row] = []
        self._lines: list[QFrame] = []
        self._card = QFrame(self)
        self._card.setObjectName("card")
        self._column = QVBoxLayout(self._card)
        self._column.setContentsMargins(0, GRID // 2, 0, GRID // 2)
        self._column.setSpacing(0)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(self._heading)
        column.addWidget(self._card)
        theme.changed.connect(self._restyle)
        self._restyle()

    def add(self, title: str, about: str = "", control: QWidget | None = None) -> Row:
        """Append a row."""
        line = QFrame(self._card)
        line.setObjectName("line")
        line.setFixedHeight(1)
        line.setVisible(bool(self.rows))
        self._lines.append(line)
        row = Row(self._theme, title, about, control, self._card)
        self.rows.append(row)
        self._column.addWidget(line)
        self._column.addWidget(row)
        return row

    def filter(self, words: list[str]) -> bool:
        """Show the rows in which ``words`` occur, all when the heading has them; return whether there are any."""
        whole = all(word in self.title.casefold() for word in words)
        first = True
        for row, line in zip(self.rows, self._lines, strict=True):
            found = whole or row.matches(words)
            row.setVisible(found)
            line.setVisible(found and not first)
            first = first and not found
        self.setVisible(not first)
        return not first

    def _restyle(self) -> None:
        font = QFont(self._theme.body_font)
        font.setWeight(QFont.Weight.DemiBold)
        self._heading.setFont(font)
