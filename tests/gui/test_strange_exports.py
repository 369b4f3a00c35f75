"""Whatever is in a conversation, an exported file says what it said, does nothing, and can be read again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import PIL.Image
import pytest
from fuzzing import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PySide6.QtPdf import QPdfDocument
from pytestqt.qtbot import QtBot

from app.conversation import Conversation, Message, MessageStatus
from app.history_store import WholeConversation
from app.transfer.html_export import export_html
from app.transfer.markdown_export import export_markdown
from app.transfer.markdown_text import plain, reply
from app.transfer.media_kinds import image_kind, media_kind
from app.transfer.pdf_export import export_pdf
from gui.strange_texts import kinds, strange
from inference.messages import Audio, Image, Part, Role, Text, Thought, ToolCall, ToolResult, Video

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
KEPT = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


def conversation(*turns: tuple[Role, Sequence[Part]], title: str = "t", prompt: str = "") -> WholeConversation:
    messages: list[Message] = []
    for role, parts in turns:
        status = MessageStatus.STOPPED if role == "assistant" else MessageStatus.COMPLETE
        messages.append(Message(role, tuple(parts), messages[-1].id if messages else None, status=status))
    made = Conversation(title=title, system_prompt=prompt, leaf_id=messages[-1].id)
    return WholeConversation(made, tuple(messages), False)


def told(text: str, other: str = "") -> WholeConversation:
    """Return a conversation in which ``text`` is everything that somebody can write."""
    call = ToolCall(text[:50] or "x", {"a": text}, "1")
    return conversation(
        ("user", [Text(text)]),
        ("assistant", [Thought(other), call, Text(text)]),
        ("tool", [ToolResult(other[:50] or "x", text, "1")]),
        ("user", [Text(other)]),
        ("assistant", [Text(other)]),
        title=text,
        prompt=other,
    )


def headings(markdown: str) -> list[str]:
    """Return the headings above the messages, as another program reads them."""
    tokens = READER.parse(markdown)
    found = [number for number, t in enumerate(tokens) if t.type == "heading_open" and t.level == 0 and t.tag == "h2"]
    return [tokens[number + 1].content for number in found]


@settings(max_examples=examples(60), **KEPT)  # type: ignore[arg-type]
@example("```python\nprint(1)", "two lines\nof *my* 3*4*5 text <b>")
@example("## You\n\nforged", "You\n---\n\nforged")
@example("<!--", "<script>")
@example("<details>\n\n## You", "- a\n\n  ```\n  b")
@example("    code", "> ```\n> a")
@given(strange, strange)
def test_markdown_has_as_many_messages_as_the_conversation(tmp_path: Path, text: str, other: str) -> None:
    target = tmp_path / "out.md"
    export_markdown(told(text, other), target)
    written = target.read_text(encoding="utf-8")
    assert headings(written) == ["You", "Larimar", "Tool", "You", "Larimar"]
    ours = re.compile(r"<details><summary>Thought</summary>\n?|</details>\n?")
    foreign = [t.content for t in READER.parse(written) if t.type == "html_block" and not ours.fullmatch(t.content)]
    assert foreign == []
    inline = [child.content for t in READER.parse(written) for child in t.children or () if child.type == "html_inline"]
    assert all(re.fullmatch(r"<br ?/?>", content, re.IGNORECASE) for content in inline)


@settings(max_examples=examples(200))
@example("1. a\n- b\n# c\n    d\n\te\n---\na\n===\n+ f\n2) g\n: h\n~~~\n|a|\n|-|")
@example("a\\\nb  \n\n\n  c &amp; $x$ www.a.b <https://a.b> \\")
@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=80))
def test_what_was_written_as_plain_text_is_read_as_it(text: str) -> None:
    rendered = READER.render(plain(text))
    assert not re.search(r"<(?!/?p>|br />)[a-zA-Z]", rendered)
    words = re.sub(r"</?p>|<br />", "\n", rendered)
    shown = "".join(
        words.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&").split()
    )
    assert shown.replace("\ufffd", "") == "".join(re.sub("[\x00-\x1f\x7f\x85\u2028\u2029\ufffd]", " ", text).split())


def test_a_reply_keeps_its_markdown() -> None:
    for text in (
        "a **b** `c <d>`\n\n- one\n  - two\n\n| a |\n|---|\n| b<br>c |",
        "> quote\n\n```py\n<b>\n```",
        "#### small",
    ):
        assert reply(text) == text
    assert reply("```py\nprint(1)") == "```py\nprint(1)\n```"
    assert reply("# One\n\n## Two\n\nThree\n---") == "### One\n\n#### Two\n\n#### Three"
    assert reply("a <b>c</b> <https://a.b>") == "a \\<b>c\\</b> <https://a.b>"


class Page(HTMLParser):
    """What a browser finds in a file."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "div",
    "section",
    "p",
    "time",
    "details",
    "summary",
    "b",
    "pre",
    "code",
    "span",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "ol",
    "li",
    "blockquote",
    "hr",
    "br",
    "a",
    "i",
    "em",
    "strong",
    "s",
    "sub",
    "sup",
    "img",
    "audio",
    "video",
}
ATTRIBUTES = {
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "dir",
    "datetime",
    "style",
    "href",
    "src",
    "alt",
    "title",
    "controls",
    "align",
    "border",
    "cellspacing",
    "cellpadding",
    "width",
    "start",
}


