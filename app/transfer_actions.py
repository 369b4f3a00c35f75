"""Exporting and importing, from the question for a file to the word that it is done. The work is done elsewhere."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, QTimer
from PySide6.QtWidgets import QFileDialog

from app.background import Background
from app.error_report import describe
from app.history.pane import HistoryPane
from app.history_store import Entry, HistoryStore, WholeConversation
from app.private_files import make_private_folder
from app.transfer.course import Course, TransferCancelled
from app.transfer.documents import TransferError, file_name, title_words, unused_in
from app.widgets.save_dialog import ask_where_to_save
from inference.errors import LarimarError

log = logging.getLogger(__name__)

_TICK_MS = 300
_ENDINGS = {"markdown": ".md", "html": ".html", "pdf": ".pdf", "json": ".zip"}


class TransferActions(QObject):
    """Answers what the sidebar asks for in its menus."""

    def __init__(
        self,
        pane: HistoryPane,
        store: HistoryStore,
        background: Background,
        parent: QObject,
        unpacked: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self._pane = pane
        self._store = store
        self._background = background
        self._unpacked = unpacked
        self.imported: Callable[[], object] = lambda: None
        """Called when there are more conversations than before."""
        self.choose_target: Callable[[str, str], Path | None] = self._ask_for_target
        self.choose_folder: Callable[[], Path | None] = self._ask_for_folder
        self.choose_source: Callable[[], Path | None] = self._ask_for_source
        self._course: Course | None = None
        self._shown_after = QTimer(self)  # what is done at once needs no bar
        self._shown_after.setInterval(_TICK_MS)
        self._shown_after.timeout.connect(self._show_course)
        pane.progress.cancel_requested.connect(self._cancel)
        pane.export_requested.connect(self.export)
        pane.import_requested.connect(self.import_archive)

    def export(self, conversation_id: str, form: str) -> None:
        """Export a conversation, or all of them when there is no id."""
        if conversation_id:
            self._when(self._store.whole(conversation_id), lambda whole: self._export([whole], form))
        else:
            self._when(self._store.entries(), lambda entries: self._gather(entries, form))

    def import_archive(self) -> None:
        """Let the user choose an archive and add what is new in it."""
        source = self.choose_source()
        if source is None:
            return
        self._pane.say(self.tr("Importing …"))
        store = self._store
        self._background.run(lambda: _import(store, source, self._unpacked), self._imported, self._failed)

    # --- how ---

    def _gather(self, entries: Sequence[Entry], form: str) -> None:
        if not entries:
            self._pane.say(self.tr("There is nothing to export yet."))
            return
        futures = [self._store.whole(entry.id) for entry in entries]
        self._background.run(
            lambda: [future.result() for future in futures],
            lambda wholes: self._export(wholes, form, several=True),
            self._failed,
        )

    def _export(self, wholes: Sequence[WholeConversation], form: str, several: bool = False) -> None:
        ending = _ENDINGS[form]
        if several and form != "json":
            folder = self.choose_folder()
            if folder is None:
                return
            target = None
            names = [f"{file_name(title_words(whole))}{ending}" for whole in wholes]
            where = names[0] if len(names) == 1 else str(folder)
        else:
            name = self.tr("Larimar conversations") if several else file_name(title_words(wholes[0]))
            target = self.choose_target(f"{name}{ending}", ending)
            if target is None:
                return
            folder, names, where = target.parent, [target.name], target.name

        def targets() -> Sequence[Path]:  # looks at the disk
            return unused_in(folder, names) if target is None else [target]

        if self._course is not None:
            self._pane.say(self.tr("Another export is under way."))
            return
        course = self._course = Course(sum(len(whole.messages) for whole in wholes))
        self._shown_after.start()
        done = self.tr("Exported to “{where}”").format(where=where)
        self._background.run(
            lambda: _export(wholes, form, targets(), course), lambda _: self._exported(done), self._not_exported
        )

    def _exported(self, words: str) -> None:
        self._end_course()
        self._pane.say(words)

    def _not_exported(self, error: Exception) -> None:
        self._end_course()
        if isinstance(error, TransferCancelled):
            self._pane.say(self.tr("The export was stopped."))
        else:
            self._failed(error)

    def _cancel(self) -> None:
        if self._course is not None:
            self._course.cancelled = True

    def _show_course(self) -> None:
        if self._course is not None:
            self._pane.progress.show_share(self.tr("Exporting …"), self._course.done / max(1, self._course.total))

    def _end_course(self) -> None:
        self._course = None
        self._shown_after.stop()
        self._pane.progress.hide()

    def _imported(self, counts: tuple[int, int]) -> None:
        messages, conversations = counts
        if messages:
            words = self.tr("Imported: {messages} messages in {conversations} conversations")
            self._pane.say(words.format(messages=messages, conversations=conversations))
        else:
            self._pane.say(self.tr("Everything in this archive is here already."))
        self.imported()

    def _when(self, future: Future, done: Callable) -> None:  # type: ignore[type-arg]
        self._background.when_done(future, done, self._failed)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, LarimarError):
            self._pane.say(str(error), alarming=True)
        else:
            log.error("A transfer failed: %s", describe(error))
            self._pane.say(self.tr("That did not work. The log says more."), alarming=True)

    def _ask_for_target(self, suggestion: str, ending: str) -> Path | None:
        start = Path(_documents(), suggestion)
        return ask_where_to_save(self._pane, self.tr("Export"), start, {f"*{ending}": ending})

    def _ask_for_folder(self) -> Path | None:
        chosen = QFileDialog.getExistingDirectory(self._pane, self.tr("Export all conversations"), _documents())
        return Path(chosen) if chosen else None

    def _ask_for_source(self) -> Path | None:
        kinds = self.tr("Larimar archives") + " (*.zip *.json)"
        chosen, _ = QFileDialog.getOpenFileName(self._pane, self.tr("Import"), _documents(), kinds)
        return Path(chosen) if chosen else None


def _documents() -> str:
    return QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)


def _export(wholes: Sequence[WholeConversation], form: str, targets: Sequence[Path], course: Course) -> None:
    """Write the files; on a background thread, which also pays for the imports."""
    if form == "json":
        from app.transfer.archive import export_archive

        export_archive(wholes, targets[0], course)
        return
    from app.transfer.html_export import export_html
    from app.transfer.markdown_export import export_markdown
    from app.transfer.pdf_export import export_pdf

    write = {"markdown": export_markdown, "html": export_html, "pdf": export_pdf}[form]
    for whole, target in zip(wholes, targets, strict=True):
        write(whole, target, course)


def _import(store: HistoryStore, source: Path, unpacked: Path | None) -> tuple[int, int]:
    """Return how many messages were new, and in how many conversations; on a background thread."""
    from app.transfer.archive import import_archive

    folder = _folder_in(unpacked)
    try:
        added = [store.add(whole) for whole in import_archive(source, folder)]
        counts = [future.result() for future in added]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return sum(counts), sum(1 for count in counts if count)


def _folder_in(unpacked: Path | None) -> Path:
    """Return a new folder for what is unpacked: in ``unpacked``, which is looked after, or where others put such."""
    if unpacked is not None:
        try:
            make_private_folder(unpacked)
            return Path(tempfile.mkdtemp(prefix="larimar-import-", dir=unpacked))
        except OSError as error:
            log.info("Archives are unpacked elsewhere: %s", error.strerror)
    try:
        return Path(tempfile.mkdtemp(prefix="larimar-import-"))
    except OSError as error:
        raise TransferError(f"There is no place to unpack it: {error.strerror}. Nothing was imported.") from error
