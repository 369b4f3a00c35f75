"""The clipboard of X11: programs ask the one that offers for each format, and large answers come in pieces (INCR)."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from Xlib import X, Xatom
from Xlib.protocol import event as x_event
from Xlib.protocol import request

from app.devices.x11_thread import X11Thread

_PIECE: Final = 128 * 1024
"""Bytes of a property that is handed over at once; more goes in pieces."""
_FORMAT_SECONDS: Final = 0.5
_ALL_SECONDS: Final = 2.0
"""How long a program may take to give one format of what it has copied, and all of them."""
_BYTES_AT_MOST: Final = 64 << 20
_LEFT_OUT: Final = frozenset(
    [
        "TARGETS",
        "MULTIPLE",
        "TIMESTAMP",
        "SAVE_TARGETS",
        "DELETE",
        "INSERT_PROPERTY",
        "INSERT_SELECTION",
        "CLIPBOARD_MANAGER",
    ]
)
"""Targets that are no format of the content."""


@dataclass(frozen=True, slots=True)
class Content:
    """One format of something copied, as the property of a window."""

    type: int
    """Atom."""
    format: int
    """8, 16 or 32 bits an item."""
    value: bytes


Contents = Mapping[int, Content]
"""By target, an atom."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was on the clipboard."""

    contents: Contents | None
    """``None`` when nothing was."""
    complete: bool = True
    """Whether every format came."""


@dataclass(slots=True)
class _Offer:
    contents: Contents
    taken_at: int
    """The server's time."""
    read: Callable[[int, int], object] | None
    """Called with the window that asked and the target, after the answer."""


@dataclass(slots=True)
class _Delivery:
    """A large answer under way."""

    window: Any
    property: int
    content: Content
    sent: int
    done: Callable[[], object]


