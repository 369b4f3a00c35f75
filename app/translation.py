"""The language of the window: English in the source, others in ``resources/translations``."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from app.settings import Language

log = logging.getLogger(__name__)

TRANSLATIONS = Path(__file__).resolve().parent.parent / "resources" / "translations"


def speak(app: QCoreApplication, language: Language, folder: Path = TRANSLATIONS) -> list[QTranslator]:
    """Let everything that is built from now on speak ``language``; return the translators, to be removed again.

    "system" is the first language of the system that there is a translation for, or English. Numbers and dates follow
    the system's habits wherever that language is the system's.
    """
    locale = QLocale.system()
    names = [name.replace("-", "_") for name in locale.uiLanguages()] if language == "system" else [language]
    for name in names:
        short = name.partition("_")[0]
        if short in ("en", "C"):
            return []
        own = QTranslator(app)
        if not own.load(f"larimar_{short}", str(folder)):
            continue
        found = [own]
        of_qt = QTranslator(app)
        if of_qt.load(f"qtbase_{short}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
            found.insert(0, of_qt)  # ours, installed last, are asked first
        for translator in found:
            app.installTranslator(translator)
        if language != "system" and locale.language() is not QLocale(language).language():
            QLocale.setDefault(QLocale(language))
        return found
    return []
