"""The languages of the window: complete, compiled, and in force when they are chosen."""

from __future__ import annotations

import string
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine
from PySide6.QtCore import QCoreApplication, QLocale, QTranslator

from app.application import Larimar
from app.settings import Settings, SettingsStore
from app.translation import TRANSLATIONS, speak

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "packaging"))
import translations

MakeApp = Callable[..., Larimar]
LANGUAGES = sorted(TRANSLATIONS.glob("*.ts"))


@pytest.mark.parametrize("file", LANGUAGES, ids=lambda file: file.stem)
def test_a_language_is_complete_and_compiled(file: Path, qapp: QCoreApplication) -> None:
    translator = QTranslator()
    assert translator.load(str(file.with_suffix(".qm")))
    messages = translations.messages(file)
    assert len(messages) > 300
    for context, source, translation in messages:
        assert translation, f"{context}: “{source}” has no translation: run packaging/translations.py"
        compiled = translator.translate(context, source)
        assert compiled == translation, "the .qm file is older: run packaging/translations.py"


@pytest.mark.parametrize("file", LANGUAGES, ids=lambda file: file.stem)
def test_translations_have_the_same_gaps(file: Path) -> None:
    for _, source, translation in translations.messages(file):
        assert gaps(source) == gaps(translation), source


def gaps(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("file", LANGUAGES, ids=lambda file: file.stem)
def test_no_text_of_the_source_is_missing(file: Path, tmp_path: Path) -> None:
    fresh = tmp_path / file.name
    fresh.write_bytes(file.read_bytes())
    try:
        translations.update(fresh)
    except FileNotFoundError:
        pytest.skip("PySide6's lupdate is not installed")
    known = {(context, source) for context, source, _ in translations.messages(file)}
    needed = {(context, source) for context, source, _ in translations.messages(fresh)}
    assert needed - known == set(), "run packaging/translations.py and translate what it names"


def test_the_window_speaks_the_chosen_language(make_app: MakeApp, tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "config" / "settings.ini")
    store.save(Settings(language="de"))
    store.close()
    before = QLocale()
    try:
        larimar = make_app(FakeEngine())
        assert larimar.window.chat.header.new_button.text().strip() == "Neues Gespräch"
        assert [button.text() for button in larimar.window.rail.buttons][-1] == "Modelle"
        larimar.window.close()
        assert QCoreApplication.translate("ChatHeader", "New chat") == "New chat"
    finally:
        QLocale.setDefault(before)


def test_english_needs_no_translator(qapp: QCoreApplication) -> None:
    assert speak(qapp, "en") == []
