"""How quick the window is: ``main.py bench gui``. A scripted engine speaks at 200 tokens a second; nothing is loaded.

A timer that wants to run all the time measures how long the event loop was kept from it: the *gaps*. Every figure is
the median of several runs.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer
from PySide6.QtWidgets import QApplication

from app.application import Larimar, Options
from app.conversation import Conversation, ConversationStore, Message
from app.history_store import Hit
from app.qt_application import make_qapplication
from app.session import SessionState
from inference.cancellation import CancelToken
from inference.messages import Done, Prefill, ReplyEvent, ReplyOptions, ReplyStats, Text, Turn

TOKENS = 2000
TOKENS_PER_SECOND = 200.0
MESSAGES = 5000
_SCROLL_STEPS = 150
_WIDTHS = (1280, 900, 620, 760, 1100, 1400, 700, 1080)
_PATIENCE = 120.0

_REPLY = """## A longer answer

The window shows **every** kind of block while they grow: sentences with `code` in them, lists, tables, and code that is
several screens long. Each paragraph is laid out again only while it is the last one.

1. A first point, with a few more words than would fit on one line of a narrow window.
2. A second point:
   - with a detail
   - and another one
3. A third point.

| Name | Size | Remark |
|------|-----:|--------|
| one | 1 | the first row of the table |
| two | 2 | the second row of the table |
| three | 3 | the third row of the table |

```python
def total(rows):
    result = 0.0
    for number, row in enumerate(rows):
        if row.value is None:
            continue  # nothing was measured
        result += row.value * row.weight
    return result
```

The sum is $\\sum_{i=1}^{n} w_i x_i$, as above.

> A remark that somebody made about it.

"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result."""

    name: str
    milliseconds: float
    """The median of the runs."""
    limit: float
    """What it should stay below."""
    computing: float | None = None
    """Milliseconds of processor time that the window itself took at a stretch, at most; the rest of a gap is what other
    programs took. The median of the runs."""

    @property
    def line(self) -> str:
        """The figure as a line of a table."""
        verdict = "" if self.milliseconds < self.limit else "   above the limit"
        own = "" if self.computing is None else f", computing at most {self.computing:.1f} ms"
        return f"{self.name:<58} {self.milliseconds:8.1f} ms   (limit {self.limit:.0f} ms{own}){verdict}"


