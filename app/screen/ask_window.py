"""The small window beside what was picked: the picture, what can be asked about it, and the answers."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QCloseEvent,
    QColor,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.picture_talk import PictureTalk
from app.session import Session, SessionState
from app.theme import GRID, Theme
from app.widgets.answer_view import AnswerView
from app.widgets.question_bar import QuestionBar
from inference.messages import Image

_WIDTH = 420
_PICTURE_AT_MOST = 200
_BESIDE = 2 * GRID
_SAID_MS = 2500


class AskWindow(QWidget):
    """Stays on top until Esc. What it holds is gone when it closes, unless it was continued in the chat."""

    continue_requested = Signal(object)
    """The user wants to go on in the chat; carries the turns so far."""
    again_requested = Signal()
    """The user wants to pick another part."""
    closed = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        flags = Qt.WindowType.Window | Qt.WindowType.WindowStaysOnTopHint
        flags |= Qt.WindowType.WindowTitleHint | Qt.WindowType.WindowCloseButtonHint
        super().__init__(parent, flags | Qt.WindowType.CustomizeWindowHint)
        self.setObjectName("ask_window")
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle(self.tr("Ask about the screen"))
        self.setWindowIcon(theme.icon("larimar", "#000000", 64))
        self._session = session
        self._theme = theme
        self.talk = PictureTalk(session, self, remembers=True)
        self.picture = Picture(theme, self)
        self.trouble = QLabel(self)
        self.trouble.setObjectName("said")
        self.trouble.setProperty("alarming", "yes")
        self.trouble.setWordWrap(True)
        self.trouble.hide()
        self.actions_row = [
            self._action(words, question)
            for words, question in (
                (self.tr("Describe"), self.tr("Describe what you see.")),
                (self.tr("Read the text"), self.tr("Read the text.")),
                (self.tr("Explain this"), self.tr("Explain this.")),
            )
        ]
        self.answers = AnswerView(theme, self)
        self.question = QuestionBar(theme, self.tr("Ask about this picture"), self)
        self.again = QPushButton(self.tr("Pick again"), self)
        self.copy = QPushButton(self.tr("Copy answer"), self)
        self.to_chat = QPushButton(self.tr("Continue in chat"), self)
        for button in (self.again, self.copy, self.to_chat):
            button.setProperty("kind", "flat")
            button.setAccessibleName(button.text())
        self._media: Image | None = None
        self._waiting = ""
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(_SAID_MS)
        self._copied.timeout.connect(lambda: self.copy.setText(self.tr("Copy answer")))
        self._arrange()
        self.talk.changed.connect(self._show_talk)
        self.talk.ended.connect(self._answer_ended)
        self.question.submitted.connect(self.ask)
        self.question.stop_requested.connect(self.talk.stop)
        self.question.escaped.connect(self.close)
        self.again.clicked.connect(lambda _checked=False: self.again_requested.emit())
        self.copy.clicked.connect(lambda _checked=False: self._copy())
        self.to_chat.clicked.connect(lambda _checked=False: self._continue())
        session.state_changed.connect(lambda _: self._refresh())
        theme.changed.connect(self._refresh)
        self._show_talk()
        self._refresh()

    # --- what is shown ---

    def show_picture(self, image: QImage, media: Image | None, beside: QRect | None) -> None:
        """Begin with a picture: ``image`` is what is painted, ``media`` what the model gets (``None``: not yet).

        ``beside`` is where it was on the desktop, in Qt's coordinates; the window keeps out of its way.
        """
        self.talk.clear()
        self._media, self._waiting = media, ""
        self.picture.show_image(image)
        self._show_parts(picture=True)
        self._refresh()
        self._come(beside)

    def set_media(self, media: Image) -> None:
        """Take what the model gets; a question that waited for it is asked now."""
        self._media = media
        self._refresh()
        waiting, self._waiting = self._waiting, ""
        if waiting:
            self.ask(waiting)

    def show_trouble(self, sentence: str) -> None:
        """Say why there is no picture."""
        self.talk.clear()
        self._media = None
        self.trouble.setText(sentence)
        self._show_parts(picture=False)
        self._refresh()
        self._announce(sentence)
        self._come(None)

    def ask(self, question: str) -> None:
        """Ask about the picture, and what was said of it so far."""
        if self._media is None:
            self._waiting = question
        else:
            self.talk.ask(question, () if self.talk.turns else (self._media,))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close with Esc."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Leave no trace."""
        super().closeEvent(event)
        self._media, self._waiting = None, ""
        self.talk.clear()
        self.picture.show_image(QImage())
        self.question.edit.clear()
        self.closed.emit()

    # --- how ---

    def _action(self, words: str, question: str) -> QPushButton:
        button = QPushButton(words, self)
        button.setAccessibleName(words)
        button.setProperty("kind", "toggle")
        button.clicked.connect(lambda _checked=False: self.ask(question))
        return button

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID + 4)
        column.addWidget(self.picture)
        column.addWidget(self.trouble)
        actions = QHBoxLayout()
        actions.setSpacing(GRID)
        for button in self.actions_row:
            actions.addWidget(button)
        actions.addStretch(1)
        column.addLayout(actions)
        column.addWidget(self.answers, 1)
        column.addWidget(self.question)
        below = QHBoxLayout()
        below.setSpacing(0)
        below.addWidget(self.again)
        below.addStretch(1)
        below.addWidget(self.copy)
        below.addWidget(self.to_chat)
        column.addLayout(below)
        self.setMinimumWidth(340)

    def _show_parts(self, *, picture: bool) -> None:
        """Show what goes with a picture, or with the sentence why there is none."""
        for widget in (self.picture, *self.actions_row, self.question, self.copy, self.to_chat):
            widget.setVisible(picture)
        self.trouble.setVisible(not picture)
        self.again.setText(self.tr("Pick again") if picture else self.tr("Try again"))
        self.again.setAccessibleName(self.again.text())

    def _come(self, beside: QRect | None) -> None:
        """Appear, beside the place if there is room."""
        self._fit()
        if not self.isVisible():
            screen = QGuiApplication.screenAt(beside.center()) if beside is not None else None
            room = (screen or QGuiApplication.primaryScreen()).availableGeometry()
            self.move(place_beside(self.frameGeometry().size(), beside, room))
        self.show()
        self.raise_()
        self.activateWindow()
        stop = self.question if self.question.isVisible() else self.again
        stop.setFocus(Qt.FocusReason.OtherFocusReason)

    def _fit(self) -> None:
        """Be as high as what it holds, within reason."""
        layout = self.layout()
        assert layout is not None
        layout.activate()
        wanted = layout.sizeHint().height()
        if self.answers.isVisibleTo(self):
            wanted += max(0, min(self.answers.height_of_all, 320) - self.answers.sizeHint().height())
        width = max(self.width(), _WIDTH) if self.isVisible() else _WIDTH
        if not self.trouble.isHidden():
            wanted = layout.heightForWidth(width)
        if not self.isVisible() or wanted > self.height() or not self.trouble.isHidden():
            self.resize(QSize(width, wanted))

    def _show_talk(self) -> None:
        self.answers.show_exchanges(self.talk.exchanges)
        asked = bool(self.talk.exchanges)
        self.answers.setVisible(asked)
        answered = bool(self.talk.turns) and not self.talk.busy
        self.copy.setEnabled(answered)
        self.to_chat.setEnabled(answered)
        if asked and self.isVisible():
            self._fit()
        self._refresh()

    def _answer_ended(self) -> None:
        if self.talk.exchanges:
            last = self.talk.exchanges[-1]
            self._announce(last.error or last.answer or self.tr("The answer was stopped."))

    def _refresh(self) -> None:
        model = self._session.model
        blind = model is not None and "image" not in model.modalities
        there = self.picture.isVisibleTo(self)
        ready = self._session.takes_questions and not blind and there
        for button in self.actions_row:
            button.setEnabled(ready)
        self.question.set_state(ready=ready, busy=self.talk.busy)
        placeholder = self.tr("Ask about this picture")
        if blind and model is not None:
            placeholder = self.tr("{model} cannot see pictures; choose a model that can").format(model=model.name)
        elif self._session.state is SessionState.FAILED:
            placeholder = self.tr("There is no model to ask yet")
        elif not self._session.takes_questions:
            placeholder = self.tr("The model is loading …")
        self.question.edit.setPlaceholderText(placeholder)
        self.trouble.setFont(self._theme.body_font)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.talk.exchanges[-1].answer)
        self.copy.setText(self.tr("Copied"))
        self._copied.start()

    def _continue(self) -> None:
        turns = self.talk.turns
        self.close()
        self.continue_requested.emit(turns)

    def _announce(self, sentence: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, sentence))


