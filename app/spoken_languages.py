"""The languages that may be spoken to the microphone, as their speakers call them."""

from __future__ import annotations

from PySide6.QtCore import QLocale
from PySide6.QtGui import QFontDatabase

from inference.transcription import LANGUAGES

_OWN = {"English": "English", "Spanish": "Español", "Chinese": "中文"}  # of which Qt knows only varieties
_WRITING = {
    "Arabic": QFontDatabase.WritingSystem.Arabic,
    "Bengali": QFontDatabase.WritingSystem.Bengali,
    "Chinese": QFontDatabase.WritingSystem.SimplifiedChinese,
    "Greek": QFontDatabase.WritingSystem.Greek,
    "Hebrew": QFontDatabase.WritingSystem.Hebrew,
    "Hindi": QFontDatabase.WritingSystem.Devanagari,
    "Japanese": QFontDatabase.WritingSystem.Japanese,
    "Korean": QFontDatabase.WritingSystem.Korean,
    "Persian": QFontDatabase.WritingSystem.Arabic,
    "Thai": QFontDatabase.WritingSystem.Thai,
}
"""Those whose letters not every system has."""


def languages() -> dict[str, str]:
    """Return English names, as the prompts want them, to what the speakers say, in the latter's order.

    A name that no font here can write stays English.
    """
    names = {}
    written = QFontDatabase.writingSystems()
    for name in LANGUAGES:
        language = getattr(QLocale.Language, {"Norwegian": "NorwegianBokmal"}.get(name, name), None)
        own = _OWN.get(name, "") or (QLocale(language).nativeLanguageName() if language is not None else "")
        if name in _WRITING and _WRITING[name] not in written:
            own = ""
        names[name] = own[:1].upper() + own[1:] if own else name
    return dict(sorted(names.items(), key=lambda item: item[1].casefold()))
