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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**注意（重要）**请阅读", "<strong>注意（重要）</strong>请阅读"),
        ("これは**「太字」**です", "これは<strong>「太字」</strong>です"),
        ("**이것(중요)**은", "<strong>이것(중요)</strong>은"),
        ("前**“引用”**后", "前<strong>“引用”</strong>后"),
        ("参考*（注）*文", "参考<em>（注）</em>文"),
        ("~~（旧）~~新", "<s>（旧）</s>新"),
        ("a*“b”*c", "a*“b”*c"),
        ("snake_case_name 和 _强调_", "snake_case_name 和 <em>强调</em>"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_emphasis_beside_east_asian_letters(text: str, expected: str) -> None:
    assert html(text) == f"<p>{expected}</p>"


def test_breaks_in_cells_are_breaks() -> None:
    result = html("| a | b |\n|---|---|\n| one<br>two<BR />three | `<br>` \\<br> |\n\na <br> b")
    assert "one<br/>two<br/>three" in result
    assert "<code>&lt;br&gt;</code> &lt;br&gt;" in result
    assert "a &lt;br&gt; b" in result


@pytest.mark.parametrize(
    ("text", "address", "words"),
    [
        ("see https://example.org/a_b_c?x=1&y=2.", "https://example.org/a_b_c?x=1&y=2", ""),
        ("(https://example.org/a_(b))", "https://example.org/a_(b)", ""),
        ("HTTP://EXAMPLE.org!", "HTTP://EXAMPLE.org", ""),
        ("访问https://example.com，然后", "https://example.com", ""),
        ("访问https://example.com的文档", "https://example.com", ""),
        ("**https://example.org/**", "https://example.org/", ""),
        ("www.example.org, and", "http://www.example.org", "www.example.org"),
        ("write to me@example.org.", "mailto:me@example.org", "me@example.org"),
        ("http://localhost:8080/x", "http://localhost:8080/x", ""),
        ("https://example.org: this", "https://example.org", ""),
    ],
)
def test_bare_addresses_are_links(text: str, address: str, words: str) -> None:
    result = html(text)
    shown = (words or address).replace("&", "&amp;")
    assert f'<a href="{address.replace("&", "&amp;")}">{shown}</a>' in result
    assert result.count("<a ") == 1


@pytest.mark.parametrize(
    "text",
    [
        "https://google.com@evil.example/",
        "https://user:secret@evil.example/",
        "https://google.com\\@evil.example",
        "https://gооgle.com/",  # two Cyrillic letters
        "https://",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,hi",
        "ftp://example.org/",
        "`https://example.org`",
        "xhttps://example.org",
        "a@b",
        "\\https\\://example.org",
    ],
)
def test_what_could_pass_for_another_address_is_no_link(text: str) -> None:
    assert "<a " not in html(text)


def test_hidden_marks_are_no_part_of_an_address() -> None:
    assert '<a href="https://example.org/a">https://example.org/a</a>\u202e' in html(
        "https://example.org/a\u202egpj.exe"
    )
    assert html("[words](https://example.org) and [https://b.example](https://example.org)").count("<a ") == 2
    assert html("[https://b.example](https://example.org)").count("b.example") == 1


def test_code_blocks_that_are_equal_grow_apart() -> None:
    assert [block.code for block in blocks("```\n```\n```\nx")] == ["", "x"]
