"""Taking conversations out, and bringing them in again."""

from __future__ import annotations

import errno
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import QSize, Qt
from PySide6.QtPdf import QPdfDocument
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.conversation import Conversation, Message, MessageStatus
from app.history_store import WholeConversation
from app.store.sqlite_store import SqliteStore
from app.transfer.archive import INDEX, export_archive, import_archive
from app.transfer.course import Course, TransferCancelled
from app.transfer.documents import TransferError, file_name, unused, write_whole
from app.transfer.html_export import export_html
from app.transfer.markdown_export import export_markdown
from app.transfer.pdf_export import export_pdf
from gui import sample_history
from inference.errors import DiskSpaceError
from inference.messages import Audio, Image, ReplyStats, Text, Thought, ToolCall, ToolResult

MakeApp = Callable[..., Larimar]
ANSWER = """A **heron**, it seems.

```python
print("grey & <white>")
```

| bird | legs |
|------|-----:|
| heron | 2 |

<script>alert(1)</script> [a link](https://example.org/?a=1&b=2) and 5 < 6"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def whole(store: SqliteStore, tmp_path: Path, qapp: object) -> WholeConversation:
    """A conversation with two branches, media and tools, as a store gives it back."""
    photo, sound = tmp_path / "heron.jpg", tmp_path / "call.wav"
    PIL.Image.effect_noise((96, 64), 60).convert("RGB").save(photo)
    sound.write_bytes(b"RIFF, and so on")
    conversation = Conversation(title="Which bird is <this>?", system_prompt="You know birds.")
    question = Message("user", (Text("Which bird\nis <this>?"), Image(photo, 280), Audio(sound)))
    first = Message("assistant", (Text("A gull."),), question.id, status=MessageStatus.STOPPED)
    call = ToolCall("birds", {"legs": 2}, "1")
    stats = ReplyStats(12, generated_tokens=7, decode_seconds=0.5)
    second = Message(
        "assistant",
        (Thought("grey, long legs"), call, Text(ANSWER)),
        question.id,
        finish_reason="stop",
        thought_seconds=2.4,
        stats=stats,
        model="Gemma",
    )
    result = Message("tool", (ToolResult("birds", {"name": "heron"}, "1"),), second.id)
    store.create(conversation)
    for message in (question, first, second, result):
        store.append(conversation.id, message)
    store.pin(conversation.id, True)
    store._copier.submit(lambda: None).result()
    store.ready().result()
    made = store.whole(conversation.id).result()
    while any(store._media.reference(part.source) is None for part in made.messages[0].media):
        made = store.whole(conversation.id).result()
    return made


def content(whole: WholeConversation) -> tuple[object, ...]:
    """Return everything about a conversation, its media as names and bytes."""

    def part(one: object) -> object:
        source = getattr(one, "source", None)
        return (type(one), source.name, source.read_bytes()) if isinstance(source, Path) else one

    messages = tuple((replace(message, parts=()), tuple(map(part, message.parts))) for message in whole.messages)
    return whole.conversation, messages, whole.pinned


def test_an_archive_comes_back_as_it_was_and_only_once(whole: WholeConversation, tmp_path: Path) -> None:
    archive = tmp_path / "out.zip"
    export_archive([whole], archive)
    other = SqliteStore(tmp_path / "other")
    try:
        for new in (4, 0):
            (read,) = import_archive(archive, tmp_path / f"unpacked {new}")
            assert other.add(read).result() == new
        again = other.whole(whole.conversation.id).result()
        assert content(again) == content(whole)
        assert len(other.entries().result()) == 1
        assert other.page(whole.conversation.id).result().siblings
        assert len(other.search("heron").result()) >= 2

        follow = Message("user", (Text("And where?"),), whole.messages[-1].id)
        longer = replace(whole, messages=(*whole.messages, follow))
        export_archive([longer], archive)
        other.rename(whole.conversation.id, "Mine")
        (read,) = import_archive(archive, tmp_path / "unpacked")
        assert other.add(read).result() == 1
        kept = other.conversation(whole.conversation.id).result()
        assert (kept.title, kept.leaf_id) == ("Mine", whole.conversation.leaf_id)
    finally:
        other.close()


def test_a_deleted_conversation_is_there_again_after_an_import(
    store: SqliteStore, whole: WholeConversation, tmp_path: Path
) -> None:
    export_archive([whole], tmp_path / "out.zip")
    store.delete(whole.conversation.id).result()
    (read,) = import_archive(tmp_path / "out.zip", tmp_path / "unpacked")
    assert store.add(read).result() == 0
    assert len(store.entries().result()) == 1


def altered(archive: Path, change: Callable[[dict[str, object]], object], *, drop: str = "", spoil: str = "") -> None:
    """Write ``archive`` anew with another index, without some files, or with other content in them."""
    with zipfile.ZipFile(archive) as old:
        files = {name: old.read(name) for name in old.namelist()}
    index = json.loads(files[INDEX])
    change(index)
    files[INDEX] = json.dumps(index).encode()
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in files.items():
            if not (drop and name.endswith(drop)):
                new.writestr(name, b"spoilt" if spoil and name.endswith(spoil) else data)


def first_message(index: dict) -> dict:  # type: ignore[type-arg]
    message: dict = index["conversations"][0]["messages"][0]  # type: ignore[type-arg]
    return message


BAD: dict[str, tuple[Callable[..., object], dict[str, str], str]] = {
    "newer": (lambda index: index.update(version=2), {}, "newer Larimar"),
    "another format": (lambda index: index.update(format="x"), {}, "not what Larimar writes"),
    "no conversations": (lambda index: index.pop("conversations"), {}, "not what Larimar writes"),
    "an orphan": (lambda index: first_message(index).update(parent="nobody"), {}, "not what Larimar writes"),
    "a strange role": (lambda index: first_message(index).update(role="root"), {}, "not what Larimar writes"),
    "no leaf": (lambda index: index["conversations"][0].update(leaf="nobody"), {}, "not what Larimar writes"),
    "a file of the reader": (
        lambda index: first_message(index)["parts"].append({"type": "image", "path": "/etc/passwd"}),
        {},
        "not what Larimar writes",
    ),
    "a way out": (
        lambda index: first_message(index)["parts"].append({"type": "image", "media": "../../x/y"}),
        {},
        "not what Larimar writes",
    ),
    "missing media": (lambda index: None, {"drop": "heron.jpg"}, "lacks 1 of its attachments"),
    "spoilt media": (lambda index: None, {"spoil": "heron.jpg"}, "is damaged"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_archives_are_refused_with_a_sentence(whole: WholeConversation, tmp_path: Path, kind: str) -> None:
    change, how, sentence = BAD[kind]
    export_archive([whole], tmp_path / "out.zip")
    altered(tmp_path / "out.zip", change, **how)  # type: ignore[arg-type]
    with pytest.raises(TransferError, match=sentence):
        import_archive(tmp_path / "out.zip", tmp_path / "unpacked")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_archives_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(TransferError, match="Nothing was imported"):
        import_archive(tmp_path / "x.zip", tmp_path / "unpacked")


def test_a_cut_archive_is_refused(whole: WholeConversation, tmp_path: Path) -> None:
    archive = tmp_path / "out.zip"
    export_archive([whole], archive)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(TransferError):
        import_archive(archive, tmp_path / "unpacked")


def test_markdown_has_what_is_shown_and_the_media_beside_it(whole: WholeConversation, tmp_path: Path) -> None:
    target = tmp_path / "out" / "bird.md"
    target.parent.mkdir()
    export_markdown(whole, target)
    text = target.read_text(encoding="utf-8")
    assert text.startswith("# Which bird is \\<this\\>?\n")
    assert "> You know birds." in text
    assert ANSWER.replace("<script", "\\<script").replace("</script", "\\</script") in text
    assert "A gull." not in text
    assert "> grey, long legs" in text
    assert '"legs": 2' in text
    assert "![heron.jpg](bird%20media/heron.jpg)" in text
    assert (tmp_path / "out" / "bird media" / "heron.jpg").stat().st_size > 1000
    assert sorted(path.name for path in target.parent.iterdir()) == ["bird media", "bird.md"]


def test_html_is_one_file_that_loads_nothing(whole: WholeConversation, tmp_path: Path) -> None:
    target = tmp_path / "bird.html"
    export_html(whole, target)
    text = target.read_text(encoding="utf-8")
    assert "<title>Which bird is &lt;this&gt;?</title>" in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert '<span class="code_string">' in text
    assert "grey &amp; &lt;white&gt;" in text
    assert 'src="data:image/jpeg;base64,' in text
    assert "<audio controls" in text
    assert text.count("src=") == text.count('src="data:')
    assert "default-src 'none'" in text


def test_pdf_has_pages_with_the_words(whole: WholeConversation, tmp_path: Path, qtbot: QtBot) -> None:
    target = tmp_path / "bird.pdf"
    export_pdf(whole, target)
    document = QPdfDocument()
    assert document.load(str(target)) is QPdfDocument.Error.None_
    text = "".join(document.getAllText(page).text() for page in range(document.pageCount()))
    for expected in ("Which bird is <this>?", "You know birds.", "heron", "grey, long legs", "[call.wav]"):
        assert expected in text
    assert not document.render(0, QSize(200, 280)).isNull()
    document.close()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    def write(unfinished: Path) -> None:
        unfinished.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "old.md").write_text("the old one")
    with pytest.raises(DiskSpaceError, match="too little room"):
        write_whole(tmp_path / "old.md", write)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the old one"]
    with pytest.raises(TransferError, match="could not be written"):
        write_whole(tmp_path / "nowhere" / "x.md", lambda unfinished: unfinished.write_bytes(b"") and None)


def test_names_of_files_are_safe_and_differ() -> None:
    assert file_name("a/b: what?\n now") == "a_b_ what_ now"
    assert file_name("...") == "file"
    taken: set[Path] = set()
    names = [unused(Path("x.md"), taken).name for _ in range(3)]
    assert names == ["x.md", "x 2.md", "x 3.md"]


@pytest.mark.parametrize(("form", "ending"), [("markdown", "md"), ("html", "html"), ("pdf", "pdf"), ("json", "zip")])
def test_the_menu_exports(qtbot: QtBot, make_app: MakeApp, tmp_path: Path, form: str, ending: str) -> None:
    larimar = make_app(FakeEngine([words("a heron")]))
    pane, chat = larimar.window.history, larimar.window.chat
    chat.ask("Which bird?")
    qtbot.waitUntil(lambda: not chat.controller.busy and len(pane.model.rows) == 2)
    asked: list[str] = []

    def choose(suggestion: str, _: str) -> Path:
        asked.append(suggestion)
        return tmp_path / f"out.{ending}"

    larimar.transfer.choose_target = choose
    pane.export_requested.emit(chat.controller.conversation.id, form)
    qtbot.waitUntil(lambda: "Exported" in pane.message.text())
    assert asked == [f"Which bird_.{ending}"]
    assert (tmp_path / f"out.{ending}").stat().st_size > 50


def test_all_conversations_go_out_and_come_in(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    larimar = make_app(FakeEngine())
    pane = larimar.window.history
    made = sample_history.fill(larimar.conversations)
    larimar.transfer.choose_folder = lambda: tmp_path / "out"
    larimar.transfer.choose_target = lambda *_: tmp_path / "all.zip"
    larimar.transfer.choose_source = lambda: tmp_path / "all.zip"
    (tmp_path / "out").mkdir()
    pane.export_requested.emit("", "markdown")
    qtbot.waitUntil(lambda: "Exported" in pane.message.text())
    assert len(list((tmp_path / "out").glob("*.md"))) == len(made)
    pane.message.clear()
    pane.export_requested.emit("", "json")
    qtbot.waitUntil(lambda: "Exported" in pane.message.text())
    for conversation in made[:2]:
        larimar.conversations.delete(conversation.id)
    larimar.conversations.purge().result()
    pane.import_requested.emit()
    qtbot.waitUntil(lambda: "Imported: 4 messages in 2 conversations" in pane.message.text())
    assert len(larimar.conversations.entries().result()) == len(made)
    pane.import_requested.emit()
    qtbot.waitUntil(lambda: "here already" in pane.message.text())
    (tmp_path / "all.zip").write_bytes(b"x")
    pane.import_requested.emit()
    qtbot.waitUntil(lambda: "Nothing was imported" in pane.message.text())
    assert pane.message.property("alarming") == "yes"


@pytest.mark.parametrize("form", ["markdown", "html", "pdf", "archive"])
def test_a_stopped_export_leaves_nothing_behind(whole: WholeConversation, tmp_path: Path, form: str) -> None:
    target = tmp_path / "out" / "file"
    target.parent.mkdir()
    write = {"markdown": export_markdown, "html": export_html, "pdf": export_pdf}.get(form)
    course = Course(len(whole.messages))
    course.cancelled = True
    with pytest.raises(TransferCancelled):
        write(whole, target, course) if write else export_archive([whole], target, course)
    assert list(target.parent.iterdir()) == []
    course = Course(len(whole.messages))
    write(whole, target, course) if write else export_archive([whole], target, course)
    assert course.done > 1
    assert target.is_file()


def test_a_long_export_shows_how_far_it_is_and_can_be_stopped(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, begun = threading.Event(), threading.Event()

    def slow(wholes: object, target: Path, course: Course) -> None:
        course.done = course.total // 2
        begun.set()
        while not course.cancelled:
            held.wait(0.01)
        course.check()

    monkeypatch.setattr("app.transfer.archive.export_archive", slow)
    monkeypatch.setattr("app.transfer_actions._TICK_MS", 1)
    larimar = make_app(FakeEngine([words("ok")]))
    larimar.window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.window.chat.model.rowCount() == 2 and not larimar.window.chat.controller.busy)
    larimar.transfer.choose_target = lambda name, ending: tmp_path / name
    larimar.transfer.export("", "json")
    qtbot.waitUntil(begun.is_set)
    progress = larimar.window.history.progress
    qtbot.waitUntil(progress.isVisible)
    assert progress.bar.value() == 500
    qtbot.mouseClick(progress.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not progress.isVisible())
    assert larimar.window.history.message.text() == "The export was stopped."
