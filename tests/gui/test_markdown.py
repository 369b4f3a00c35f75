"""Markdown of a model's reply becomes safe HTML."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtGui import QTextDocument
from pytestqt.qtbot import QtBot

from app.widgets.markdown import Block, BlockKind, MarkdownBlocks, blocks, is_safe_link

SAMPLE = """# Title

Some *text* with **weight**, ~~regret~~ and `code <b>`.
Second line\\
third line

- one
  - nested
- two

  with a paragraph

3. three
4. four

```python
def f(x):
    return x < 1
```

> quoted
>
> twice

| left | right |
|------|------:|
| a    | 1     |

---

    indented

![a cat](https://example.org/cat.png) [site](https://example.org/?a=1&b=2)
"""


def html(text: str) -> str:
    return "".join(block.html for block in blocks(text))


def test_blocks_of_a_sample() -> None:
    found = blocks(SAMPLE)
    assert [block.kind for block in found] == [
        BlockKind.HEADING,
        BlockKind.TEXT,
        BlockKind.TEXT,
        BlockKind.TEXT,
        BlockKind.CODE,
        BlockKind.QUOTE,
        BlockKind.TABLE,
        BlockKind.RULE,
        BlockKind.CODE,
        BlockKind.TEXT,
    ]
    assert found[4] == Block(BlockKind.CODE, "", "def f(x):\n    return x < 1", "python")
    assert "<em>text</em>" in found[1].html
    assert "<strong>weight</strong>" in found[1].html
    assert "<s>regret</s>" in found[1].html
    assert "<code>code &lt;b&gt;</code>" in found[1].html
    assert "<br/>" in found[1].html
    assert found[3].html.startswith('<ol start="3">')
    assert '<td align="right">1</td>' in found[6].html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=file:///etc/passwd>",
        "a <b onclick=x>b</b> c",
        "<!-- comment -->",
        "</p></body>",
        "`<i>`",
        "| <u>a</u> |\n|---|\n| <u>b</u> |",
        "> <div>",
        "- <div>",
        "# <h1>",
        "[<b>](https://example.org)",
    ],
)
def test_html_of_the_model_is_shown_as_text(text: str) -> None:
    result = html(text)
    for tag in ("<script", "<img", "<b>", "<b ", "<i>", "<u>", "<div", "<h1", "<!--", "</body"):
        assert tag not in result
    assert "&lt;" in result


@pytest.mark.parametrize(
    "address", ["https://example.org/cat.png", "file:///etc/passwd", "//host/share/x.png", "x.png"]
)
def test_pictures_are_never_loaded(address: str) -> None:
    result = html(f"before ![the alt text]({address}) after")
    assert "<img" not in result
    assert "src=" not in result
    assert "the alt text" in result
    assert ("href=" in result) == address.startswith("https:")
    assert html(f"[![alt]({address})](https://example.org)").count("href=") == 1


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://example.org", True),
        ("http://example.org/a?b=c", True),
        ("mailto:someone@example.org", True),
        ("HTTPS://EXAMPLE.ORG", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("data:text/html,hi", False),
        ("smb://host/share", False),
        ("/etc/passwd", False),
        ("//host/share", False),
        ("vbscript:x", False),
        ("", False),
    ],
)
def test_which_links_are_safe(address: str, safe: bool) -> None:
    assert is_safe_link(address) is safe
    assert not is_safe_link("http://[broken")
    assert ('<a href="' in html(f"[words](<{address}>)")) is safe


def test_quotes_in_an_address_cannot_leave_the_attribute() -> None:
    result = html('[x](https://example.org/"onclick="y)')
    assert '"onclick' not in result


def test_a_fence_that_is_still_open_is_code_already() -> None:
    assert blocks("```\nhalf a li") == (Block(BlockKind.CODE, "", "half a li", ""),)


def test_an_empty_text_has_no_blocks() -> None:
    assert blocks("") == ()
    assert blocks(" \n\n") == ()


def test_a_growing_text_ends_as_the_whole_one() -> None:
    growing = MarkdownBlocks()
    for end in range(len(SAMPLE) + 1):
        assert growing.update(SAMPLE[:end]) == blocks(SAMPLE[:end])


def test_finished_blocks_are_not_made_again() -> None:
    growing = MarkdownBlocks()
    first = growing.update("one\n\ntwo\n\nthree\nand")
    second = growing.update("one\n\ntwo\n\nthree\nand more")
    assert second[0] is first[0]
    assert second[1] is first[1]
    assert second[2] != first[2]


def test_another_text_begins_anew() -> None:
    growing = MarkdownBlocks()
    growing.update("one\n\ntwo")
    assert growing.update("# other") == blocks("# other")


FRAGMENTS = (
    *("\n", "\n\n", "\r\n", "    ", "\t", "```", "~~~", "- ", "1. ", "> ", "# ", "---\n", "===\n", "|", "|-|\n"),
    *("*", "_", "`", "<b>", "<!--", "![", "](", ")", "\\", "&amp;", "\x00", "\ud800"),
)
markdownish = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(FRAGMENTS)), max_size=40).map("".join)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    blocks(text)


@given(markdownish)
def test_nothing_that_looks_like_markdown_raises(text: str) -> None:
    for block in blocks(text):
        assert "<script" not in block.html
        block.html.encode("utf-8")


@example(["0\n```0", "`"])
@example(["0\n#", "1"])
@example(["a\n-", "-", "x"])
@given(st.lists(markdownish, max_size=8))
def test_a_growing_text_is_never_parsed_differently(parts: list[str]) -> None:
    growing, text = MarkdownBlocks(), ""
    for part in parts:
        text += part
        assert growing.update(text) == blocks(text)


def test_qt_shows_what_was_meant(qtbot: QtBot) -> None:
    document = QTextDocument()
    document.setHtml(html("5 < 6 & 7 > 2, **bold** <script>x</script>"))
    assert document.toPlainText() == "5 < 6 & 7 > 2, bold <script>x</script>"


def test_deep_nesting_ends() -> None:
    blocks(">" * 5000 + " deep")
    blocks("- " * 2000 + "deep")
    blocks("[" * 5000)