class Selections(X11Thread):
    """Reads what others offer and offers itself; everything but the constructor runs on the thread."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._offers: dict[int, _Offer] = {}
        self._deliveries: dict[tuple[int, int], _Delivery] = {}
        self._window: Any = None

    @property
    def window(self) -> Any:
        """Our window, which nobody sees."""
        if self._window is None:
            self._window = self.display.screen().root.create_window(
                -1, -1, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask
            )
        return self._window

    def atom(self, name: str) -> int:
        """Return the number of a name."""
        return int(self.display.intern_atom(name))

    # --- offering ---

    def owns(self, selection: int) -> bool:
        """Return whether ours is what others get."""
        return selection in self._offers

    def offer(self, selection: int, contents: Contents, read: Callable[[int, int], object] | None = None) -> bool:
        """Let others have ``contents``; return whether that worked. ``read`` hears who has taken which target."""
        now = self._server_time()
        self.window.set_selection_owner(selection, now)
        if self.display.get_selection_owner(selection) != self.window:
            self._offers.pop(selection, None)
            return False
        self._offers[selection] = _Offer(contents, now, read)
        return True

    def offer_nothing(self, selection: int) -> None:
        """Offer no longer."""
        offer = self._offers.pop(selection, None)
        if offer is not None:
            request.SetSelectionOwner(
                display=self.display.display, window=X.NONE, selection=selection, time=offer.taken_at
            )
            self.display.flush()

    def restore(self, selection: int, snapshot: Snapshot) -> None:
        """Offer what was there before."""
        if snapshot.contents:
            self.offer(selection, snapshot.contents)
        else:
            self.offer_nothing(selection)

    def text_contents(self, text: str) -> Contents:
        """Return the formats of a text, marked as nothing for the history of a clipboard manager."""
        utf8 = self.atom("UTF8_STRING")
        encoded = text.encode("utf-8", "replace")
        plain = Content(utf8, 8, encoded)
        contents = {
            utf8: plain,
            self.atom("text/plain;charset=utf-8"): Content(self.atom("text/plain;charset=utf-8"), 8, encoded),
            self.atom("TEXT"): plain,
            self.atom("text/plain"): Content(self.atom("text/plain"), 8, encoded),
        }
        with contextlib.suppress(UnicodeEncodeError):  # who knows only Latin-1 must not get half of it
            contents[Xatom.STRING] = Content(Xatom.STRING, 8, text.encode("latin-1"))
        hint = self.atom("x-kde-passwordManagerHint")
        contents[hint] = Content(hint, 8, b"secret")
        return contents

    # --- reading ---

    def snapshot(self, selection: int) -> Snapshot:
        """Return what is on the clipboard in all its formats; takes up to some seconds when its owner is slow."""
        if selection in self._offers:
            return Snapshot(self._offers[selection].contents)
        if self.display.get_selection_owner(selection) == X.NONE:
            return Snapshot(None)
        end = time.monotonic() + _ALL_SECONDS
        listed = self._read(selection, self.atom("TARGETS"), end)
        if listed is None:
            return Snapshot(None, complete=False)
        targets = [target for (target,) in struct.iter_unpack("=L", listed.value[: len(listed.value) // 4 * 4])]
        names = {target: self.display.get_atom_name(target) for target in dict.fromkeys(targets) if target}
        wanted = [target for target, name in names.items() if name not in _LEFT_OUT]
        wanted.sort(key=lambda target: names[target].startswith("image/") and names[target] != "image/png")
        contents: dict[int, Content] = {}
        size, complete = 0, True
        for target in wanted:
            content = self._read(selection, target, end) if size < _BYTES_AT_MOST else None
            if content is None:
                complete = False
            else:
                contents[target] = content
                size += len(content.value)
        return Snapshot(contents, complete=complete and bool(contents))

    def _read(self, selection: int, target: int, end: float) -> Content | None:
        """Return one format; ``None`` when it does not come."""
        place = self.atom("LARIMAR_SELECTION")
        left = min(_FORMAT_SECONDS, end - time.monotonic())
        if left <= 0:
            return None
        self.window.delete_property(place)
        self.window.convert_selection(selection, target, place, X.CurrentTime)
        answer = self.wait_for(
            lambda event: event.type == X.SelectionNotify and event.selection == selection and event.target == target,
            left,
        )
        if answer is None or answer.property == X.NONE:
            return None
        content = self._take(place)
        if content is None or content.type != self.atom("INCR"):
            return content
        pieces: list[bytes] = []
        while True:
            came = self.wait_for(
                lambda event: (
                    event.type == X.PropertyNotify
                    and event.window == self.window
                    and event.atom == place
                    and event.state == X.PropertyNewValue
                ),
                min(_FORMAT_SECONDS, end - time.monotonic()),
            )
            piece = self._take(place) if came is not None else None
            if piece is None:
                return None
            if not piece.value:
                return Content(piece.type, piece.format, b"".join(pieces))
            pieces.append(piece.value)
            if sum(map(len, pieces)) > _BYTES_AT_MOST:
                return None

    def _take(self, place: int) -> Content | None:
        found = self.window.get_full_property(place, X.AnyPropertyType)
        if found is None:
            return None
        self.window.delete_property(place)
        value = found.value
        raw = value.tobytes() if hasattr(value, "tobytes") else value
        if isinstance(raw, str):
            raw = raw.encode("latin-1")
        return Content(found.property_type, found.format, _packed(raw, value, found.format))

    # --- answering ---

    def handle(self, event: Any) -> None:
        """Answer those that ask."""
        if event.type == X.SelectionRequest:
            self._answer(event)
        elif event.type == X.SelectionClear:
            offer = self._offers.get(event.atom)
            if offer is not None and event.time >= offer.taken_at:  # an older one tells of what we gave up ourselves
                del self._offers[event.atom]
                self.taken_away(event.atom)
        elif event.type == X.PropertyNotify and event.state == X.PropertyDelete:
            delivery = self._deliveries.get((event.window.id, event.atom))
            if delivery is not None:
                self._deliver(delivery)

    def taken_away(self, selection: int) -> None:
        """Another program offers something now."""

    def _answer(self, event: Any) -> None:
        offer = self._offers.get(event.selection)
        place = event.property or event.target  # obsolete clients name none
        given: list[int] = []
        accepted = False
        if offer is not None:
            if event.target == self.atom("MULTIPLE"):
                accepted = self._give_several(offer, event.requestor, place, given)
            else:
                accepted = self._give(offer, event.requestor, place, event.target, given)
        event.requestor.send_event(
            x_event.SelectionNotify(
                time=event.time,
                requestor=event.requestor,
                selection=event.selection,
                target=event.target,
                property=place if accepted else X.NONE,
            )
        )
        self.display.flush()
        if offer is not None and offer.read is not None:
            for target in given:
                offer.read(event.requestor.id, target)

    def _give_several(self, offer: _Offer, window: Any, place: int, given: list[int]) -> bool:
        wanted = window.get_full_property(place, X.AnyPropertyType)
        if wanted is None:
            return False
        pairs = list(wanted.value)
        for n in range(0, len(pairs) - 1, 2):
            if not self._give(offer, window, pairs[n + 1], pairs[n], given):
                pairs[n + 1] = X.NONE
        window.change_property(place, self.atom("ATOM_PAIR"), 32, pairs)
        return True

    def _give(self, offer: _Offer, window: Any, place: int, target: int, given: list[int]) -> bool:
        """Write one format into a property of the window that asked; return whether there is such a format."""
        if target == self.atom("TARGETS"):
            all_targets = [target, self.atom("MULTIPLE"), self.atom("TIMESTAMP"), *offer.contents]
            window.change_property(place, Xatom.ATOM, 32, all_targets)
            return True
        if target == self.atom("TIMESTAMP"):
            window.change_property(place, Xatom.INTEGER, 32, [offer.taken_at])
            return True
        content = offer.contents.get(target)
        if content is None:
            return False
        if len(content.value) <= _PIECE:
            _write(window, place, content, content.value)
            given.append(target)
            return True
        read = offer.read
        done: Callable[[], object] = (lambda: read(window.id, target)) if read is not None else (lambda: None)
        self._deliveries[window.id, place] = _Delivery(window, place, content, 0, done)
        window.change_attributes(event_mask=X.PropertyChangeMask)
        window.change_property(place, self.atom("INCR"), 32, [len(content.value)])
        return True

    def _deliver(self, delivery: _Delivery) -> None:
        """Write the next piece; an empty one is the end."""
        piece = delivery.content.value[delivery.sent : delivery.sent + _PIECE]
        _write(delivery.window, delivery.property, delivery.content, piece)
        self.display.flush()
        delivery.sent += len(piece)
        if not piece:
            del self._deliveries[delivery.window.id, delivery.property]
            delivery.done()

    def _server_time(self) -> int:
        """Return the X server's clock, which says who was first."""
        clock = self.atom("LARIMAR_CLOCK")
        self.window.change_property(clock, Xatom.INTEGER, 32, [], X.PropModeAppend)
        event = self.wait_for(
            lambda event: event.type == X.PropertyNotify and event.window == self.window and event.atom == clock, 1.0
        )
        return int(event.time) if event is not None else X.CurrentTime

    def ending(self) -> None:
        """Let a clipboard manager, where there is one, keep what we still offer."""
        clipboard = self.atom("CLIPBOARD")
        manager = self.atom("CLIPBOARD_MANAGER")
        if clipboard in self._offers and self.display.get_selection_owner(manager) != X.NONE:
            self._closing.clear()  # the last wait
            self.window.convert_selection(manager, self.atom("SAVE_TARGETS"), X.NONE, X.CurrentTime)
            self.wait_for(lambda event: event.type == X.SelectionNotify and event.selection == manager, 1.0)


def _write(window: Any, place: int, content: Content, value: bytes) -> None:
    if content.format == 8:
        window.change_property(place, content.type, 8, value)
    else:
        code = {16: "H", 32: "L"}[content.format]
        items = [item for (item,) in struct.iter_unpack(f"={code}", value)]
        window.change_property(place, content.type, content.format, items)


def _packed(raw: bytes, value: Any, format_: int) -> bytes:
    """Return the items in 1, 2 or 4 bytes each, whatever an array of this machine has."""
    if format_ == 8:
        return raw
    code = {16: "H", 32: "L"}[format_]
    return struct.pack(f"={len(value)}{code}", *value)
