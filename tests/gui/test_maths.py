"""Formulas: which text is one, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QTextDocument
from pytestqt.qtbot import QtBot

from app.widgets.markdown import BlockKind, MarkdownBlocks, blocks
from app.widgets.maths import maths_html


def seen(markdown: str) -> str:
    document = QTextDocument()
    document.setHtml("".join(block.html for block in blocks(markdown)))
    return document.toPlainText()


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"e^{i\pi} + 1 = 0", "eiπ + 1 = 0"),
        (r"x = \frac{-b \pm \sqrt{b^2-4ac}}{2a}", "x = (−b ± √b2 − 4ac)/(2a)"),
        (r"\sum_{i=1}^{n} i", "∑i = 1ni"),
        (r"\mathbb{R}^n \to \mathbb{R}", "ℝn → ℝ"),
        (r"\text{if } x \leq 3 \cdot \sin x", "if x ≤ 3 · sin x"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "(1 2; 3 4)"),
        (r"\left( \frac{1}{x} \right)", "(1/x)"),
        (r"a < b & c", "a < b c"),
        (r"\frac{", r"\frac{"),
    ],
)
def test_what_a_formula_looks_like(qtbot: QtBot, latex: str, shown: str) -> None:
    document = QTextDocument()
    document.setHtml(maths_html(latex))
    assert " ".join(document.toPlainText().split()) == " ".join(shown.split())


@pytest.mark.parametrize("latex", ["<b>x</b>", r"\text{<b>x</b>}", r"\frac{<b>x", r"\hat{<b>}"])
def test_a_formula_cannot_bring_markup(latex: str) -> None:
    assert "<b>" not in maths_html(latex)


def test_scripts_are_raised_and_lowered() -> None:
    assert "<i>a</i><sub>1</sub><sup>2</sup>" in maths_html("a_1^2")


@pytest.mark.parametrize("text", ["It costs $5 and $6.", "US$5 or A$6", "a $ b $ c", r"\$x\$", "`$x$`", "$x", "$$"])
def test_money_and_code_are_no_formulas(text: str) -> None:
    assert all("font-family" not in block.html for block in blocks(text))


@pytest.mark.parametrize(
    "text",
    ["$$\nx\n$$", "\\[\nx\n\\]", "\\[ x \\]", "$$x$$", "before\n$$\nx\n$$\nafter", "> $$x$$", "- $$\n  x\n  $$"],
)
def test_formulas_on_their_own_lines(text: str) -> None:
    found = blocks(text)
    assert any(block.kind is BlockKind.MATHS or "font-family" in block.html for block in found)
    assert all("$" not in block.html for block in found)


def test_a_formula_in_a_sentence() -> None:
    (block,) = blocks(r"with \(x\) and $y$ and $$z$$ too")
    assert block.html.count("font-family") == 3


@given(st.text(alphabet="$\\()[]{}^_ab \n1-", max_size=40))
def test_a_growing_text_ends_up_as_if_it_had_come_at_once(text: str) -> None:
    growing = MarkdownBlocks()
    for end in range(len(text)):
        growing.update(text[:end])
    assert growing.update(text) == blocks(text)
