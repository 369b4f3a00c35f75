"""Formulas: which text is one, and what becomes of it."""

from __future__ import annotations

from html import escape

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


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5, use x instead.",
        "Set $HOME/bin:$PATH first.",
        "export PATH=$HOME/bin:$PATH",
        "dollars ($) and the fee in dollars ($) too",
        "Cheap ($), mid-range ($$), expensive ($$$).",
        "Price range: $$ to $$$.",
        "Price range: $$ to $$, or so",
        "Rated $$–$$$ by guests",
        "Please donate $50 to $100 to them.",
        "the $2k cohort and the $25-50k tier",
        "$/PR is down but $/session is up",
        "A$5 and C$6; 5$ und 6$ kosten",
        "Das kostet 5$, das andere 6$.",
        "Das kostet 5 $, das andere 6 $.",
        "Price $1,000.00-$2,000.00; save $200!",
        "use $foo_$bar and ${x}/${y}",
        "jQuery: $('a') and $('b') select",
        "awk '{print $1,$2}' and perl $_ and $@",
        "regex ^a$|^b$ matches",
        "It costs $5 (or US$) now",
        "价格从$5涨到了6$。",
        "$$ – moderate\nand $$",
    ],
)
def test_money_variables_and_code_stay_as_they_were_written(qtbot: QtBot, text: str) -> None:
    assert seen(text).replace("\u2028", "\n").split() == text.split()
    assert all("font-family" not in block.html for block in blocks(text))


def test_code_and_links_keep_their_dollars(qtbot: QtBot) -> None:
    assert "<code>$x</code>" in blocks("It costs $5, use `$x` instead.")[0].html
    assert '<a href="http://x.y/$z">link</a>' in blocks("kostet $5, [link](http://x.y/$z) end")[0].html
    assert '<a href="http://x.y/$a$b">' in blocks("see http://x.y/$a$b there")[0].html
    assert "<strong>$1.50</strong>" in blocks("pay **$1.50** for a bundle, then **$2**")[0].html
    assert seen(r"a \$5 and \$6 escaped") == "a $5 and $6 escaped"
    assert seen(r"[a\](b)") == "[a](b)"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("$x$-axis and $y$'s value, $n$th, $k$NN", 4),
        (r"formula $a \$ b$ ok", 1),
        ("The term $E=mc^2$, and $5.", 1),
        (r"\[x\] and \(y\)", 2),
        (r"so \[ x = 1 \] holds", 1),
        (r"\(x\)\(y\)", 2),
        ("设$x$为实数，则$$x^2$$非负", 2),
        (r"[1] \[1\] and \[citation needed\] and \(see below\)", 0),
        (r"\[text\](https://example.org)", 0),
        (r"\(dx\) and \(5\), \(ABC\), \(\log n\) and \(log n\)", 5),
        (r"\[sic\] \[...\] \[2, 3\] \(optional\)", 0),
        (r"path C:\(x86\)\foo", 0),
        ("$\\sin x + b$ and $a$", 2),
    ],
)
def test_what_is_a_formula(text: str, count: int) -> None:
    assert sum(block.html.count("font-family") for block in blocks(text)) == count


def test_a_formula_may_hold_an_empty_line() -> None:
    for text in (
        "$$\nS = \\sum_i x_i\n\n  = 3\n$$",
        "$$\\begin{aligned}\na&=b\\\\\n\nc&=d\n\\end{aligned}$$",
        "\\[\nx\n\ny\n\\]",
    ):
        assert [block.kind for block in blocks(text)] == [BlockKind.MATHS]
    assert [block.kind for block in blocks("$$ x\n\ny $$")] == [BlockKind.TEXT] * 2


@pytest.mark.parametrize(
    "text",
    [
        "The sum:\n\n$$\nS = \\sum_i x_i\n\n  = 3\n$$\n\nDone.\n",
        "a\n$$\nb\n\n$$ c\n\nd",
        "> q\n\\[\nx\n\n- y\n\\] z\n\nend",
        "- a\n  $$\n  x\n\n  y\n  $$\n\nb",
    ],
)
def test_a_formula_that_streams_looks_as_one_that_is_opened(text: str) -> None:
    for step in (1, 2, 5):
        growing = MarkdownBlocks()
        for end in range(0, len(text), step):
            assert growing.update(text[:end]) == blocks(text[:end])
        assert growing.update(text) == blocks(text)


@pytest.mark.parametrize(
    "latex", ["{" * 900, "\\frac{" * 500, "\\left(" * 500, "\\begin{a}" * 400, "x^" * 3000, "{a}" * 2000]
)
def test_a_formula_that_is_nested_without_end_stays_as_it_was_written(latex: str) -> None:
    assert escape(latex) in maths_html(latex)