class PacedEngine:
    """Says a text of Markdown at a steady speed until it is stopped."""

    name = "Paced"
    demo = False
    modalities: frozenset[str] = frozenset()
    context_length = 1 << 20
    provider = "CPU"

    def __init__(self, tokens: int, tokens_per_second: float) -> None:
        self._pieces = pieces(tokens)
        self._pause = 1 / tokens_per_second

    def reply(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Iterator[ReplyEvent]:
        """Speak."""
        cancel = cancel or CancelToken()
        stopped = threading.Event()
        yield Prefill(0, 1)
        with cancel.terminating(stopped.set):
            begun = time.perf_counter()
            said = 0
            for said, piece in enumerate(self._pieces, 1):
                yield Text(piece)
                due = begun + said * self._pause - time.perf_counter()
                if stopped.wait(max(0.0, due)):
                    break
        reason = "cancelled" if cancel.cancelled else "stop"
        yield Done(reason, ReplyStats(1, 0, said, 0.0, said * self._pause, context_length=self.context_length))  # type: ignore[arg-type]

    def close(self) -> None:
        """Do nothing."""


def pieces(tokens: int) -> list[str]:
    """Return so many pieces of Markdown as a tokenizer would cut it: about four letters each."""
    text = _REPLY
    while len(text) < 4 * tokens:
        text += _REPLY
    return [text[4 * number : 4 * number + 4] for number in range(tokens)]


def measure_gui(runs: int = 3) -> Iterator[Figure]:
    """Measure the window and yield figures as they are known; needs a display, or takes none (``offscreen``)."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication.instance() or make_qapplication(["larimar"])
    assert isinstance(app, QApplication)
    with tempfile.TemporaryDirectory() as folder:
        larimar = Larimar(app, Options(data_dir=Path(folder)), lambda path: PacedEngine(TOKENS, TOKENS_PER_SECOND))
        larimar.window.resize(1080, 760)
        larimar.start()
        _until(lambda: larimar.session.state is SessionState.READY)
        try:
            stream = [_streaming(larimar) for _ in range(runs)]
            rate = f"{TOKENS:,} tokens at {TOKENS_PER_SECOND:.0f}/s"
            yield _gap(f"{rate}: longest gap of the event loop", stream, 50)
            yield _figure("from Stop to silence", [_stopping(larimar) for _ in range(runs)], 100)
            long = long_conversation(larimar.conversations, MESSAGES)
            opened = [_opening(larimar, long) for _ in range(runs)]
            yield _figure(f"{MESSAGES:,} messages: opened and painted", opened, 300)
            scrolled = []
            for _ in range(runs):
                _opening(larimar, long)
                scrolled.append(_scrolling(larimar))
            yield _gap(f"{MESSAGES:,} messages: longest gap while scrolling", scrolled, 100)
            jumps = [_jumping(larimar, long) for _ in range(runs)]
            yield _figure(f"{MESSAGES:,} messages: jump to the first", [taken for taken, _ in jumps], 1000)
            yield _gap(f"{MESSAGES:,} messages: longest gap on the way", [probe for _, probe in jumps], 100)
            resized = [_resizing(larimar) for _ in range(runs)]
            yield _gap(f"{MESSAGES:,} messages: longest gap while resizing", resized, 100)
            searched = [_searching(larimar) for _ in range(runs)]
            yield _figure(f"{MESSAGES:,} messages: from a search to its results", searched, 50)
            hostile = [_hostile_files(larimar, Path(folder)) for _ in range(runs)]
            yield _gap("hostile PDF files attached: longest gap until they are refused", hostile, 50)
        finally:
            larimar.window.close()
            larimar.close()


def long_conversation(store: ConversationStore, messages: int) -> str:
    """Put a conversation of questions and answers of every length into ``store`` and return its id."""
    conversation = Conversation(title="Long")
    store.create(conversation)
    parent = None
    for number in range(messages):
        if number % 2 == 0:
            message = Message("user", (Text(f"Question {number // 2}: " + "why is that so? " * (number % 7)),), parent)
        else:
            length = (200, 900, 1800, 400)[number // 2 % 4]
            message = Message("assistant", (Text(_REPLY[:length]),), parent, model="Paced")
        last = store.append(conversation.id, message)
        parent = message.id
    last.result()
    return conversation.id


class GapProbe:
    """Runs as often as the event loop lets it, and keeps the longest time that it was not let."""

    def __init__(self) -> None:
        self.longest = 0.0
        """Milliseconds on the clock."""
        self.computing = 0.0
        """Milliseconds of this thread's processor time, within one gap."""
        self._last = time.perf_counter()
        self._last_computed = time.thread_time()
        self._timer = QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._beat)

    def __enter__(self) -> GapProbe:
        self._last, self._last_computed = time.perf_counter(), time.thread_time()
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._beat()
        self._timer.stop()

    def _beat(self) -> None:
        now, computed = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, (now - self._last) * 1000)
        self.computing = max(self.computing, (computed - self._last_computed) * 1000)
        self._last, self._last_computed = now, computed


class _Painted(QObject):
    """Notices when a widget was painted."""

    def __init__(self, watched: QObject) -> None:
        super().__init__()
        self.seen = False
        self._watched = watched
        watched.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """See a paint event go by."""
        if event.type() is QEvent.Type.Paint:
            QTimer.singleShot(0, self._note)
        return False

    def _note(self) -> None:
        self.seen = True

    def done(self) -> None:
        """Watch no longer."""
        self._watched.removeEventFilter(self)


def _streaming(larimar: Larimar) -> GapProbe:
    chat = larimar.window.chat
    chat.new_chat()
    with GapProbe() as probe:
        chat.ask("Tell me everything.")
        _until(lambda: larimar.session.state is SessionState.READY)
    return probe


def _stopping(larimar: Larimar) -> float:
    chat = larimar.window.chat
    chat.new_chat()
    chat.ask("Tell me everything.")
    _until(lambda: bool(chat.model.last and len(chat.model.last.text) > 800))
    begun = time.perf_counter()
    chat.composer.stop_requested.emit()
    _until(lambda: larimar.session.state is SessionState.READY)
    return (time.perf_counter() - begun) * 1000


