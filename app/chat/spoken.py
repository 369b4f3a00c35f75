"""What of a reply is read aloud: the words, without the marks of Markdown and without code."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QTextDocument

from app.widgets.markdown import BlockKind, blocks

translate = QCoreApplication.translate  # the name that lupdate looks for


def spoken_text(markdown: str) -> str:
    """Return ``markdown`` as somebody would read it to another."""
    said = []
    for block in blocks(markdown):
        if block.kind is BlockKind.CODE:
            said.append(translate("Spoken", "(code)"))
        elif block.html:
            document = QTextDocument()
            document.setHtml(block.html)
            said.append(document.toPlainText().strip())
    return "\n".join(said)
