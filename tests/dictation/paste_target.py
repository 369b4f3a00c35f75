"""A small program with one text field: says ``ready``, then what the field holds after every change, as JSON lines."""

from __future__ import annotations

import json
import sys

from PySide6.QtWidgets import QApplication, QPlainTextEdit


def main() -> int:
    app = QApplication(sys.argv)
    app.setApplicationName("pastee")
    field = QPlainTextEdit()
    field.setWindowTitle("Paste Target")
    field.resize(400, 200)
    field.textChanged.connect(lambda: print(json.dumps(field.toPlainText()), flush=True))
    field.show()
    field.activateWindow()
    print("ready", flush=True)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