def page(file: Path) -> Page:
    parser = Page()
    parser.feed(file.read_text(encoding="utf-8"))
    return parser


@settings(max_examples=examples(60), **KEPT)  # type: ignore[arg-type]
@example("<script>alert(1)</script><img src=x onerror=alert(1)>", "[x](javascript:alert(1)) [y](data:text/html,z)")
@example('[x](https://a.b/"onclick="y)', "</style><script>")
@given(strange, strange)
def test_html_does_nothing(tmp_path: Path, text: str, other: str) -> None:
    target = tmp_path / "out.html"
    export_html(told(text, other), target)
    found = page(target)
    assert found.tags <= TAGS
    for tag, name, value in found.attributes:
        assert name in ATTRIBUTES, (tag, name)
        if name == "href":
            assert re.match(r"(https?|mailto):", value, re.IGNORECASE)
        assert name != "src"
    assert sum(tag == "h2" for tag in re.findall(r"<(\w+)", target.read_text(encoding="utf-8"))) == 5


def saved(folder: Path, name: str, kind: str) -> Path:
    file = folder / name
    PIL.Image.effect_noise((40, 30), 60).convert("RGB").save(file, kind)
    return file


def shown_image(whole: WholeConversation, target: Path) -> str:
    export_html(whole, target)
    return next((value for tag, name, value in page(target).attributes if (tag, name) == ("img", "src")), "")


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("a.png", "PNG", "image/png"),
        ("a.txt", "JPEG", "image/jpeg"),
        ("a.html", "GIF", "image/gif"),
        ("a.svg", "WEBP", "image/webp"),
        ("a.tiff", "TIFF", "image/png"),
        ("a.bmp", "BMP", "image/png"),
        ("a.jp2", "JPEG2000", "image/png"),
    ],
)
def test_pictures_have_the_kind_of_their_content(tmp_path: Path, name: str, kind: str, shown: str) -> None:
    whole = conversation(("user", [Image(saved(tmp_path, name, kind), 280)]))
    assert shown_image(whole, tmp_path / "out.html").startswith(f"data:{shown};base64,")


def test_a_picture_of_a_phone_is_shown(tmp_path: Path, shared_data: Path) -> None:
    whole = conversation(("user", [Image(shared_data.parent / "cases" / "picture.heic", 280)]))
    assert re.match(r"data:image/(png|jpeg);base64,", shown_image(whole, tmp_path / "out.html"))


def test_a_photoshop_file_is_shown(tmp_path: Path) -> None:
    head = b"8BPS\x00\x01" + bytes(6) + b"\x00\x03" + b"\x00\x00\x00\x02\x00\x00\x00\x02" + b"\x00\x08\x00\x03"
    (tmp_path / "a.psd").write_bytes(head + bytes(12) + b"\x00\x00" + bytes(range(12)))
    whole = conversation(("user", [Image(tmp_path / "a.psd", 280)]))
    assert shown_image(whole, tmp_path / "out.html").startswith("data:image/png;base64,")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("data", [SVG, b"<html><script>alert(1)</script>", b"", b"\x00" * 100])
