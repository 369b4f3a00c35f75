"""Asking about the screen, from the key press to the window with the answer."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QPointF, QRect, QSizeF, QTimer, Signal
from PySide6.QtGui import QImage

from app.background import Background
from app.devices.frame_screen import wayland
from app.live_senses import LiveSenses, Sense
from app.pictures import rgb_of
from app.screen.ask_window import AskWindow
from app.screen.capture import Region, Shot, shot_at, shots
from app.screen.portal_picture import PortalPicture
from app.screen.region_picker import RegionPicker
from app.screen.window_list import window_rectangles
from app.session import Session
from app.theme import Theme
from app.visual_detail import closer_detail
from inference.media.image_encoding import png_of
from inference.messages import Image

_SETTLE_MS = 150
"""So long windows take to paint what another one has covered."""


class ScreenQuestions(QObject):
    """Lets the user pick a part of the screen and opens the window about it. Remembers where the last one was, but
    keeps no picture."""

    continue_requested = Signal(object)
    """The user wants to go on in the chat; carries the turns so far."""
    picking_ended = Signal()
    """The covers are gone, whether something was picked or not."""

    def __init__(
        self,
        session: Session,
        theme: Theme,
        background: Background,
        senses: LiveSenses,
        app_id: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self._background = background
        self._senses = senses
        self._sense: int | None = None
        self._visit = 0
        self.last: Region | None = None
        self.picker: RegionPicker | None = None
        self.window: AskWindow | None = None
        self._take: Callable[[], None] | None = None
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLE_MS)
        self._settling.timeout.connect(self._settled)
        self.portal = PortalPicture(app_id, self)
        self.portal.taken.connect(self._portal_taken)
        self.portal.cancelled.connect(self._cancelled)
        self.portal.failed.connect(self._portal_failed)

    @property
    def picking(self) -> bool:
        """Whether the user is picking something now."""
        return self.picker is not None or self.portal.waiting or self._settling.isActive()

    def ask(self) -> None:
        """Let the user pick a part of the screen; while they do, a second call gives up."""
        if self.picking:
            self._give_up()
            return
        self._prepare(self._pick)

    def _pick(self) -> None:
        if wayland():
            self.portal.ask(interactive=True)
            return
        taken = shots()
        if not taken:
            self._end()
            self._trouble(self.tr("The screen gives programs no picture of itself. Paste a screenshot into the chat."))
            return
        picker = self.picker = RegionPicker(taken, self._theme, self.last, self)
        picker.picked.connect(self._picked)
        picker.cancelled.connect(self._cancelled)
        picker.show()
        self._background.run(window_rectangles, lambda found: self._windows_found(picker, found))

    def ask_again(self) -> None:
        """Take the last region once more, as it looks now; without one, let the user pick."""
        if self.picking:
            return
        if wayland() or self.last is None:
            self.ask()
            return
        self._prepare(self._take_last)

    def _take_last(self) -> None:
        last = self.last
        assert last is not None
        shot = next((shot for shot in shots() if shot.screen.name() == last.screen), None)
        area = last.area.intersected(shot.image.rect()) if shot is not None else QRect()
        self._end()
        if shot is None or area.isEmpty():
            self.ask()  # the screen is gone, or smaller
        else:
            self._show(shot, area)

    def ask_whole_screen(self) -> None:
        """Take the screen where the pointer is, at once."""
        if self.picking:
            return
        self._prepare(self._take_whole)

    def _take_whole(self) -> None:
        if wayland():
            self.portal.ask(interactive=False)
            return
        shot = shot_at(shots())
        self._end()
        if shot is not None:
            self._show(shot, shot.image.rect())

    def close(self) -> None:
        """Take everything away."""
        self._visit += 1
        self._settling.stop()
        if self.picker is not None:
            self.picker.cancel()
        self.portal.close()
        self._end()
        if self.window is not None:
            self.window.close()
            self.window.deleteLater()
            self.window = None

    # --- picking ---

    def _prepare(self, take: Callable[[], None]) -> None:
        """Call ``take`` once our own window is out of the picture and what was below it has been painted."""
        if self._sense is None:
            self._sense = self._senses.begin(Sense.SCREEN, self._give_up)
        if self.window is None or not self.window.isVisible():
            take()
            return
        self.window.close()
        self._take = take
        self._settling.start()

    def _settled(self) -> None:
        take, self._take = self._take, None
        if take is not None:
            take()

    def _end(self) -> None:
        if self._sense is not None:
            self._senses.end(self._sense)
            self._sense = None

    def _give_up(self) -> None:
        self._settling.stop()
        if self.picker is not None:
            self.picker.cancel()
        else:
            self.portal.close()
            self._cancelled()

    def _windows_found(self, picker: RegionPicker, found: list[tuple[int, int, int, int]]) -> None:
        if self.picker is picker:
            picker.set_windows(found)

    def _picked(self, shot: Shot, area: QRect) -> None:
        self._drop_picker()
        self._end()
        self.last = Region(shot.screen.name(), QRect(area))
        self._show(shot, area)
        self.picking_ended.emit()

    def _cancelled(self) -> None:
        self._drop_picker()
        self._end()
        self.picking_ended.emit()

    def _drop_picker(self) -> None:
        picker, self.picker = self.picker, None
        if picker is not None:
            picker.deleteLater()

    def _portal_taken(self, image: QImage) -> None:
        self._end()
        self._show_image(image, None)
        self.picking_ended.emit()

    def _portal_failed(self, sentence: str) -> None:
        self._end()
        self._trouble(sentence)
        self.picking_ended.emit()

    # --- the window ---

    def _show(self, shot: Shot, area: QRect) -> None:
        scale = shot.scale
        corner = shot.screen.geometry().topLeft() + (QPointF(area.topLeft()) / scale).toPoint()
        place = QRect(corner, (QSizeF(area.size()) / scale).toSize())
        self._show_image(shot.image.copy(area), place)

    def _show_image(self, image: QImage, place: QRect | None) -> None:
        window = self._shown_window()
        window.show_picture(image, None, place)
        self._visit += 1
        visit = self._visit

        def encode() -> Image:
            from PIL import Image as PilImage

            pixels = rgb_of(image)
            return Image(png_of(pixels), closer_detail(PilImage.fromarray(pixels)))

        def encoded(media: Image) -> None:
            if visit == self._visit and self.window is not None and self.window.isVisible():
                self.window.set_media(media)

        self._background.run(encode, encoded)

    def _trouble(self, sentence: str) -> None:
        self._visit += 1
        self._shown_window().show_trouble(sentence)

    def _shown_window(self) -> AskWindow:
        if self.window is None:
            self.window = AskWindow(self._session, self._theme)
            self.window.continue_requested.connect(self.continue_requested)
            self.window.again_requested.connect(self.ask)
        return self.window
