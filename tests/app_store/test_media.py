"""Attachments as files beside the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.conversation import Conversation, Message
from app.store.errors import StoreError
from app.store.media import CopyCancelledError, MediaFiles, safe_name
from app.store.sqlite_store import MEDIA, SqliteStore
from app_store.sample_conversations import begun
from inference.messages import Audio, Image, Part, Text, Video

PICTURE = b"\x89PNG and so on"


def sources(store: SqliteStore, conversation: Conversation) -> list[Path]:
    (message,) = store.path(conversation.id).result()
    return [part.source for part in message.media if isinstance(part.source, Path)]


def asked(store: SqliteStore, *parts: Part) -> tuple[Conversation, Message]:
    conversation = Conversation(title="T")
    message = Message("user", (Text("What is this?"), *parts))
    store.create(conversation)
    store.append(conversation.id, message).result()
    return conversation, message


def test_attachments_are_copied_under_their_names(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = open_store()
    photo, film = tmp_path / "evening.png", tmp_path / "ball.mp4"
    photo.write_bytes(PICTURE)
    film.write_bytes(b"film")
    conversation, message = asked(store, Image(photo, 280), Image(PICTURE), Audio(b"RIFFxxxxWAVE"), Video(film))
    photo.unlink()
    film.unlink()
    store = open_store()
    kept = sources(store, conversation)
    assert [path.name for path in kept] == ["evening.png", "picture.png", "recording.wav", "ball.mp4"]
    assert [path.read_bytes() for path in kept] == [PICTURE, PICTURE, b"RIFFxxxxWAVE", b"film"]
    assert kept[0].parent == kept[1].parent, "the same content lies in one place"
    assert store.path(conversation.id).result()[0].media[0] == Image(kept[0], 280)
    assert [hit.message_id for hit in store.search("evening").result()] == [message.id]
    assert not list((tmp_path / "store" / MEDIA).glob("incoming/*"))


def test_a_message_with_media_is_there_before_the_copy(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Message, ...]] = []
    keep = MediaFiles.keep
    conversation = Conversation()

    def slow(self: MediaFiles, source: Path | bytes, cancelled: Callable[[], bool]) -> str:
        seen.append(store.path(conversation.id).result())
        return keep(self, source, cancelled)

    monkeypatch.setattr(MediaFiles, "keep", slow)
    message = Message("user", (Image(PICTURE),))
    store.create(conversation)
    store.append(conversation.id, message).result()
    assert seen == [(message,)]
    assert len(sources(store, conversation)) == 1


def test_copies_that_were_interrupted_are_made_at_the_next_start(
    open_store: Callable[..., SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()

    def give_up(self: MediaFiles, source: Path | bytes, cancelled: Callable[[], bool]) -> str:
        raise CopyCancelledError

    with monkeypatch.context() as patched:
        patched.setattr(MediaFiles, "keep", give_up)
        conversation = Conversation()
        store.create(conversation)
        store.append(conversation.id, Message("user", (Image(PICTURE),)))
        assert store.path(conversation.id).result()[0].media == (Image(PICTURE),)
        store.close()
    store = open_store()
    store.ready().result()
    store._copier.submit(lambda: None).result()
    assert [path.read_bytes() for path in sources(store, conversation)] == [PICTURE]


def test_an_attachment_that_vanished_is_said_and_the_message_kept(store: SqliteStore, tmp_path: Path) -> None:
    conversation = Conversation()
    message = Message("user", (Text("Look"), Image(tmp_path / "gone.png")))
    store.create(conversation)
    with pytest.raises(StoreError, match=r"“gone\.png” is no longer there"):
        store.append(conversation.id, message).result()
    assert store.path(conversation.id).result() == (message,)


def test_media_go_when_no_message_needs_them(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = open_store()
    shared, own = b"\x89PNG shared", b"\x89PNG own"
    first, _ = asked(store, Image(shared))
    second, _ = asked(store, Image(shared), Image(own))
    kept = sources(store, second)
    store.delete(second.id).result()
    assert all(path.exists() for path in kept), "it can still be undone"
    store.restore(second.id).result()
    assert len(store.entries().result()) == 2
    store.delete(second.id)
    store.purge().result()
    store._copier.submit(lambda: None).result()
    assert [path.exists() for path in kept] == [True, False]
    store.delete(first.id).result()
    store = open_store()
    store.ready().result()
    store._copier.submit(lambda: None).result()
    assert not kept[0].exists()
    with pytest.raises(KeyError):
        store.conversation(first.id).result()


def test_nothing_deleted_is_left_in_the_file(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = open_store()
    conversation, _ = begun(store, "T", "the secret is xylophonist", "I see")
    begun(store, "Other", "something else")
    store.delete(conversation.id)
    store.purge().result()
    store.close()
    assert b"xylophon" not in (tmp_path / "store" / "conversations.sqlite").read_bytes()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a:b?.png", "a_b_.png"),
        ("...", "file"),
        ("aux.png", "_aux.png"),
        ("ü" * 80 + ".jpeg", "ü" * 47 + ".jpeg"),
        ("Bericht 2026.pdf", "Bericht 2026.pdf"),
    ],
)
def test_names_suit_every_file_system(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize("reference", ["", "../x", "ab/x", f"{'a' * 64}/../x", f"{'a' * 64}/"])
def test_a_reference_leads_nowhere_else(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ValueError, match="no reference"):
        MediaFiles(tmp_path).path(reference)