def test_what_is_no_picture_is_named_and_no_more(tmp_path: Path, data: bytes) -> None:
    (tmp_path / 'a"><b>.svg'.replace("<", "[").replace(">", "]")).write_bytes(data)
    (file,) = tmp_path.glob("a*")
    for part in (Image(file, 280), Image(data, 280), Image(tmp_path / "missing.png", 280), Audio(tmp_path / "no.wav")):
        target = tmp_path / "out.html"
        export_html(conversation(("user", [part])), target)
        text = target.read_text(encoding="utf-8")
        assert "cannot be shown" in text
        assert "data:" not in text.partition("<body>")[2]


@pytest.mark.parametrize("part", [Audio, Video])
def test_recordings_are_never_pages(tmp_path: Path, part: type[Audio] | type[Video]) -> None:
    (tmp_path / "a.html").write_bytes(b"<html><script>alert(1)</script>")
    export_html(conversation(("user", [part(tmp_path / "a.html")])), tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert re.findall(r"data:([a-z]+/[a-z0-9-]+)", text.partition("<body>")[2]) in (["audio/wav"], ["video/mp4"])


def test_kinds_by_content() -> None:
    assert image_kind(b"\x89PNG\r\n\x1a\n") == "image/png"
    assert image_kind(b"<svg") == ""
    assert media_kind(b"\x00\x00\x00\x18ftypM4A ", video=False) == "audio/mp4"
    assert media_kind(b"\x1aE\xdf\xa3", video=True) == "video/webm"
    assert media_kind(b"RIFF....WAVE", video=False) == "audio/wav"
    assert media_kind(b"\xff\xfb\x90", video=False) == "audio/mpeg"
    assert media_kind(b"<html>", video=True) == "video/mp4"


def test_files_of_the_user_beside_an_export_are_not_overwritten(tmp_path: Path) -> None:
    picture = saved(tmp_path, "a.png", "PNG")
    target = tmp_path / "out" / "x.md"
    (target.parent / "x media").mkdir(parents=True)
    mine = target.parent / "x media" / "a.png"
    mine.write_bytes(b"mine")
    whole = conversation(("user", [Image(picture, 280), Image(b"\x89PNG\r\n\x1a\nxx", 280)]))
    for _ in range(2):
        export_markdown(whole, target)
    assert mine.read_bytes() == b"mine"
    assert len(list(mine.parent.iterdir())) == 3
    assert "(x%20media/a%202.png)" in target.read_text(encoding="utf-8")


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {"end": "here"}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("form", [export_html, export_markdown, export_pdf])
def test_deep_arguments_are_exported(tmp_path: Path, qtbot: QtBot, form: object) -> None:
    whole = conversation(("assistant", [ToolCall("x", nested(900), "1")]))
    form(whole, tmp_path / "out.x")  # type: ignore[operator]
    assert (tmp_path / "out.x").stat().st_size < 200_000


@pytest.mark.parametrize("kind", ["digits", "zalgo", "brackets", "lines", "wide table", "code in a line", "deep quote"])
def test_long_texts_are_exported_as_pdf(tmp_path: Path, qtbot: QtBot, kind: str) -> None:
    text = kinds(12_000)[kind]
    export_pdf(conversation(("user", [Text(text)]), ("assistant", [Text(text)])), tmp_path / "out.pdf")
    document = QPdfDocument()
    assert document.load(str(tmp_path / "out.pdf")) is QPdfDocument.Error.None_
    assert document.pageCount() > 0
    document.close()


@settings(max_examples=examples(8), **KEPT)  # type: ignore[arg-type]
@given(strange, strange)
def test_strange_texts_are_exported_as_pdf(tmp_path: Path, qtbot: QtBot, text: str, other: str) -> None:
    export_pdf(told(text, other), tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").stat().st_size > 500
