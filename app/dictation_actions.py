"""Dictation in the program: its keys, its overlay, what the menus and other starts ask of it, and its settings."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from app.devices.text_inserter import Insertion, TextInserter
from app.dictation.coordinator import Coordinator, Hears
from app.dictation.machine import State
from app.dictation.overlay import Overlay
from app.global_keys import GlobalKeys
from app.hearing.listener import ListeningOptions
from app.settings import Settings
from app.shortcuts import shown
from app.single_instance import Deed
from app.theme import Theme

log = logging.getLogger(__name__)

_CANCEL = "cancel"


class DictationActions(QObject):
    """Joins the coordinator of dictation with everything around it."""

    tip_changed = Signal(str)
    """How to begin, as a sentence for the first look at the program; empty when dictation is off or has no keys."""

    def __init__(
        self,
        listener: Hears,
        inserter: TextInserter,
        keys: GlobalKeys,
        theme: Theme,
        settings: Settings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._listener = listener
        self._inserter = inserter
        self._keys = keys
        self._theme = theme
        self._settings = settings
        self._hears = True
        self._overlay: Overlay | None = None
        self.notify: Callable[[str], object] | None = None
        """Shows a sentence where there can be no overlay."""
        self.coordinator = Coordinator(listener, inserter, self._options, self)
        self.coordinator.state_changed.connect(self._state_changed)
        self.coordinator.opened.connect(self._opened)
        self.coordinator.partial.connect(self._show_text)
        self.coordinator.inserted.connect(self._inserted)
        self.coordinator.said.connect(self._say)
        listener.level.connect(self._show_level)
        keys.add(
            "dictate",
            self.tr("Dictate"),
            "Ctrl+Alt+D",
            self.coordinator.press,
            self.coordinator.release,
            wanted=settings.dictation,
        )
        keys.add("paste-last", self.tr("Paste last dictation"), "", self.coordinator.paste_last)
        keys.add("undo-dictation", self.tr("Take back the inserted text"), "", self.coordinator.undo)
        keys.add_passing(_CANCEL, self.coordinator.cancel)
        keys.changed.connect(self._tell_tip)
        self.apply(settings)

    @property
    def overlay(self) -> Overlay | None:
        """What is shown over other programs; made when it is first needed, and never where it would take the focus."""
        if self._overlay is None and can_float():
            self._overlay = Overlay(self._theme, translucent=is_composited())
            self._overlay.cancel_requested.connect(self.coordinator.cancel)
        return self._overlay

    @property
    def tip(self) -> str:
        """How to begin, as a sentence."""
        keys = self._keys.keys("dictate")
        if not self._hears or not self._settings.dictation or not keys or self._keys.problem("dictate"):
            return ""
        if self._settings.dictation_mode == "hold":
            return self.tr("Hold {keys} in any program and speak: the words appear there.").format(keys=shown(keys))
        return self.tr("Press {keys} in any program and speak: the words appear there.").format(keys=shown(keys))

    def apply(self, settings: Settings) -> None:
        """Follow the settings."""
        self._settings = settings
        self.coordinator.configure(settings.dictation_mode, trailing_space=settings.dictation_space)
        self._keys.want("dictate", settings.dictation)
        self._tell_tip()

    def set_hears(self, hears: bool) -> None:
        """Say whether the model understands sound."""
        if hears != self._hears:
            self._hears = hears
            self._tell_tip()

    def do(self, deed: Deed) -> bool:
        """Do what another start asks for; return whether it was something of ours."""
        deeds: dict[str, Callable[[], object]] = {
            "dictate": self.coordinator.toggle,
            "dictate-start": self.coordinator.begin,
            "dictate-stop": self.coordinator.end,
            "cancel": self.coordinator.cancel,
            "paste-last": self.coordinator.paste_last,
        }
        if deed not in deeds:
            return False
        deeds[deed]()
        return True

    def close(self) -> None:
        """Let go of everything."""
        self.coordinator.close()
        self._inserter.close()
        if self._overlay is not None:
            self._overlay.close()
            self._overlay.deleteLater()
            self._overlay = None

    def _options(self) -> ListeningOptions:
        return ListeningOptions(
            language=self._settings.spoken_language, phrases=self._settings.phrases, device=self._settings.microphone
        )

    def _tell_tip(self) -> None:
        self.tip_changed.emit(self.tip)

    # --- what is seen ---

    def _state_changed(self, state: State) -> None:
        self._keys.while_it_lasts(_CANCEL, "" if state is State.IDLE else "Esc")
        overlay = self.overlay
        if overlay is None:
            return
        if state is State.RECORDING:
            overlay.show_starting()
        elif state is State.PROCESSING:
            overlay.show_processing()
        else:
            overlay.vanish()  # unless something is said in a moment

    def _opened(self) -> None:
        if self.overlay is not None:
            self.overlay.show_recording(self._hint())

    def _hint(self) -> str:
        keys = shown(self._keys.keys("dictate"))
        if not keys or self._keys.problem("dictate"):
            return ""
        if self._settings.dictation_mode == "hold":
            return self.tr("Release {keys} to insert · Esc cancels").format(keys=keys)
        return self.tr("Press {keys} again to insert · Esc cancels").format(keys=keys)

    def _show_level(self, level: float) -> None:
        if self._overlay is not None and self.coordinator.state is State.RECORDING:
            self._overlay.show_level(level)

    def _show_text(self, text: str) -> None:
        if self._overlay is not None:
            self._overlay.show_text(text)

    def _inserted(self, insertion: Insertion) -> None:
        if self.coordinator.state is State.IDLE and self.overlay is not None:
            self.overlay.show_text(insertion.text)
            self.overlay.show_inserted()

    def _say(self, sentence: str, kind: str) -> None:
        if self.overlay is not None:
            if self.coordinator.state is not State.RECORDING:  # what is said of the last one must not hide the next
                self.overlay.show_message(sentence, kind)
        elif self.notify is not None:
            self.notify(sentence)
        else:
            log.info("Not shown: this desktop has no place for the sentence")


def can_float() -> bool:
    """Return whether a window of ours can be shown without getting the keyboard; Wayland has no way to ask for that."""
    return not QGuiApplication.platformName().startswith("wayland")


def is_composited() -> bool:
    """Return whether windows may be translucent: on X11 only with a compositor, elsewhere always."""
    if QGuiApplication.platformName() != "xcb":
        return True
    try:
        from Xlib import X, display, error
    except ImportError:
        return False
    try:
        connection = display.Display()
    except (error.DisplayError, error.XauthError, OSError):
        return False
    try:
        name = f"_NET_WM_CM_S{connection.get_default_screen()}"
        return bool(connection.get_selection_owner(connection.intern_atom(name)) != X.NONE)
    finally:
        connection.close()