class Picture(QWidget):
    """What was picked, small, with its size."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._image = QImage()
        self._shown = QImage()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("What was picked"))
        theme.changed.connect(self.update)

    @property
    def image(self) -> QImage:
        """The picture at its full size."""
        return self._image

    def show_image(self, image: QImage) -> None:
        """Show a picture; a null one shows none."""
        self._image, self._shown = image, QImage()
        if not image.isNull():
            self.setAccessibleDescription(f"{image.width()} × {image.height()}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return the room for the picture across the window."""
        if self._image.isNull():
            return QSize(_WIDTH, 40)
        width = min(self._image.width() / self.devicePixelRatioF(), _WIDTH - 4 * GRID)
        height = width * self._image.height() / self._image.width()
        return QSize(_WIDTH, round(min(max(height, 40), _PICTURE_AT_MOST)))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture in the middle, its corners round."""
        if self._image.isNull():
            return
        ratio = self.devicePixelRatioF()
        room = QSize(round(self.width() * ratio), round(self.height() * ratio))
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        wanted = self._image.size().scaled(room.boundedTo(self._image.size()), keep)
        if self._shown.size() != wanted:
            self._shown = self._image.scaled(wanted, keep, smooth)
            self._shown.setDevicePixelRatio(ratio)
        size = self._shown.deviceIndependentSize().toSize()
        place = QRect(QPoint((self.width() - size.width()) // 2, (self.height() - size.height()) // 2), size)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        path.addRoundedRect(place, 8, 8)
        painter.setClipPath(path)
        painter.drawImage(place, self._shown)
        painter.setClipping(False)
        painter.setPen(QColor(self._theme.colours.border))
        painter.drawPath(path)


def place_beside(window: QSize, beside: QRect | None, room: QRect) -> QPoint:
    """Return where a window should be that hides nothing of ``beside``, if ``room`` allows: right of it, left of it,
    else in the lower corner."""
    corner = QPoint(room.right() - window.width() - _BESIDE, room.bottom() - window.height() - _BESIDE)
    if beside is None:
        return corner
    top = min(max(beside.top(), room.top()), max(room.top(), room.bottom() - window.height() - _BESIDE))
    if beside.right() + _BESIDE + window.width() <= room.right():
        return QPoint(beside.right() + _BESIDE, top)
    if beside.left() - _BESIDE - window.width() >= room.left():
        return QPoint(beside.left() - _BESIDE - window.width(), top)
    return corner
