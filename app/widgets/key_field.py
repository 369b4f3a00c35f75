"""A button that shows keys and, once pressed, takes others."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QPushButton, QWidget

_MODIFIERS = (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr)


class KeyField(QPushButton):
    """Esc leaves the keys as they are; Backspace takes them away."""

    chosen = Signal(str)
    """Carries keys, as ``QKeySequence`` writes them portably; empty for none."""

    def __init__(self, action: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self._keys = ""
        self._listening = False
        self.setAutoDefault(False)
        self.setProperty("kind", "keys")
        self.clicked.connect(lambda _checked=False: self._listen(True))

    def show_keys(self, keys: str) -> None:
        """Show the keys that are set."""
        self._keys = keys
        self._listen(False)

    def event(self, event: QEvent) -> bool:
        """Keep the keys of other actions from acting while new ones are chosen."""
        if self._listening and event.type() is QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if self._listening and event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            self._take(event)  # before Tab would move the focus
            return True
        return super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Stop listening."""
        self._listen(False)
        super().focusOutEvent(event)

    def _take(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _MODIFIERS:
            return
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if plain and key == Qt.Key.Key_Escape:
            self._listen(False)
            return
        self._listen(False)
        if plain and key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self.chosen.emit("")
        else:
            keys = QKeySequence(event.keyCombination())
            self.chosen.emit(keys.toString(QKeySequence.SequenceFormat.PortableText))

    def _listen(self, listening: bool) -> None:
        self._listening = listening
        shown = QKeySequence(self._keys).toString(QKeySequence.SequenceFormat.NativeText) or self.tr("None")
        self.setText(self.tr("Press keys …") if listening else shown)
        self.setAccessibleName(self.tr("{action}: {keys}").format(action=self._action, keys=shown))
        self.setToolTip(self.tr("Press to choose other keys; then Backspace takes them away, Esc leaves them"))
