"""Texts of any length and depth cost as much as they are long, and what is not shown is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.rules_block import StateBlock
from PySide6.QtGui import QGuiApplication, QTextDocument, QTextOption
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import app.widgets.markdown as markdown
import app.widgets.maths_markdown as maths_markdown
from app.background import Background
from app.chat.highlighting import Highlighter, highlight
from app.chat.layout import Action, PieceKind
from app.chat.long_messages import AT_FIRST, affordable, cost_of
from app.chat.model import ChatModel
from app.chat.thumbnails import Thumbnails
from app.chat.view import ChatView
from app.conversation import Message, MessageStatus, Page
from app.json_words import json_words
from app.picture_talk import Exchange
from app.theme import Theme
from app.voice.spoken import spoken_text
from app.widgets.answer_view import AnswerView
from app.widgets.documents import DocumentMaker
from app.widgets.markdown import WINDOW, BlockKind, MarkdownBlocks, blocks
from app.widgets.plain_edit import PlainEdit
from gui.strange_texts import kinds, markdownish, strange
from inference.messages import Role, Text, Thought, ToolCall

SIZE = 15_000
KINDS = sorted(kinds(100))


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[ChatView]:
    theme = Theme(qapp, "light")
    background = Background()
    view = ChatView(ChatModel(), theme, Thumbnails(background), Highlighter(background), speaks=True)
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    qtbot.waitExposed(view)
    yield view
    background.close()
    theme.deleteLater()


def shows(view: ChatView, message: Message) -> None:
    model = view.model()
    assert isinstance(model, ChatModel)
    model.show_page(Page((message,)))
    view.grab()


@pytest.mark.parametrize("kind", KINDS)
def test_each_character_is_parsed_a_few_times_at_most(kind: str) -> None:
    text = kinds(SIZE)[kind]
    opened = MarkdownBlocks()
    opened.update(text)
    assert opened.parsed <= 3 * len(text) + WINDOW


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_a_reply_parses_a_window_at_most(kind: str) -> None:
    text = kinds(SIZE // 2)[kind]
    growing = MarkdownBlocks()
    step = 700
    for end in range(step, len(text) + step, step):
        before = growing.parsed
        shown = growing.update(text[:end])
        assert growing.parsed - before <= 3 * WINDOW + 2 * step
    assert shown == blocks(text)


@pytest.mark.parametrize("kind", ["bracket lines", "blocks", "double", "double alone"])
def test_a_formula_that_is_never_closed_is_searched_for_in_bounds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = [0]

    def counted(state: StateBlock, line: int) -> bool:
        looked[0] += 1
        return is_empty(state, line)

    is_empty = StateBlock.isEmpty
    monkeypatch.setattr(StateBlock, "isEmpty", counted)
    counts = []
    for size in (20_000, 40_000):
        looked[0] = 0
        blocks(kinds(size)[kind])
        counts.append(looked[0])
    assert counts[1] <= 2.5 * counts[0]


@settings(max_examples=examples(60))
@given(strange, st.sampled_from((60, 250, 900, WINDOW)), st.integers(0, 2**32))
def test_a_reply_that_streams_ends_as_one_that_is_opened(text: str, window: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "WINDOW", window)
        patch.setattr(maths_markdown, "BLOCK_AT_MOST", min(4000, 2 * window))
        growing, end = MarkdownBlocks(), 0
        while end < len(text):
            seed = (seed * 1_103_515_245 + 12_345) % 2**31
            end += 1 + seed % max(1, min(70, len(text) // 20))
            growing.update(text[:end])
        assert growing.update(text) == blocks(text)


@settings(max_examples=examples(100))
@given(strange)
def test_strange_texts_become_documents(qapp: QApplication, text: str) -> None:
    for block in blocks(text):
        document = QTextDocument()
        document.setHtml(block.html)
        document.setTextWidth(300)
        assert document.size().height() >= 0
    spoken_text(text)


@settings(max_examples=examples(100))
@given(markdownish)
def test_nothing_is_lost_between_windows(text: str) -> None:
    """Every letter is in some block, wherever the windows end."""
    letters = "".join(f"q{number}q" for number in range(30))
    bare = text.replace("q", "").replace("```", "```\n").replace("~~~", "~~~\n")  # of a language not all is kept
    written = letters.join(("- ", " ", bare, "\n\n"))
    whole = "".join(block.html + block.code for block in blocks(written))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "WINDOW", 300)
        split = "".join(block.html + block.code for block in blocks(written))
    assert whole.count("q") == split.count("q") or "font-family" in whole + split or "href" in whole + split


def test_code_longer_than_a_window_is_one_block() -> None:
    code = "".join(f"line {number}\n" for number in range(5000))
    (block, after) = blocks(f"```py\n{code}```\nafter")
    assert (block.kind, block.language, block.code) == (BlockKind.CODE, "py", code.removesuffix("\n"))
    assert "after" in after.html


def test_code_in_an_item_does_not_swallow_what_follows() -> None:
    found = blocks(kinds(SIZE)["nested code"])
    assert found[-1].kind is BlockKind.TEXT
    assert "b" in found[-1].html
    assert all("```" not in block.html + block.code for block in found)
    code = "".join(block.code + block.html for block in found)
    assert code.count("x = 1") == SIZE // 9


def test_a_long_list_goes_on_with_its_numbers() -> None:
    found = blocks("".join(f"{number}. item number {number}\n" for number in range(1, 2001)))
    assert len(found) > 1
    assert all(block.html.startswith("<ol") for block in found)
    assert sum(block.html.count("<li>") for block in found) == 2000
    first = found[1].html
    assert f'start="{found[0].html.count("<li>") + 1}"' in first


def test_a_long_table_goes_on_with_its_head() -> None:
    found = blocks("| head | b |\n|---|---|\n" + "".join(f"| {number} | x |\n" for number in range(2000)) + "\nafter")
    assert len(found) > 2
    assert all("head" in block.html for block in found[:-1])
    assert sum(block.html.count("<tr>") - 1 for block in found[:-1]) == 2000


def test_columns_without_end_are_cut_with_a_sign() -> None:
    found = blocks(kinds(6000)["wide table"])
    assert found[0].kind is BlockKind.TABLE
    assert "… 940 more columns" in found[0].html
    assert found[0].html.count("<th") < 70


def test_what_is_nested_too_deeply_is_shown_as_text() -> None:
    assert "deep" in blocks(">" * 300 + " deep")[0].html
    assert "deep" in blocks("- " * 300 + "deep")[0].html
    assert "deep" in blocks("*" * 1000 + "deep" + "*" * 1000)[0].html


@pytest.mark.parametrize("text", ["1" * 3000, "あ" * 3000, "a b " + "x" * 700 + " c"])
def test_lines_of_long_words_end_anywhere(qapp: QApplication, text: str) -> None:
    theme = Theme(qapp, "light")
    maker = DocumentMaker(theme)
    anywhere = QTextOption.WrapMode.WrapAnywhere
    assert maker.plain(text, 300).defaultTextOption().wrapMode() is anywhere
    assert maker.block(blocks(text)[0], 300).defaultTextOption().wrapMode() is anywhere
    assert maker.plain("short words", 300).defaultTextOption().wrapMode() is not anywhere
    growing = maker.plain(text[:400], 300)
    for begin in range(400, len(text), 100):
        maker.append(growing, text[begin : begin + 100])
    assert growing.defaultTextOption().wrapMode() is anywhere
    assert growing.toPlainText() == text
    theme.deleteLater()


def test_fields_take_long_words(qtbot: QtBot) -> None:
    edit = PlainEdit()
    qtbot.addWidget(edit)
    edit.insertPlainText("1" * 100_000)
    assert edit.wordWrapMode() is QTextOption.WrapMode.WrapAnywhere
    edit.setPlainText("short")
    assert edit.wordWrapMode() is QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere


@given(st.text(alphabet="ab\n e\u0301\u200d", max_size=300), st.one_of(st.none(), st.integers(1, 400)))
def test_what_is_shown_stays_within_its_budget(text: str, budget: int | None) -> None:
    length = affordable(text, budget)
    assert 0 <= length <= len(text)
    if budget is None or cost_of(text) <= budget:
        assert length == len(text)
    else:
        assert cost_of(text[:length].rstrip("\n")) <= budget + 20


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_long_message_says_how_much_is_left_and_copies_all(view: ChatView, role: Role) -> None:
    text = "1234567890" * 20_000
    shows(view, Message(role, (Text(text),)))
    layout = view.layout_of(0)
    assert 0 < layout.hidden < len(text)
    notes = [piece.label for piece in layout.pieces if piece.kind is PieceKind.NOTE]
    assert f"… {layout.hidden:,} more characters" in notes
    shown = sum(len(piece.document.toPlainText()) for piece in layout.pieces if piece.document is not None)
    assert shown + layout.hidden == len(text)
    view.setCurrentIndex(view.model().index(0, 0))
    view.copy()
    assert QGuiApplication.clipboard().text() == text
    for _ in range(3):
        number = [button.action for button in view.layout_of(0).buttons].index(Action.SHOW_MORE)
        view._press(0, number)
        if not view.layout_of(0).hidden:
            break
    assert view.layout_of(0).hidden == 0


def test_code_without_end_is_shown_in_part_and_copied_whole(view: ChatView) -> None:
    code = "x = 1\n" * 20_000
    shows(view, Message("assistant", (Text(f"```py\n{code}```"),)))
    layout = view.layout_of(0)
    assert layout.hidden > 0
    button = next(button for button in layout.buttons if button.action is Action.COPY_CODE)
    assert button.payload == code.removesuffix("\n")


def test_a_reply_that_streams_is_shown_to_its_end(view: ChatView) -> None:
    message = Message("assistant", (), status=MessageStatus.STREAMING)
    shows(view, message)
    model = view.model()
    assert isinstance(model, ChatModel)
    for _ in range(20):
        message = message.extended(Text("words and words " * 200))
        model.replace(message)
    model.replace(replace(message, status=MessageStatus.COMPLETE))
    assert cost_of(message.text) > AT_FIRST
    assert view.layout_of(0).hidden == 0
    shows(view, replace(message, status=MessageStatus.COMPLETE, id="opened anew"))
    assert view.layout_of(0).hidden > 0


def test_a_thought_that_grows_is_not_laid_out_anew(view: ChatView) -> None:
    message = Message("assistant", (Thought("begun"),), status=MessageStatus.STREAMING)
    shows(view, message)
    view.toggle_thought(0)
    model = view.model()
    assert isinstance(model, ChatModel)
    first = view.layout_of(0).thought
    model.replace(message.extended(Thought(" and more")))
    second = view.layout_of(0).thought
    assert first is not None
    assert second is not None
    assert second[1] is first[1]
    assert second[1].toPlainText() == "begun and more"


def test_a_frame_lays_out_only_what_is_new(view: ChatView) -> None:
    message = Message("assistant", (Text("```\n```\n# a\n" * 30),), status=MessageStatus.STREAMING)
    shows(view, message)
    model = view.model()
    assert isinstance(model, ChatModel)
    before = list(view.layout_of(0).pieces)
    model.replace(message.extended(Text("\n```\nnew")))
    after = view.layout_of(0)
    assert sum(new is old for new, old in zip(after.pieces, before, strict=False)) >= len(before) - 2
    model.replace(message.extended(Text("\n```\nnew and more")))
    texts = [piece.document.toPlainText() for piece in view.layout_of(0).pieces if piece.document is not None]
    assert texts[-1] == "new and more"
    fresh = view._delegate._layouter.lay_out(view._shown(0), after.width, unfolded=False, before=None)
    assert [piece.rect for piece in fresh.pieces] == [piece.rect for piece in view.layout_of(0).pieces]
    assert texts == [piece.document.toPlainText() for piece in fresh.pieces if piece.document is not None]


def test_parts_between_tool_calls_are_not_parsed_anew(view: ChatView) -> None:
    call = ToolCall("x", {"a": 1}, "1")
    message = Message("assistant", (Text("# one\n\ntwo\n\nthree"), call, Text("a")), status=MessageStatus.STREAMING)
    shows(view, message)
    parsers = view._delegate._layouter._growing[1]
    before = parsers[0].parsed
    model = view.model()
    assert isinstance(model, ChatModel)
    model.replace(message.extended(Text(" b")))
    view.layout_of(0)
    assert parsers[0].parsed == before


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {"end": 1}
    for _ in range(depth):
        value = {"a": value}
    return value


def test_deep_arguments_do_not_grow_with_the_square_of_their_depth() -> None:
    assert json_words({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'
    assert len(json_words(nested(900))) < 10_000
    assert json_words(nested(100_000))
    assert json_words({"x": list(range(100))}).count("\n") > 100


def test_code_with_endless_lines_stays_plain() -> None:
    assert highlight("python", "x = 1\n")
    assert highlight("python", "x = " + "1" * 5000) == ()
    assert highlight("python", "x = 1\n" * 20_000) == ()


def test_answers_that_are_not_kept_take_long_words_and_code(qtbot: QtBot, qapp: QApplication) -> None:
    theme = Theme(qapp, "light")
    view = AnswerView(theme)
    qtbot.addWidget(view)
    view.show_exchanges([Exchange("?", answer="short words")])
    assert view.wordWrapMode() is not QTextOption.WrapMode.WrapAnywhere
    view.show_exchanges([Exchange("?", answer="1" * 5000)])
    assert view.wordWrapMode() is QTextOption.WrapMode.WrapAnywhere
    view.show_exchanges([Exchange("?", answer="```\n" + "x" * 30_000)])
    assert "… 10,000 more characters" in view.toPlainText()
    theme.deleteLater()
