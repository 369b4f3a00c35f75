"""The line above the conversation: its title, its system prompt, and a button for another one."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from app.theme import GRID, Theme

_ROOM_FOR_WORDS = 560
"""A header that is narrower shows its buttons without words; in pixels."""


class ChatHeader(QFrame):
    """Says which conversation this is."""

    new_requested = Signal()
    prompt_requested = Signal()
    history_requested = Signal()
    """The list of conversations should be shown, or hidden."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self._theme = theme
        self._whole_title = ""
        self._prompted = False
        self._title = QLabel(self)
        self._title.setObjectName("title")
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        mirrored = self.layoutDirection() is Qt.LayoutDirection.RightToLeft
        side = Qt.AlignmentFlag.AlignRight if mirrored else Qt.AlignmentFlag.AlignLeft
        self._title.setAlignment(side | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter)
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.history_button = QPushButton(self)
        self.history_button.setProperty("kind", "flat")
        self.history_button.setIconSize(QSize(18, 18))
        self.history_button.setAccessibleName(self.tr("Conversations"))
        self.history_button.setToolTip(self.tr("Show or hide the list of conversations"))
        self.history_button.clicked.connect(lambda _checked=False: self.history_requested.emit())
        self.aloud_button = QPushButton(self)
        self.aloud_button.setCheckable(True)
        self.aloud_button.setAccessibleName(self.tr("Read replies aloud"))
        self.hands_free_button = QPushButton(self)
        for icon_button in (self.aloud_button, self.hands_free_button):
            icon_button.setProperty("kind", "flat")
            icon_button.setIconSize(QSize(18, 18))
        self._hands_free = False
        self.prompt_button = QPushButton(self)
        self.new_button = QPushButton(self)
        self._words: dict[QPushButton, str] = {}
        for button, words, pressed in (
            (self.prompt_button, self.tr("System prompt"), self.prompt_requested),
            (self.new_button, self.tr("New chat"), self.new_requested),
        ):
            button.setProperty("kind", "flat")
            button.setText(" " + words)
            self._words[button] = words
            button.setAccessibleName(words)
            button.setIconSize(QSize(18, 18))
            button.clicked.connect(lambda _checked=False, pressed=pressed: pressed.emit())
        self.new_button.setToolTip(self.tr("New chat"))
        line = QHBoxLayout(self)
        line.setContentsMargins(GRID, GRID, GRID + 4, GRID)
        line.addWidget(self.history_button)
        line.addWidget(self._title, 1)
        line.addWidget(self.aloud_button)
        line.addWidget(self.hands_free_button)
        line.addWidget(self.prompt_button)
        line.addWidget(self.new_button)
        theme.changed.connect(self._restyle)
        self.show_aloud(False)
        self.show_hands_free(False)
        self.show_conversation("", prompted=False)
        self._restyle()

    @property
    def title(self) -> str:
        """What the header says."""
        return self._whole_title

    def show_conversation(self, title: str, prompted: bool) -> None:
        """Show a title, and whether there is a system prompt."""
        self._whole_title = title or self.tr("New chat")
        self._prompted = prompted
        state = self.tr("System prompt: set") if prompted else self.tr("System prompt: none")
        self.prompt_button.setAccessibleName(state)
        self.prompt_button.setToolTip(
            self.tr("What the model is told before this conversation; one is set")
            if prompted
            else self.tr("What the model is told before this conversation; nothing yet")
        )
        self._restyle()

    def show_voice(self, *, available: bool) -> None:
        """Show what needs a voice, if there may be one."""
        self.aloud_button.setVisible(available)

    def show_aloud(self, aloud: bool) -> None:
        """Show whether replies are read aloud."""
        self.aloud_button.setChecked(aloud)
        self.aloud_button.setToolTip(
            self.tr("Replies are read aloud") if aloud else self.tr("Read replies aloud as they come")
        )
        self._restyle()

    def show_hands_free(self, active: bool) -> None:
        """Show whether a conversation without hands is going on."""
        self._hands_free = active
        words = self.tr("End the conversation without hands") if active else self.tr("Conversation without hands")
        self.hands_free_button.setAccessibleName(words)
        self.hands_free_button.setToolTip(words)
        self._restyle()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the title to the room that there is, and leave words out where that is little."""
        super().resizeEvent(event)
        roomy = self.width() >= _ROOM_FOR_WORDS
        for button, words in self._words.items():
            button.setText(f" {words}" if roomy else "")
        self._elide()

    def _elide(self) -> None:
        mode = Qt.TextElideMode.ElideRight
        shown = self._title.fontMetrics().elidedText(self._whole_title, mode, max(40, self._title.width()))
        self._title.setText(shown)
        self._title.setToolTip(self._whole_title if shown != self._whole_title else "")
        self._title.setAccessibleName(self._whole_title)

    def _restyle(self) -> None:
        colours = self._theme.colours
        title = self._theme.body_font
        title.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(title)
        self.new_button.setIcon(self._theme.icon("new", colours.muted, 18))
        aloud = colours.accent if self.aloud_button.isChecked() else colours.muted
        self.aloud_button.setIcon(self._theme.icon("speaker", aloud, 18))
        voice = colours.accent if self._hands_free else colours.muted
        self.hands_free_button.setIcon(self._theme.icon("voice", voice, 18))
        self.history_button.setIcon(self._theme.icon("sidebar", colours.muted, 18))
        prompt = colours.accent if self._prompted else colours.muted
        self.prompt_button.setIcon(self._theme.icon("instructions", prompt, 18))
        self._elide()
