"""Measures dictation from the key's release to the text in another program, and a hundred insertions; not a test.

Run it as

    python tests/measure_dictation.py --recording FILE [--model DIR] [--rounds 10] [--insertions 100]

on Linux with Xvfb, openbox and xclip. It plays the recording as the microphone while the keys are held, releases them
where the recording ends, and prints the table in ``inference/PERFORMANCE.md``. Everything runs as in the program: keys
that the X server reports, voice activity, the model, the paste into the window of a second process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ["QT_QPA_PLATFORM"] = "offscreen"

MIXED = "naïve café — ÄÖÜ 日本語 👩‍👩‍👧 "


class Times(dict[str, float]):
    """When things happened, in seconds of the monotonic clock; only the newest of each kind."""

    def mark(self, name: str) -> None:
        """It happens now."""
        self[name] = time.monotonic()


class MeasuredEngine:
    """The real engine, with a clock beside it."""

    def __init__(self, engine: Any, times: Times) -> None:
        self._engine = engine
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def reply(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        from inference.messages import Text

        self._times.mark("reply")
        first = True
        for event in self._engine.reply(*arguments, **options):
            if first and isinstance(event, Text):
                self._times.mark("first text")
                first = False
            yield event
        self._times.mark("reply end")

    def listen(self) -> Any:
        encoder = self._engine.listen()
        finish = encoder.finish

        def timed(*arguments: Any) -> Any:
            self._times.mark("encode")
            try:
                return finish(*arguments)
            finally:
                self._times.mark("encode end")

        encoder.finish = timed
        return encoder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=ROOT / "resources" / "demo_model")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--insertions", type=int, default=100)
    options = parser.parse_args()
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24"]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with os.fdopen(reader) as numbers:
            os.environ["DISPLAY"] = f":{numbers.readline().strip()}"
        with subprocess.Popen(["openbox"], stderr=subprocess.DEVNULL) as manager:
            try:
                measure(options)
            finally:
                manager.terminate()
                server.terminate()
    return 0


def measure(options: argparse.Namespace) -> None:
    from dictation.conftest import Screen, Target
    from PySide6.QtCore import QCoreApplication, QEventLoop
    from Xlib import XK, X, display
    from Xlib.ext import xtest

    from app.application import Larimar, Options
    from app.devices.audio_file import FileAudioSource
    from app.devices.hotkeys_x11 import X11Hotkeys
    from app.devices.text_inserter_x11 import X11TextInserter
    from app.dictation.machine import State
    from app.engine_opening import open_engine
    from app.qt_application import make_qapplication
    from app.session import SessionState
    from app.sound_stream import Heard
    from inference.media.audio import SAMPLE_RATE, load_audio

    times = Times()
    app = make_qapplication(["measure_dictation"])

    def until(condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never came"
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)

    def engine(*arguments: Any, **settings: Any) -> Any:
        return MeasuredEngine(open_engine(*arguments, **settings), times)

    with tempfile.TemporaryDirectory() as folder:
        inserter = X11TextInserter()
        larimar = Larimar(app, Options(options.model, Path(folder)), engine, hotkeys=X11Hotkeys(), inserter=inserter)
        larimar.listener._source = lambda _: FileAudioSource(options.recording)
        submit = larimar.session.submit

        def timed(turns: Any, *arguments: Any, **settings: Any) -> int:
            if isinstance(turns, Heard) and turns.whole:
                times.mark("asked")
            return submit(turns, *arguments, **settings)

        larimar.session.submit = timed  # type: ignore[method-assign]
        larimar.start()
        until(lambda: larimar.session.state is SessionState.READY)
        larimar.window.hide()
        screen = Screen(os.environ["DISPLAY"])
        target = Target(screen)
        coordinator = larimar.dictation.coordinator
        opened: list[None] = []
        restored: list[str] = []
        inserted: list[Any] = []
        coordinator.opened.connect(lambda: opened.append(None))
        coordinator.state_changed.connect(lambda state: times.mark(state.value))
        coordinator.inserted.connect(inserted.append)
        inserter.restored.connect(lambda _, sentence: restored.append(sentence))
        keyboard = display.Display()
        codes = [keyboard.keysym_to_keycode(symbol) for symbol in (XK.XK_Control_L, XK.XK_Alt_L, ord("d"))]
        seconds = len(load_audio(options.recording)) / SAMPLE_RATE

        def keys(kind: int) -> None:
            for code in codes if kind == X.KeyPress else reversed(codes):
                xtest.fake_input(keyboard, kind, code)
            keyboard.sync()

        rows: list[dict[str, float]] = []
        for _ in range(options.rounds + 1):  # the first one warms up
            opened.clear(), restored.clear(), inserted.clear()
            before = target.text
            keys(X.KeyPress)
            until(lambda: opened)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
                time.sleep(0.002)
            times.mark("released")
            keys(X.KeyRelease)
            until(lambda: inserted and restored and coordinator.state is State.IDLE)
            until(lambda before=before: target.text != before)
            (done,) = inserted
            rows.append(
                {
                    "grace after the release": times["processing"] - times["released"],
                    "tail of the recording": times["asked"] - times["processing"],
                    "wait for the engine": max(0.0, min(times["encode"], times["reply"]) - times["asked"]),
                    "encode what is left": times["encode end"] - times["encode"],
                    "read the prompt, first text": times["first text"] - times["reply"],
                    "rest of the text": times["reply end"] - times["first text"],
                    "back to the window": done.asked - times["reply end"],
                    "clipboard and keys": done.keys_sent - done.asked,
                    "receipt": done.read - done.keys_sent,
                    "from release to inserted": done.read - times["released"],
                    "(then: until the clipboard is back)": done.restored - done.read,
                }
            )
        print(
            f"\n{options.recording.name}: {seconds:.1f} s, {options.rounds} rounds; the text: {target.text[-40:]!r}\n"
        )
        print("| part | median ms | worst ms |\n|---|---|---|")
        for name in rows[0]:
            values = sorted(1000 * row[name] for row in rows[1:])
            print(f"| {name} | {median(values):.0f} | {values[-1]:.0f} |")
        measure_insertions(options.insertions, screen, target, inserter, restored, until)
        keyboard.close()
        target.close()
        larimar.window.close()
        larimar.close()


def measure_insertions(
    number: int, screen: Any, target: Any, inserter: Any, restored: list[str], until: Callable[..., None]
) -> None:
    """Insert mixed Unicode many times, and say what was lost and how long each took."""
    former = "what was copied before: ünï 日本"
    screen.copy(former.encode())
    restored.clear()
    insertions, changed, start = [], 0, target.text
    for n in range(number):
        inserter.prepare()
        insertions.append(inserter.insert(f"{n} {MIXED}"))
        until(lambda n=n: len(restored) > n)
        changed += n % 10 == 9 and screen.clipboard() != former.encode()
    wanted = start + "".join(each.text for each in insertions)
    until(lambda: len(target.text) >= len(wanted))
    taken = sorted(1000 * (each.read - each.asked) for each in insertions)
    whole = "every character there" if target.text == wanted else "NOT THE SAME"
    print(
        f"\n{number} insertions of mixed Unicode: {whole}, "
        f"clipboard {'restored each time' if not changed else f'CHANGED {changed} times'}; "
        f"median {median(taken):.0f} ms, worst {taken[-1]:.0f} ms to the receipt"
    )


if __name__ == "__main__":
    sys.exit(main())
