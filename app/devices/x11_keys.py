"""Keys as the X server numbers them."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import Qt
from Xlib import XK, X
from Xlib.protocol import rq

from app.devices.hotkeys import combination_of

XK.load_keysym_group("xf86")

_KEYSYMS: Final = {
    Qt.Key.Key_Escape: XK.XK_Escape,
    Qt.Key.Key_Tab: XK.XK_Tab,
    Qt.Key.Key_Backtab: XK.XK_Tab,
    Qt.Key.Key_Backspace: XK.XK_BackSpace,
    Qt.Key.Key_Return: XK.XK_Return,
    Qt.Key.Key_Enter: XK.XK_KP_Enter,
    Qt.Key.Key_Insert: XK.XK_Insert,
    Qt.Key.Key_Delete: XK.XK_Delete,
    Qt.Key.Key_Pause: XK.XK_Pause,
    Qt.Key.Key_Print: XK.XK_Print,
    Qt.Key.Key_Home: XK.XK_Home,
    Qt.Key.Key_End: XK.XK_End,
    Qt.Key.Key_Left: XK.XK_Left,
    Qt.Key.Key_Up: XK.XK_Up,
    Qt.Key.Key_Right: XK.XK_Right,
    Qt.Key.Key_Down: XK.XK_Down,
    Qt.Key.Key_PageUp: XK.XK_Page_Up,
    Qt.Key.Key_PageDown: XK.XK_Page_Down,
    Qt.Key.Key_ScrollLock: XK.XK_Scroll_Lock,
    Qt.Key.Key_Menu: XK.XK_Menu,
    Qt.Key.Key_MediaPlay: XK.XK_XF86_AudioPlay,
    Qt.Key.Key_MediaTogglePlayPause: XK.XK_XF86_AudioPlay,
    Qt.Key.Key_MediaStop: XK.XK_XF86_AudioStop,
    Qt.Key.Key_MediaNext: XK.XK_XF86_AudioNext,
    Qt.Key.Key_MediaPrevious: XK.XK_XF86_AudioPrev,
}


def keysym(key: Qt.Key) -> int:
    """Return the X keysym of a key; 0 when it has none that we know."""
    value = int(key)
    if Qt.Key.Key_A <= key <= Qt.Key.Key_Z:
        return value + 32  # the keysym without Shift
    if 0x20 <= value <= 0xFF:
        return value  # Qt and X both number Latin-1 so
    if Qt.Key.Key_F1 <= key <= Qt.Key.Key_F35:
        return int(XK.XK_F1) + value - int(Qt.Key.Key_F1)
    if key in _KEYSYMS:
        return int(_KEYSYMS[key])
    return 0


class Keyboard:
    """Which key codes and modifier bits the X server has for what; read anew when its layout changes."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self.refresh()

    def refresh(self) -> None:
        """Read the modifiers."""
        self._bits: dict[int, int] = {}
        self.modifier_codes: frozenset[int] = frozenset()
        codes: set[int] = set()
        for index, row in enumerate(self._display.get_modifier_mapping()):
            for code in row:
                if code:
                    self._bits.setdefault(code, 1 << index)
                    if index != X.LockMapIndex:
                        codes.add(code)
        self.modifier_codes = frozenset(codes - self._codes(XK.XK_Num_Lock) - self._codes(XK.XK_Scroll_Lock))
        """Keys that change what other keys mean while they are held."""
        self.alt = self._bit(XK.XK_Alt_L, XK.XK_Alt_R) or X.Mod1Mask
        self.meta = self._bit(XK.XK_Super_L, XK.XK_Super_R) or X.Mod4Mask
        locks = [X.LockMask, *filter(None, (self._bit(XK.XK_Num_Lock), self._bit(XK.XK_Scroll_Lock)))]
        self.lock_states = [0]
        """Every mixture of what Caps Lock, Num Lock and Scroll Lock set."""
        for lock in dict.fromkeys(locks):
            self.lock_states += [state | lock for state in self.lock_states]

    def code(self, symbol: int) -> int:
        """Return the key that writes a keysym; 0 for none."""
        return int(self._display.keysym_to_keycode(symbol)) if symbol else 0

    def combination(self, keys: str) -> tuple[int, int]:
        """Return key code and modifier bits of portable keys; a key code of 0 when the keyboard has no such key."""
        combination = combination_of(keys)
        if combination is None:
            return 0, 0
        held = combination.keyboardModifiers()
        bits = 0
        for modifier, bit in (
            (Qt.KeyboardModifier.ShiftModifier, X.ShiftMask),
            (Qt.KeyboardModifier.ControlModifier, X.ControlMask),
            (Qt.KeyboardModifier.AltModifier, self.alt),
            (Qt.KeyboardModifier.MetaModifier, self.meta),
        ):
            if held & modifier:
                bits |= bit
        return self.code(keysym(combination.key())), bits

    def down(self) -> frozenset[int]:
        """Return the codes of all keys that are held now, as the X server knows it."""
        held = self._display.query_keymap()
        return frozenset(8 * byte + bit for byte, bits in enumerate(held) for bit in range(8) if bits & 1 << bit)

    def _codes(self, *symbols: int) -> set[int]:
        return {code for symbol in symbols for code, _ in self._display.keysym_to_keycodes(symbol)}

    def _bit(self, *symbols: int) -> int:
        return next((self._bits[code] for code in sorted(self._codes(*symbols)) if code in self._bits), 0)


