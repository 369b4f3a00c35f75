"""What this is, and under which licences."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.theme import GRID, Theme
from inference.version import __version__

ROOT = Path(__file__).resolve().parent.parent
_MOST_BYTES = 1 << 20
_STONE = 64


class AboutDialog(QDialog):
    """Name, version, and the licence texts of everything that an installed build brings along."""

    def __init__(self, theme: Theme, root: Path = ROOT, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About Larimar"))
        self.setMinimumSize(520, 420)
        self.resize(860, 600)
        self._others = self.tr("Other packages")
        self._texts = {name or self._others: file for name, file in licence_texts(root).items()}
        stone = QLabel(self)
        stone.setPixmap(theme.icon("larimar", "#000000", _STONE).pixmap(_STONE, _STONE))
        self.title = QLabel(self.tr("Larimar {version}").format(version=__version__), self)
        font = QFont(theme.body_font)
        font.setWeight(QFont.Weight.DemiBold)
        font.setPointSizeF(font.pointSizeF() * 1.3)
        self.title.setFont(font)
        self.text = QLabel(
            self.tr(
                "A desktop assistant that runs Gemma 4 wholly on your own computer: nothing that you write or that it "
                "answers leaves it. Free software under the Apache License 2.0. Gemma is a trademark of Google LLC; "
                "Larimar is an independent project."
            ),
            self,
        )
        self.text.setWordWrap(True)
        self.list = QListWidget(self)
        self.list.setObjectName("sections")
        self.list.setAccessibleName(self.tr("Licences"))
        self.list.setFont(theme.body_font)
        self.view = QPlainTextEdit(self)
        self.view.setReadOnly(True)
        self.view.setAccessibleName(self.tr("Text of the licence"))
        self.view.setFont(theme.code_font)
        self.view.setTabChangesFocus(True)
        for name in self._texts:
            self.list.addItem(name)
        self.list.currentTextChanged.connect(self._show)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setChildrenCollapsible(False)
        split.addWidget(self.list)
        split.addWidget(self.view)
        split.setStretchFactor(1, 1)
        split.setSizes([190, 640])
        close = QDialogButtonBox(self)
        button = close.addButton(QDialogButtonBox.StandardButton.Close)
        button.setText(self.tr("Close"))
        button.setAccessibleName(self.tr("Close"))
        close.rejected.connect(self.reject)
        words = QVBoxLayout()
        words.addWidget(self.title)
        words.addWidget(self.text)
        head = QHBoxLayout()
        head.setSpacing(2 * GRID)
        head.addWidget(stone, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(head)
        column.addWidget(split, 1)
        column.addWidget(close)
        self.list.setCurrentRow(0)
        button.setFocus()

    def _show(self, name: str) -> None:
        file = self._texts.get(name)
        self.view.setLineWrapMode(
            QPlainTextEdit.LineWrapMode.WidgetWidth if file is None else QPlainTextEdit.LineWrapMode.NoWrap
        )
        if file is None:
            self.view.setPlainText(
                self.tr(
                    "This is a checkout, not an installed build: the packages that Larimar uses were installed by pip, "
                    "and each has its licence in its own folder of metadata. “pip show -f NAME” lists it."
                )
            )
            return
        try:
            with file.open("rb") as opened:
                self.view.setPlainText(opened.read(_MOST_BYTES).decode("utf-8", "replace"))
        except OSError as error:
            self.view.setPlainText(f"{file}: {error.strerror}")


def licence_texts(root: Path) -> dict[str, Path | None]:
    """Return files by the names to show; a checkout, which has no texts of others, gets ``None`` under no name."""
    texts: dict[str, Path | None] = {}
    for own in (root / "LICENSE", root / "licences" / "LICENSE"):
        if own.is_file():
            texts["Larimar"] = own
    folder = root / "licences"
    if not folder.is_dir():
        return texts | {"": None}
    overview = folder / "README.txt"
    if overview.is_file():
        texts = {"README.txt": overview, **texts}
    for file in sorted(folder.rglob("*"), key=lambda file: str(file).casefold()):
        if file.is_file() and file != overview and file not in texts.values():
            texts[str(file.relative_to(folder))] = file
    return texts
