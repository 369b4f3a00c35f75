"""Inserting texts on X11: paste by the keyboard extension XTEST, with a receipt from the clipboard's protocol.

X11 tells who asks for the clipboard. A text counts as inserted when the program that has the keyboard has asked for it,
not when the history of a clipboard manager did.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, Signal
from Xlib import XK, X, Xatom
from Xlib.ext import xtest

from app.devices.text_inserter import (
    QUIET_SECONDS,
    UNREAD_SECONDS,
    UNSURE_SECONDS,
    Insertion,
    TextInserter,
    translate,
)
from app.devices.x11_keys import Keyboard
from app.devices.x11_selections import Selections, Snapshot
from app.error_report import describe

log = logging.getLogger(__name__)

_MODIFIERS_SECONDS: Final = 1.5
"""How long to wait for the user to let go of Ctrl and its like; then they are released for the paste."""
_TERMINALS: Final = frozenset(
    (
        *("alacritty", "com.mitchellh.ghostty", "cool-retro-term", "deepin-terminal", "eterm", "foot", "ghostty"),
        *("gnome-terminal", "gnome-terminal-server", "guake", "hyper", "kgx", "kitty", "konsole", "lxterminal"),
        *("mate-terminal", "mlterm", "org.gnome.console", "org.gnome.ptyxis", "org.wezfurlong.wezterm", "ptyxis"),
        *("qterminal", "rxvt", "sakura", "st", "st-256color", "terminator", "terminology", "tilda", "tilix", "urxvt"),
        *("uxterm", "wezterm", "xfce4-terminal", "xterm", "yakuake"),
    )
)
"""Classes of windows in which Ctrl+V and Ctrl+Z mean something else; they paste with Shift+Insert."""
_SHIFT_INSERT_TOO: Final = frozenset(["emacs", "gvim"])


class X11TextInserter(TextInserter):
    """Pastes into the window that has the keyboard."""

    _inserted = Signal(object)
    _kept = Signal(object, str)
    _failed = Signal(object, str)
    _restored = Signal(object, str)
    _undone = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        queued = Qt.ConnectionType.QueuedConnection
        for inside, outside in (
            (self._inserted, self.inserted),
            (self._kept, self.kept),
            (self._failed, self.failed),
            (self._restored, self.restored),
            (self._undone, self.undone),
        ):
            inside.connect(outside, queued)
        self._thread = _Paster(self)
        self._started = False

    def prepare(self) -> None:
        """Keep what is on the clipboard, which takes a while when it is large."""
        if self._start():
            self._thread.post(self._thread.prepare)

    def insert(self, text: str) -> Insertion:
        """Paste ``text``, after those that are under way."""
        insertion = self._next(text)
        if self._start():
            future = self._thread.post(lambda: self._thread.insert(insertion))
            future.add_done_callback(lambda future: self._check(insertion, future.exception()))
        else:
            self._check(insertion, ConnectionError())
        return insertion

    def undo(self) -> None:
        """Send Ctrl+Z to the program that got the last text, if it is still in front."""
        if self._start():
            self._thread.post(self._thread.undo)
        else:
            super().undo()

    def close(self) -> None:
        """End it."""
        self._thread.close()

    def _start(self) -> bool:
        if not self._started:
            try:
                self._thread.start()
            except OSError as problem:
                log.info("Nothing can be inserted: %s", problem)
                return False
            self._started = True
        return True

    def _check(self, insertion: Insertion, problem: BaseException | None) -> None:
        if problem is not None:
            log.warning("A text could not be inserted: %s", describe(problem))
            self._failed.emit(
                insertion, translate("TextInserter", "The text could not be inserted: no X server answers.")
            )


class _Paster(Selections):
    """The work, on its thread; one insertion after the other."""

    def __init__(self, owner: X11TextInserter) -> None:
        super().__init__("inserter")
        self._owner = owner
        self._former: Snapshot | None = None
        """What is on the clipboard, as far as we know it already."""
        self._reads: list[tuple[int, float]] = []
        """The windows that have read our text, and when."""
        self._text_targets: frozenset[int] = frozenset()
        self._last_target = 0
        self._keyboard: Keyboard | None = None
        self._taken = False

    @property
    def keyboard(self) -> Keyboard:
        if self._keyboard is None:
            self._keyboard = Keyboard(self.display)
        return self._keyboard

    def prepare(self) -> None:
        clipboard = self.atom("CLIPBOARD")
        self._watch(clipboard)
        if self._former is None or not self.owns(clipboard):
            self._former = self.snapshot(clipboard)

    def insert(self, insertion: Insertion) -> None:
        clipboard, primary = self.atom("CLIPBOARD"), Xatom.PRIMARY
        if self._former is None:
            self.prepare()
        former = self._former or Snapshot(None)
        self._former = None
        target, names = self._front()
        with_shift = bool(names & (_TERMINALS | _SHIFT_INSERT_TOO)) or not self.keyboard.code(XK.XK_v)
        selections = [clipboard]
        former_primary = Snapshot(None)
        if with_shift:
            former_primary = self.snapshot(primary)
            selections.append(primary)
        contents = self.text_contents(insertion.text)
        self._text_targets = frozenset(contents)
        self._reads = []
        self._taken = False
        if not all(self.offer(selection, contents, self._read_by) for selection in selections):
            self._owner._failed.emit(insertion, _taken_sentence())
            return
        if not self.display.has_extension("XTEST"):
            self._owner._kept.emit(
                insertion,
                translate("TextInserter", "This display takes no keys from programs: press Ctrl+V to insert."),
            )
            return
        before = len(self._reads)
        self._send("Insert" if with_shift else "v", XK.XK_Shift_L if with_shift else XK.XK_Control_L)
        insertion.keys_sent = time.monotonic()
        self._last_target = 0 if with_shift else target
        read = self._wait_for_receipt(insertion, target, before)
        if read:
            self._owner._inserted.emit(insertion)
            self._wait_for_quiet()
        sentence = "" if former.complete else _incomplete_sentence()
        if self._taken:
            sentence = ""
        else:
            self.restore(clipboard, former)
            self._former = former if former.contents and self.owns(clipboard) else None
        if with_shift and self.owns(primary):
            self.restore(primary, former_primary)
        insertion.restored = time.monotonic()
        if read:
            self._owner._restored.emit(insertion, sentence)
        elif self._closing.is_set():
            self._owner._failed.emit(
                insertion, translate("TextInserter", "Larimar ended before the text was inserted.")
            )
        elif self._taken:
            self._owner._failed.emit(insertion, _taken_sentence())
        else:
            self._owner._failed.emit(
                insertion,
                translate(
                    "TextInserter", "The program in front has not taken the text. “Paste last dictation” tries again."
                ),
            )

    def undo(self) -> None:
        target, _ = self._front()
        if not self._last_target:
            sentence = translate("TextInserter", "Nothing was inserted that could be taken back.")
        elif self._client(target) != self._client(self._last_target):
            sentence = translate("TextInserter", "Another program is in front now; nothing was taken back.")
        else:
            sentence = ""
            self._send("z", XK.XK_Control_L)
            self._last_target = 0
        self._owner._undone.emit(sentence)

    # --- the receipt ---

    def _read_by(self, window: int, target: int) -> None:
        if target in self._text_targets:
            self._reads.append((window, time.monotonic()))

    def taken_away(self, selection: int) -> None:
        if selection == self.atom("CLIPBOARD"):
            self._taken = True
            self._former = None

    def _watch(self, selection: int) -> None:
        """Forget what we know of a clipboard as soon as it has another owner."""
        if self.display.has_extension("XFIXES"):
            version = self.display.xfixes_query_version()
            if version.major_version >= 1:
                self.display.xfixes_select_selection_input(self.window, selection, 1)

    def handle(self, event: Any) -> None:
        super().handle(event)
        if (
            event.type == self._owner_changed_event()
            and getattr(event, "selection", 0) == self.atom("CLIPBOARD")
            and event.owner != self.window
        ):
            self._former = None

    def _owner_changed_event(self) -> int:
        if self.display.has_extension("XFIXES"):
            return int(getattr(self.display.extension_event, "SetSelectionOwnerNotify", (-1,))[0])
        return -1

    def _wait_for_receipt(self, insertion: Insertion, target: int, before: int) -> bool:
        """Wait until the program in front has read the text; return whether it has.

        A remote desktop or a virtual machine reads it ahead of the keys, as soon as it is offered; and where we cannot
        tell who is in front, anybody's reading counts.
        """
        sent = time.monotonic()
        client = self._client(target)
        ahead = any(self._client(window) == client for window, _ in self._reads[:before])
        while not self._taken and not self._closing.is_set():
            for window, at in self._reads[before:]:
                if not client or self._client(window) == client:
                    insertion.read = at
                    return True
            now = time.monotonic()
            if ahead and now >= sent + UNSURE_SECONDS:
                insertion.read = sent
                return True
            if now >= sent + UNREAD_SECONDS:
                return False
            self._wait_until(sent + (UNSURE_SECONDS if ahead else UNREAD_SECONDS), len(self._reads))
        return False

    def _wait_for_quiet(self) -> None:
        """Wait until nobody has read for a while: programs read more than once."""
        started = time.monotonic()
        while not self._taken and not self._closing.is_set():
            end = min(max(at for _, at in self._reads) + QUIET_SECONDS if self._reads else 0, started + UNREAD_SECONDS)
            if time.monotonic() >= end:
                return
            self._wait_until(end, len(self._reads))

    def _wait_until(self, end: float, reads: int) -> None:
        """Handle events until ``end``, until somebody reads, or until the clipboard is another's."""
        seconds = end - time.monotonic()
        if seconds > 0:
            self.wait_for(_never, seconds, lambda: len(self._reads) > reads or self._taken)

    # --- windows and keys ---

    def _front(self) -> tuple[int, frozenset[str]]:
        """Return the window that has the keyboard, 0 for none, and the classes that it belongs to, in small letters."""
        window = self.display.get_input_focus().focus
        if isinstance(window, int):
            return 0, frozenset()
        found = window.id
        for _ in range(8):  # the window with the keyboard may lie deep in the one that has the class
            names = window.get_wm_class()
            if names:
                return found, frozenset(name.lower() for name in names)
            window = window.query_tree().parent
            if isinstance(window, int) or not window:
                break
        return found, frozenset()

    def _client(self, window: int) -> int:
        """Return what all windows of one program have in common."""
        return window & ~int(self.display.display.info.resource_id_mask)

    def _send(self, key: str, modifier: int) -> None:
        """Press a key together with a modifier, once the user holds no other."""
        keyboard = self.keyboard
        end = time.monotonic() + _MODIFIERS_SECONDS
        while (held := keyboard.down() & keyboard.modifier_codes) and time.monotonic() < end:
            self.wait_for(_never, 0.01)
        for code in held:
            xtest.fake_input(self.display, X.KeyRelease, code)
        codes = (keyboard.code(modifier), keyboard.code(XK.string_to_keysym(key)))
        for code in codes:
            xtest.fake_input(self.display, X.KeyPress, code)
        for code in reversed(codes):
            xtest.fake_input(self.display, X.KeyRelease, code)
        self.display.sync()


def _never(_event: Any) -> bool:
    return False


def _taken_sentence() -> str:
    return translate(
        "TextInserter", "Another program took the clipboard at that moment. “Paste last dictation” tries again."
    )


def _incomplete_sentence() -> str:
    return translate(
        "TextInserter",
        "The program that had copied something before did not answer; the clipboard could not be put back.",
    )
