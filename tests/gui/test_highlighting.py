"""Colours of code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QColor, QTextDocument
from pytestqt.qtbot import QtBot

from app.background import Background
from app.chat.highlighting import Highlighter, colour, highlight
from app.colours import LIGHT
from app.widgets.markdown import Block, BlockKind

CODE = 'def täst(x):\n    """Say 😀."""\n    return x + 1  # "one" more\n'


@pytest.fixture
def highlighter(qtbot: QtBot) -> Iterator[Highlighter]:
    background = Background()
    yield Highlighter(background)
    background.close()


def block(code: str, language: str = "python") -> Block:
    return Block(BlockKind.CODE, "", code, language)


def coloured(code: str, language: str = "python") -> dict[str, str]:
    """Return the pieces of text by the name of their colour."""
    units = code.encode("utf-16-le")
    found: dict[str, str] = {}
    for start, length, name in highlight(language, code):
        piece = units[2 * start : 2 * (start + length)].decode("utf-16-le")
        found[name] = found.get(name, "") + piece + "|"
    return found


def test_what_is_what() -> None:
    found = coloured(CODE)
    assert found["code_keyword"].split("|")[:2] == ["def", "return"]
    assert "täst" in found["code_name"]
    assert '"""Say 😀."""' in found["code_string"]
    assert "1" in found["code_number"]
    assert '# "one" more' in found["code_comment"]


def test_an_unknown_language_has_no_colours() -> None:
    assert highlight("klingon", CODE) == ()


def test_the_document_gets_the_colours(qtbot: QtBot) -> None:
    document = QTextDocument()
    document.setPlainText(CODE)
    height = document.size().height()
    colour(document, highlight("python", CODE), LIGHT)
    second = document.findBlockByNumber(2).layout().formats()
    painted = {CODE.split("\n")[2][f.start : f.start + f.length]: f.format.foreground().color() for f in second}
    assert painted["return"] == QColor(LIGHT.code_keyword)
    assert painted['# "one" more'] == QColor(LIGHT.code_comment)
    assert document.size().height() == height
    assert all(document.findBlockByNumber(n).layout().lineCount() == 1 for n in range(3)), "nothing has vanished"


def test_colours_come_later_and_once(qtbot: QtBot, highlighter: Highlighter) -> None:
    assert highlighter.spans(block(CODE)) == ()
    with qtbot.waitSignal(highlighter.ready):
        pass
    spans = highlighter.spans(block(CODE))
    assert spans
    assert highlighter.spans(block(CODE)) is spans


def test_growing_code_keeps_the_colours_of_its_beginning(qtbot: QtBot, highlighter: Highlighter) -> None:
    with qtbot.waitSignal(highlighter.ready):
        highlighter.spans(block("def f"))
    longer = highlighter.spans(block("def f(x):\n    return"))
    assert longer == highlight("python", "def f")
    qtbot.waitUntil(lambda: len(highlighter.spans(block("def f(x):\n    return"))) > len(longer))


def test_plain_and_endless_code_is_left_alone(highlighter: Highlighter) -> None:
    assert highlighter.spans(block(CODE, "")) == ()
    assert highlighter.spans(block("x = 1\n" * 20_000)) == ()
    assert highlighter._under_way is None
