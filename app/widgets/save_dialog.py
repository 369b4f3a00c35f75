"""Asks where to save a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget


def ask_where_to_save(parent: QWidget, title: str, start: Path, kinds: Mapping[str, str]) -> Path | None:
    """Return where the user wants a file, or None.

    Args:
        parent: window that asks.
        title: of the dialog.
        start: folder and name to begin with.
        kinds: filters of the dialog, and the ending that belongs to each.
    """
    dialog = QFileDialog(parent, title, str(start.parent))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setNameFilters(list(kinds))
    # The dialog asks before a file is replaced, so it has to know the ending.
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(kinds.get(chosen, "").lstrip(".")))
    dialog.setDefaultSuffix(next(iter(kinds.values())).lstrip("."))
    dialog.selectFile(start.name)
    accepted = dialog.exec() == QFileDialog.DialogCode.Accepted
    chosen, kind = dialog.selectedFiles(), dialog.selectedNameFilter()
    dialog.deleteLater()
    return with_ending(Path(chosen[0]), kind, kinds) if accepted and chosen else None


def with_ending(path: Path, kind: str, kinds: Mapping[str, str]) -> Path:
    """Return ``path`` with an ending of ``kinds``; where that makes it another file which exists, a free one."""
    if path.suffix.lower() in kinds.values():
        return path
    ending = kinds.get(kind, next(iter(kinds.values())))
    whole, number = path.with_name(path.name + ending), 2
    while os.path.lexists(whole):
        whole = path.with_name(f"{path.name} {number}{ending}")
        number += 1
    return whole