# --- what the library lacks of the keyboard extension ---

_USE_CORE_KEYBOARD = 0x100
_DETECTABLE_AUTO_REPEAT = 1


class _UseExtension(rq.ReplyRequest):  # type: ignore[misc]
    _request = rq.Struct(
        rq.Card8("opcode"), rq.Opcode(0), rq.RequestLength(), rq.Card16("wanted_major"), rq.Card16("wanted_minor")
    )
    _reply = rq.Struct(
        rq.ReplyCode(),
        rq.Bool("supported"),
        rq.Card16("sequence_number"),
        rq.ReplyLength(),
        rq.Card16("server_major"),
        rq.Card16("server_minor"),
        rq.Pad(20),
    )


class _PerClientFlags(rq.ReplyRequest):  # type: ignore[misc]
    _request = rq.Struct(
        rq.Card8("opcode"),
        rq.Opcode(21),
        rq.RequestLength(),
        rq.Card16("device"),
        rq.Pad(2),
        rq.Card32("change"),
        rq.Card32("value"),
        rq.Card32("controls_to_change"),
        rq.Card32("auto_controls"),
        rq.Card32("auto_control_values"),
    )
    _reply = rq.Struct(
        rq.ReplyCode(),
        rq.Card8("device"),
        rq.Card16("sequence_number"),
        rq.ReplyLength(),
        rq.Card32("supported"),
        rq.Card32("value"),
        rq.Card32("auto_controls"),
        rq.Card32("auto_control_values"),
        rq.Pad(8),
    )


def make_repeat_detectable(display: Any) -> bool:
    """Let a held key repeat its press only, not its release; return whether the server can do that."""
    extension = display.query_extension("XKEYBOARD")
    if extension is None or not extension.present:
        return False
    common = {"display": display.display, "opcode": extension.major_opcode}
    if not _UseExtension(**common, wanted_major=1, wanted_minor=0).supported:
        return False
    flags = _PerClientFlags(
        **common,
        device=_USE_CORE_KEYBOARD,
        change=_DETECTABLE_AUTO_REPEAT,
        value=_DETECTABLE_AUTO_REPEAT,
        controls_to_change=0,
        auto_controls=0,
        auto_control_values=0,
    )
    return bool(flags.value & _DETECTABLE_AUTO_REPEAT)
