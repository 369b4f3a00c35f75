"""The webcam pane: what the camera sees, questions about it, and watching."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, QStandardPaths, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QFont, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.background import Background
from app.devices.frame_source import Frame
from app.live_senses import LiveSenses
from app.paths import home_folder
from app.picture_talk import PictureTalk
from app.session import Session, SessionState
from app.theme import GRID, Theme
from app.webcam.camera import Camera, CameraState
from app.webcam.preview import Preview
from app.webcam.watcher import Watcher
from app.widgets.answer_view import AnswerView
from app.widgets.choice import Choice
from app.widgets.leading import leading
from app.widgets.middle_column import middle_column
from app.widgets.notice import Notice
from app.widgets.question_bar import QuestionBar
from app.widgets.save_dialog import ask_where_to_save
from inference.media.clip import clip_of
from inference.media.image_encoding import jpeg_of
from inference.messages import Image, Video
from inference.output_files import write_file

_COLUMN_AT_MOST = 980
_ANSWERS_AT_MOST = 0.42
"""Share of the pane's height."""


class WebcamPane(QWidget):
    """Looks through a camera while it is shown, and longer only while it watches."""

    continue_requested = Signal(object)
    """The user wants to go on in the chat; carries the turns of the talk so far."""

    def __init__(
        self,
        session: Session,
        theme: Theme,
        background: Background,
        senses: LiveSenses,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self._background = background
        self._wanted = False
        """Whether the user switched the camera on, so that it comes back with the pane."""
        self._kept: Frame | None = None
        """What was last asked about, for “Save picture”."""
        self._visit = 0
        self.choose_file: Callable[[str], Path | None] = self._ask_for_file
        self.camera = Camera(senses, background, self)
        self.watcher = Watcher(session, background, self)
        self.talk = PictureTalk(session, self, remembers=False)
        self._title = leading(QLabel(self.tr("Webcam"), self))
        self._title.setObjectName("title")
        self.devices = Choice(theme, self.tr("Camera"), self)
        self.devices.setMaximumWidth(280)
        self.power = QPushButton(self)
        self.power.setProperty("kind", "flat")
        self.power.setIconSize(QSize(18, 18))
        self.preview = Preview(theme, self)
        self.invitation = Notice(theme, "camera", self.tr("Let the model look through your camera"), parent=self)
        self.start_button = self.invitation.add_button(self.tr("Start the camera"), self.start, primary=True)
        self.trouble = Notice(theme, "warning", self.tr("The camera gives no picture"), alarming=True, parent=self)
        self.retry_button = self.trouble.add_button(self.tr("Try again"), self.start, primary=True)
        self._pages = QStackedWidget(self)
        self.answers = AnswerView(theme, self)
        self.to_chat = QPushButton(self.tr("Send to chat"), self)
        self.save = QPushButton(self.tr("Save picture…"), self)
        self.forget = QPushButton(self.tr("Clear"), self)
        self.said = QLabel(self)
        self.said.setObjectName("said")
        self.see = QPushButton(self.tr("What do you see?"), self)
        self.see.setProperty("kind", "toggle")
        self.watch = QPushButton(self.tr("Watch"), self)
        self.watch.setProperty("kind", "toggle")
        self.watch.setCheckable(True)
        self.watch.setAccessibleName(self.tr("Watch: say what is seen whenever it changes"))
        self.watch.setToolTip(self.tr("Describe the scene about once a second, as long as it changes"))
        self.scope = Choice(theme, self.tr("What questions are about"), self)
        self.scope.addItem(self.tr("This picture"), False)
        self.scope.addItem(self.tr("The last 8 seconds"), True)
        self.question = QuestionBar(theme, self.tr("Ask about what the camera sees"), self)
        self._arrange()
        self._connect()
        self._restyle()
        self._refresh()

    # --- what others may do ---

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        first: QWidget = self.devices
        if self._pages.currentWidget() is self.invitation:
            first = self.start_button
        elif self._pages.currentWidget() is self.trouble:
            first = self.retry_button
        return (first, self.question.edit)

    def start(self) -> None:
        """Switch the camera on."""
        self._wanted = True
        self.camera.start()
        self.question.setFocus(Qt.FocusReason.OtherFocusReason)

    def stop(self) -> None:
        """Switch everything off: the answer, the watching and the camera."""
        self._wanted = False
        self.talk.stop()
        self._stop_watching()
        self.camera.stop()

    def shut_down(self) -> None:
        """Give the camera back before the program ends."""
        self._stop_watching()
        self.camera.shut_down()

    # --- set-up ---

    def _arrange(self) -> None:
        header = QFrame(self)
        header.setObjectName("header")
        line = QHBoxLayout(header)
        line.setContentsMargins(2 * GRID, GRID, GRID + 4, GRID)
        line.setSpacing(GRID)
        line.addWidget(self._title, 1)
        line.addWidget(self.devices)
        line.addWidget(self.power)
        for page in (self.invitation, self.preview, self.trouble):
            self._pages.addWidget(page)
        self._pages.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._kept_row = QWidget(self)
        kept = QHBoxLayout(self._kept_row)
        kept.setContentsMargins(0, 0, 0, 0)
        kept.setSpacing(0)
        for button in (self.to_chat, self.save, self.forget):
            button.setProperty("kind", "flat")
            button.setAccessibleName(button.text())
            kept.addWidget(button)
        kept.addSpacing(GRID)
        kept.addWidget(self.said, 1)
        tools = QHBoxLayout()
        tools.setSpacing(GRID)
        tools.addWidget(self.see)
        tools.addWidget(self.watch)
        tools.addStretch(1)
        tools.addWidget(self.scope)
        inside = QWidget(self)
        column = QVBoxLayout(inside)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(GRID + 4)
        column.addWidget(self._pages, 1)
        column.addWidget(self.answers)
        column.addWidget(self._kept_row)
        column.addLayout(tools)
        column.addWidget(self.question)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(0)
        outside.addWidget(header)
        outside.addLayout(middle_column(inside, _COLUMN_AT_MOST), 1)

    def _connect(self) -> None:
        self.camera.state_changed.connect(self._refresh)
        self.camera.stop_wished.connect(self.stop)
        self.camera.listed.connect(self._show_devices)
        self.camera.frame.connect(self._frame_arrived)
        self.watcher.captioned.connect(self.preview.show_caption)
        self.watcher.failed.connect(self._watching_failed)
        self.talk.changed.connect(self._show_talk)
        self.talk.ended.connect(self._answer_ended)
        self.answers.height_wanted.connect(self._fit_answers)
        self.devices.activated.connect(self._device_chosen)
        self.power.clicked.connect(lambda _checked=False: self._toggle_power())
        self.see.clicked.connect(lambda _checked=False: self.ask(self.see.text()))
        self.watch.toggled.connect(self._watch_toggled)
        self.question.submitted.connect(self.ask)
        self.question.stop_requested.connect(self.talk.stop)
        self.question.escaped.connect(self._escape)
        self.to_chat.clicked.connect(lambda _checked=False: self.continue_requested.emit(self.talk.turns))
        self.save.clicked.connect(lambda _checked=False: self._save())
        self.forget.clicked.connect(lambda _checked=False: self.talk.clear())
        self._session.state_changed.connect(lambda _: self._refresh())
        self._theme.changed.connect(self._restyle)

    # --- coming and going ---

    def showEvent(self, event: QShowEvent) -> None:
        """Look for cameras, and go on with the one that was on when the pane was left."""
        super().showEvent(event)
        self.camera.keep_looking(True)
        if self._wanted and self.camera.state is CameraState.OFF:
            self.camera.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Give the camera back, unless it is watched through."""
        super().hideEvent(event)
        self.camera.keep_looking(False)
        if not self.watcher.active and not event.spontaneous():
            self.camera.stop()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Stop the answer, then the watching, with Esc."""
        if event.key() == Qt.Key.Key_Escape:
            self._escape()
        else:
            super().keyPressEvent(event)

    def _escape(self) -> None:
        if self.talk.busy:
            self.talk.stop()
        else:
            self._stop_watching()

    # --- the camera ---

    def _toggle_power(self) -> None:
        if self.camera.state in (CameraState.STARTING, CameraState.LIVE):
            self.stop()
        else:
            self.start()

    def _device_chosen(self, row: int) -> None:
        if 0 <= row < len(self.camera.devices):
            self.preview.clear()
            self.camera.choose(self.camera.devices[row])

    def _show_devices(self) -> None:
        self.devices.blockSignals(True)
        self.devices.clear()
        for device in self.camera.devices:
            self.devices.addItem(device.name)
        chosen = self.camera.device
        row = next((n for n, device in enumerate(self.camera.devices) if chosen and device.id == chosen.id), -1)
        self.devices.setCurrentIndex(row)
        self.devices.blockSignals(False)
        self._refresh()

    def _frame_arrived(self) -> None:
        newest = self.camera.newest
        if newest is not None:
            self.preview.show_frame(newest)
            self.watcher.look(newest)

    def _refresh(self) -> None:
        camera, model = self.camera, self._session.model
        live = camera.state is CameraState.LIVE
        on = live or camera.state is CameraState.STARTING
        if not on:
            if self.watcher.active:
                self._stop_watching()
            self.preview.clear()
        page: QWidget = self.preview if on else self.invitation
        if camera.state is CameraState.FAILED:
            page = self.trouble
            self._show_trouble(camera.problem)
        self._pages.setCurrentWidget(page)
        if camera.known and not camera.devices:
            self.invitation.set_text(self.tr("No camera was found. Plug one in; it will appear here by itself."))
        else:
            self.invitation.set_text(
                self.tr("Nothing of it is recorded, and nothing leaves this computer. You can stop at any time.")
            )
        self.start_button.setEnabled(camera.device is not None)
        self.devices.setVisible(bool(camera.devices))
        self.power.setVisible(on)
        ready = self._session.takes_questions
        blind = model is not None and "image" not in model.modalities
        usable = live and ready and not blind
        self.see.setEnabled(usable)
        self.watch.setEnabled(usable)
        self.scope.setEnabled(live and (model is None or "video" in model.modalities))
        self.question.set_state(ready=usable, busy=self.talk.busy)
        placeholder = self.tr("Ask about what the camera sees")
        if blind and model is not None:
            placeholder = self.tr("{model} cannot see pictures; choose a model that can").format(model=model.name)
        elif not ready:
            placeholder = self.tr("The model is loading …")
            if self._session.state is SessionState.FAILED:
                placeholder = self.tr("There is no model to ask yet")
        self.question.edit.setPlaceholderText(placeholder)

    def _show_trouble(self, sentence: str) -> None:
        if self._pages.currentWidget() is not self.trouble or self.trouble.text != sentence:
            self.trouble.set_text(sentence)
            self._announce(sentence)

    # --- watching ---

    def _watch_toggled(self, on: bool) -> None:
        self.watch.setText(self.tr("Watching") if on else self.tr("Watch"))
        if on and not self.watcher.active:
            self.watcher.start()
            newest = self.camera.newest
            if newest is not None:
                self.watcher.look(newest)
        elif not on:
            self.watcher.stop()
            self.preview.show_caption("")
            if not self.isVisible():
                self.camera.stop()

    def _stop_watching(self) -> None:
        self.watch.setChecked(False)

    def _watching_failed(self, sentence: str) -> None:
        self._stop_watching()
        self._say(sentence, alarming=True)

    # --- questions ---

    def ask(self, question: str) -> None:
        """Ask about what the camera sees now, or about its last seconds, as is chosen."""
        newest = self.camera.newest
        if newest is None:
            return
        self._say("")
        self._kept = newest
        self._visit += 1
        visit = self._visit
        stills = [still.image for still in self.camera.last_seconds]
        lasting = bool(self.scope.currentData())

        def encode() -> Image | Video:
            return Video(clip_of(stills)) if lasting else Image(jpeg_of(newest.image))

        def encoded(medium: Image | Video) -> None:
            if visit == self._visit:
                self.talk.ask(question, (medium,))

        self._background.run(encode, encoded)

    def _show_talk(self) -> None:
        self.answers.show_exchanges(self.talk.exchanges)
        asked = bool(self.talk.exchanges)
        self.answers.setVisible(asked)
        self._kept_row.setVisible(asked or bool(self.said.text()))
        self.to_chat.setEnabled(bool(self.talk.turns) and not self.talk.busy)
        for button in (self.to_chat, self.save, self.forget):
            button.setVisible(asked)
        self.question.set_state(ready=self.see.isEnabled(), busy=self.talk.busy)

    def _answer_ended(self) -> None:
        if not self.talk.exchanges:
            return
        last = self.talk.exchanges[-1]
        self._announce(last.error or last.answer or self.tr("The answer was stopped."))

    def _fit_answers(self, height: int) -> None:
        most = round(self.height() * _ANSWERS_AT_MOST)
        self.answers.setFixedHeight(max(self.answers.minimumSizeHint().height(), min(height, most)))

    # --- keeping ---

    def _save(self) -> None:
        if self._kept is None:
            return
        pixels = self._kept.image
        when = datetime.datetime.now().strftime("%Y-%m-%d %H.%M.%S")
        path = self.choose_file(f"{self.tr('Webcam')} {when}.jpg")
        if path is None:
            return
        self._background.run(
            lambda: write_file(path, jpeg_of(pixels)),
            lambda _: self._say(self.tr("Saved as {name}.").format(name=path.name)),
            lambda _: self._say(
                self.tr("{name} could not be written. Choose another folder.").format(name=path.name), alarming=True
            ),
        )

    def _ask_for_file(self, name: str) -> Path | None:
        pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
        start = str(Path(pictures or home_folder()) / name)
        kinds = {self.tr("Pictures") + " (*.jpg)": ".jpg"}
        return ask_where_to_save(self, self.tr("Save picture"), Path(start), kinds)

    # --- how it looks ---

    def _say(self, sentence: str, *, alarming: bool = False) -> None:
        self.said.setText(sentence)
        self.said.setProperty("alarming", "yes" if alarming else "no")
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        if sentence:
            self._announce(sentence)
        self._show_talk()

    def _announce(self, sentence: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, sentence))

    def _restyle(self) -> None:
        colours = self._theme.colours
        title = self._theme.body_font
        title.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(title)
        self.power.setText(self.tr("Stop camera"))
        self.power.setAccessibleName(self.tr("Stop camera"))
        self.power.setIcon(self._theme.icon("stop", colours.danger, 18))
        self.said.setFont(self._theme.small_font)
        self._show_talk()
