"""Titles with marked words, in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QFont, QFontMetrics
from pytestqt.qtbot import QtBot

from app.history.snippets import fitted


@pytest.fixture
def metrics(qtbot: QtBot) -> QFontMetrics:
    return QFontMetrics(QFont())


def text_of(pieces: tuple[tuple[str, bool], ...]) -> str:
    return "".join(text for text, _ in pieces)


def test_what_fits_stays_as_it_is(metrics: QFontMetrics) -> None:
    pieces = (("The ", False), ("lake", True), (" in winter", False))
    assert fitted(pieces, metrics, 2000) == pieces


def test_a_mark_near_the_beginning_leaves_the_beginning(metrics: QFontMetrics) -> None:
    pieces = (("The ", False), ("lake", True), (" in winter, with all of its birds and boats", False))
    width = metrics.horizontalAdvance("The lake in winter, with")
    shown = fitted(pieces, metrics, width)
    assert text_of(shown).startswith("The lake in")
    assert text_of(shown).endswith("…")
    assert ("lake", True) in shown


def test_a_mark_far_behind_is_brought_into_sight(metrics: QFontMetrics) -> None:
    pieces = (("How do I get by train from the airport to the ", False), ("lake", True), (" and back again", False))
    shown = fitted(pieces, metrics, metrics.horizontalAdvance("How do I get by train from"))
    assert text_of(shown).startswith("…")
    assert ("lake", True) in shown


def test_a_mark_far_behind_is_brought_into_sight_without_spaces(metrics: QFontMetrics) -> None:
    pieces = (("山" * 40, False), ("湖", True), ("水" * 40, False))
    shown = fitted(pieces, metrics, metrics.horizontalAdvance("山" * 10))
    assert ("湖", True) in shown
    assert text_of(shown).startswith("…")


@given(
    st.lists(st.tuples(st.text("ab W…", min_size=1, max_size=30), st.booleans()), max_size=6).map(tuple),
    st.integers(20, 400),
)
def test_it_always_fits(pieces: tuple[tuple[str, bool], ...], width: int) -> None:
    metrics = QFontMetrics(QFont())
    assert metrics.horizontalAdvance(text_of(fitted(pieces, metrics, width))) <= width
