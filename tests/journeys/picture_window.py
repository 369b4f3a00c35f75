"""A window without a frame that shows a picture: ``python picture_window.py FILE X Y``. Says when it is there."""

from __future__ import annotations

import sys

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication, QLabel


def main() -> int:
    app = QApplication([])
    picture = QPixmap(sys.argv[1])
    window = QLabel()
    window.setWindowTitle("picture")
    window.setWindowFlags(Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
    window.setPixmap(picture)
    window.setGeometry(int(sys.argv[2]), int(sys.argv[3]), picture.width(), picture.height())
    window.show()
    print("ready", flush=True)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