def _opening(larimar: Larimar, conversation_id: str) -> float:
    chat = larimar.window.chat
    chat.new_chat()
    _until(lambda: not chat.view.isVisible())
    painted = _Painted(chat.view.viewport())
    begun = time.perf_counter()
    chat.controller.open(conversation_id)
    _until(lambda: painted.seen)
    painted.done()
    return (time.perf_counter() - begun) * 1000


def _scrolling(larimar: Larimar) -> GapProbe:
    """Scroll up as fast as the window follows, through pages that are read on the way."""
    view = larimar.window.chat.view
    bar = view.verticalScrollBar()
    with GapProbe() as probe:
        for _ in range(_SCROLL_STEPS):
            bar.setValue(bar.value() - view.viewport().height())
            _turn()
    return probe


def _jumping(larimar: Larimar, conversation_id: str) -> tuple[float, GapProbe]:
    """Go to the first message from the last, as a search does; return the milliseconds, and the gaps on the way."""
    first = larimar.conversations.path(conversation_id).result()[0].id
    _opening(larimar, conversation_id)
    view, model = larimar.window.chat.view, larimar.window.chat.model
    begun = time.perf_counter()
    with GapProbe() as probe:
        larimar.history.open(conversation_id, first)
        _until(lambda: view.currentIndex().isValid() and model.first_id == first)
        _turn()
        _turn()
    return (time.perf_counter() - begun) * 1000, probe


def _resizing(larimar: Larimar) -> GapProbe:
    with GapProbe() as probe:
        for width in _WIDTHS:
            larimar.window.resize(width, 760)
            _turn()
            _turn()
    return probe


def _turn() -> None:
    """Let the event loop run for a moment."""
    loop = QEventLoop()
    QTimer.singleShot(5, loop.quit)
    loop.exec()


def _until(condition: Callable[[], bool]) -> None:
    """Run the event loop until ``condition``."""
    loop, timer = QEventLoop(), QTimer()
    end = time.perf_counter() + _PATIENCE

    def look() -> None:
        if condition() or time.perf_counter() > end:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(1)
    loop.exec()
    if not condition():
        raise TimeoutError("the window did not get there in time")


def _searching(larimar: Larimar) -> float:
    pane = larimar.window.history
    begun = time.perf_counter()
    pane.search.setText("sentences code")
    _until(lambda: any(isinstance(row, Hit) for row in pane.model.rows))
    pane.list.viewport().repaint()
    taken = (time.perf_counter() - begun) * 1000
    pane.search.clear()
    _until(lambda: not any(isinstance(row, Hit) for row in pane.model.rows))
    return taken


def _hostile_files(larimar: Larimar, folder: Path) -> GapProbe:
    """Attach pages that draw without end and fill any memory, and wait until each is refused with a sentence."""
    attachments = larimar.window.chat.attachments
    refused: list[str] = []
    attachments.refused.connect(refused.append)
    files = [folder / "recursion.pdf", folder / "bomb.pdf"]
    for file, content in zip(files, (recursive_page(), stream_bomb()), strict=True):
        file.write_bytes(content)
    with GapProbe() as probe:
        attachments.add_files(files)
        _until(lambda: len(refused) == len(files) and not attachments.items)
    attachments.refused.disconnect(refused.append)
    return probe


def recursive_page() -> bytes:
    """Return a PDF file of one page whose form draws itself twice."""
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>/Length 12>>"
    return _page(b"/X Do", b"", form + b"stream\n/X Do /X Do \nendstream")


def stream_bomb() -> bytes:
    """Return a PDF file of one page whose content is unpacked to 300 MB of lines."""
    packer = zlib.compressobj(9)
    block = b"0 0 m 1 1 l S\n" * 74_899
    return _page(b"".join(packer.compress(block) for _ in range(300)) + packer.flush(), b"/Filter/FlateDecode", b"null")


def _page(content: bytes, filters: bytes, form: bytes) -> bytes:
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
        b"<</Length %d%s>>stream\n" % (len(content), filters) + content + b"\nendstream",
        form,
    )
    file, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return file + table + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(file)


def _figure(name: str, values: Sequence[float], limit: float) -> Figure:
    return Figure(name, statistics.median(values), limit)


def _gap(name: str, probes: Sequence[GapProbe], limit: float) -> Figure:
    computing = statistics.median(probe.computing for probe in probes)
    return Figure(name, statistics.median(probe.longest for probe in probes), limit, computing)
