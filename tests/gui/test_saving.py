"""Where the window saves files: nothing is replaced that the user did not name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from app.conversation import Conversation, Message
from app.history_store import WholeConversation
from app.transfer.documents import free_folder, unused_in
from app.transfer.markdown_export import export_markdown
from app.widgets.save_dialog import ask_where_to_save, with_ending
from inference.messages import Image


def test_nothing_in_a_folder_is_replaced_that_nobody_named(tmp_path: Path) -> None:
    (tmp_path / "Talk.md").write_text("old")
    names = [place.name for place in unused_in(tmp_path, ["talk.md", "Talk.md", "other.md"])]
    assert names == ["talk 2.md", "Talk 3.md", "other.md"]
    assert unused_in(tmp_path / "none", ["a.md"]) == [tmp_path / "none" / "a.md"]
    (tmp_path / "Talk media").mkdir()
    assert free_folder(tmp_path / "Talk media").name == "Talk media 2"
    assert free_folder(tmp_path / "Other media").name == "Other media"


def test_an_ending_that_nobody_saw_replaces_nothing(tmp_path: Path) -> None:
    kinds = {"Text (*.txt)": ".txt", "Subtitles (*.srt)": ".srt"}
    (tmp_path / "a.v2.txt").write_text("old")
    assert with_ending(tmp_path / "a.SRT", "Text (*.txt)", kinds).name == "a.SRT"
    assert with_ending(tmp_path / "a.v2", "Subtitles (*.srt)", kinds).name == "a.v2.srt"
    assert with_ending(tmp_path / "a.v2", "Text (*.txt)", kinds).name == "a.v2 2.txt"


def test_an_export_beside_an_older_one_keeps_its_attachments(tmp_path: Path) -> None:
    folder = tmp_path / "Talk media"
    folder.mkdir()
    (folder / "attachment").write_text("somebody else's")
    message = Message(role="user", parts=(Image(b"\x89PNG\r\n"),))
    conversation = Conversation(id="c", title="Talk", system_prompt="", leaf_id=message.id)
    export_markdown(WholeConversation(conversation, (message,), False), tmp_path / "Talk.md")
    assert (folder / "attachment").read_text() == "somebody else's"
    assert "Talk%20media%202/picture.png" in (tmp_path / "Talk.md").read_text()


@pytest.mark.parametrize(("typed", "kept"), [("notes", "notes.txt"), ("notes.txt", "notes.txt"), ("a.v2", "a.v2.txt")])
def test_the_dialog_knows_the_ending(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, kept: str
) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    asked: list[QFileDialog] = []

    def accept(dialog: QFileDialog) -> int:
        asked.append(dialog)
        assert dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave
        assert dialog.defaultSuffix() == "txt"
        dialog.selectFile(str(tmp_path / typed))
        return QFileDialog.DialogCode.Accepted

    monkeypatch.setattr(QFileDialog, "exec", accept)
    kinds = {"Text (*.txt)": ".txt", "Subtitles (*.srt)": ".srt"}
    assert ask_where_to_save(parent, "Save", tmp_path / "start.txt", kinds) == tmp_path / kept
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: QFileDialog.DialogCode.Rejected)
    assert ask_where_to_save(parent, "Save", tmp_path / "start.txt", kinds) is None
