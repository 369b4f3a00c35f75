"""The rail at the left: which pane is shown."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QFrame, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from app.theme import GRID, Theme

_STONE = 32
_ICON = 22


class Rail(QFrame):
    """One button for each pane. The arrow keys move between them, Ctrl and a number choose one from anywhere."""

    chosen = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self._theme = theme
        self._icons: list[str] = []
        self.shortcuts: list[QShortcut] = []
        """One for each button, which works from anywhere in the window."""
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._group.idToggled.connect(self._toggled)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(GRID, 2 * GRID, GRID, GRID)
        self._column.setSpacing(GRID // 2)
        stone = QLabel(self)
        stone.setPixmap(theme.icon("larimar", "#000000", _STONE).pixmap(_STONE, _STONE))
        stone.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._column.addWidget(stone)
        self._column.addSpacing(2 * GRID)
        self._column.addStretch(1)
        self._menu_button: QToolButton | None = None
        theme.changed.connect(self._restyle)

    @property
    def buttons(self) -> list[QToolButton]:
        """The buttons, top to bottom."""
        return [button for button in self._group.buttons() if isinstance(button, QToolButton)]

    @property
    def menu_button(self) -> QToolButton:
        """The button at the foot; :meth:`add_menu` must have been called."""
        assert self._menu_button is not None
        return self._menu_button

    def add(self, icon: str, name: str) -> QToolButton:
        """Append a pane; its number is how many there were before."""
        number = len(self._icons)
        button = QToolButton(self)
        button.setCheckable(True)
        button.setText(name)
        button.setAccessibleName(name)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(_ICON, _ICON))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus if number == 0 else Qt.FocusPolicy.ClickFocus)
        button.setToolTip(name)
        shortcut = QShortcut(QKeySequence(f"Ctrl+{number + 1}"), self)
        shortcut.activated.connect(lambda: self.choose(number))
        self.shortcuts.append(shortcut)
        self._icons.append(icon)
        self._group.addButton(button, number)
        self._column.insertWidget(self._column.count() - 1, button, 0, Qt.AlignmentFlag.AlignHCenter)
        self._restyle()
        return button

    def add_menu(self, menu: QMenu, name: str) -> QToolButton:
        """Put a button with a menu at the foot."""
        button = self._menu_button = QToolButton(self)
        button.setText(name)
        button.setAccessibleName(name)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setIconSize(QSize(_ICON, _ICON))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setMenu(menu)
        self._column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        self._restyle()
        return button

    def choose(self, number: int) -> None:
        """Show a pane."""
        self._group.button(number).setChecked(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move between the buttons."""
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
        if not step:
            super().keyPressEvent(event)
            return
        number = (self._group.checkedId() + step) % len(self._icons)
        self.choose(number)
        self._group.button(number).setFocus(Qt.FocusReason.TabFocusReason)

    def _toggled(self, number: int, checked: bool) -> None:
        button = self._group.button(number)
        # Like radio buttons: one stop for Tab, the arrow keys for the rest.
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus if checked else Qt.FocusPolicy.ClickFocus)
        self._restyle()
        if checked:
            self.chosen.emit(number)

    def _restyle(self) -> None:
        colours = self._theme.colours
        if self._menu_button is not None:
            self._menu_button.setFont(self._theme.small_font)
            self._menu_button.setIcon(self._theme.icon("settings", colours.muted, _ICON))
        for number, icon in enumerate(self._icons):
            button = self._group.button(number)
            button.setFont(self._theme.small_font)
            button.setIcon(self._theme.icon(icon, colours.accent if button.isChecked() else colours.muted, _ICON))
