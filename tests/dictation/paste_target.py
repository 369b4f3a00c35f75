"""A small program with one text field: says ``ready``, then what the field holds after every change, as JSON lines.

Its window may not be on the screen yet when it is ready: look for it by its title, the program's argument.
"""

from __future__ import annotations

import json
import sys

from PySide6.QtWidgets import QApplication, QPlainTextEdit


def main() -> int:
    app = QApplication(sys.argv)
    app.setApplicationName("pastee")
    field = QPlainTextEdit()
    field.setWindowTitle(sys.argv[1])
    field.resize(400, 200)
    field.textChanged.connect(lambda: print(json.dumps(field.toPlainText()), flush=True))
    field.show()
    field.activateWindow()
    print("ready", flush=True)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
