"""What the webcam pane costs and how quick it is: ``python tests/measure_eyes.py [--model DIR] [--size 1280x720]``.

The whole program runs offscreen with a video in the place of the camera. Nothing here fails; the figures are for
inference/PERFORMANCE.md. A preview that is painted by a graphics card's driver costs less than one painted offscreen.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from gui.scenes import film, scene  # noqa: E402
from PySide6.QtCore import QEventLoop, QTimer  # noqa: E402

from app.application import Larimar, Options  # noqa: E402
from app.devices.frame_devices import SOURCE_VARIABLE  # noqa: E402
from app.engine_opening import open_engine  # noqa: E402
from app.qt_application import make_qapplication  # noqa: E402
from app.reply_frame import Frame  # noqa: E402
from app.session import SessionState  # noqa: E402
from app.webcam.camera import CameraState  # noqa: E402
from inference.messages import ReplyOptions, ReplyStats, Turn  # noqa: E402

QUESTIONS = ("Who are you?", "What can this app do?", "Tell me a joke.", "What is 125 plus 348?", "Do you hear me?")
SHAPES = [("circle", "red"), ("square", "blue"), ("triangle", "green"), ("circle", "yellow")]
PATIENCE = 120.0


def until(condition: Callable[[], bool]) -> None:
    """Let the program run until ``condition``."""
    loop, timer, end = QEventLoop(), QTimer(), time.monotonic() + PATIENCE
    timer.setInterval(5)
    timer.timeout.connect(lambda: (condition() or time.monotonic() > end) and loop.quit())
    timer.start()
    loop.exec()
    if not condition():
        raise SystemExit("the program did not get there in time")


def speed(larimar: Larimar, rounds: int) -> tuple[float, float]:
    """Return tokens a second of ``rounds`` × five replies without drafts, and how long all of it took."""
    stats: list[ReplyStats] = []
    errors: list[str] = []

    def arrived(frame: Frame) -> None:
        if frame.done is not None:
            stats.append(frame.done.stats)
        errors.extend([frame.error] if frame.error else [])

    larimar.session.frame.connect(arrived)
    began = time.monotonic()
    for number, question in enumerate(QUESTIONS * rounds):
        larimar.session.submit((Turn.of("user", question),), ReplyOptions(seed=number, drafts=0))
        until(lambda number=number: len(stats) + len(errors) > number)
    larimar.session.frame.disconnect(arrived)
    if errors:
        raise SystemExit(errors[0])
    tokens = sum(each.generated_tokens - 1 for each in stats)
    return tokens / sum(each.decode_seconds for each in stats), time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    app = make_qapplication(["larimar"])
    with tempfile.TemporaryDirectory() as folder:
        scenes = [(scene(*shape, size=(width, height)), 3.0) for shape in SHAPES]
        os.environ[SOURCE_VARIABLE] = f"loop:{film(Path(folder, 'camera.mp4'), scenes)}"
        larimar = Larimar(app, Options(options.model, Path(folder, "data")), open_engine)
        larimar.start()
        until(lambda: larimar.session.state is SessionState.READY)
        pane = larimar.window.webcam
        larimar.window.rail.choose(1)
        until(lambda: pane.camera.known)

        speed(larimar, 1)
        alone, with_preview, rates = [], [], []
        for _ in range(6):
            alone.append(speed(larimar, options.rounds)[0])
            pane.start()
            until(lambda: pane.preview.painted > 0)
            before = pane.preview.painted
            tokens, seconds = speed(larimar, options.rounds)
            with_preview.append(tokens)
            rates.append((pane.preview.painted - before) / seconds)
            pane.stop()
            until(lambda: not pane.camera.feed.live)

        pane.start()
        until(lambda: pane.preview.painted > 0)
        until(lambda: pane.camera.state is CameraState.LIVE)
        before, began, processor = pane.preview.painted, time.monotonic(), time.process_time()
        until(lambda: time.monotonic() - began > 5)
        idle_rate = (pane.preview.painted - before) / (time.monotonic() - began)
        load = (time.process_time() - processor) / (time.monotonic() - began)

        delays = watch(pane, len(SHAPES) * 3)
        pane.stop()
        until(lambda: not pane.camera.feed.live)
        releases = []
        for _ in range(20):
            pane.start()
            until(lambda: pane.camera.state is CameraState.LIVE)
            pane.stop()
            until(lambda: not pane.camera.feed.live)
            releases.append(1000 * pane.camera.feed.release_seconds)
        larimar.window.close()
        larimar.close()
    middle = statistics.median
    for what, figure in (
        ("camera", f"{options.size}, 30 frames a second, in a window {larimar.window.width()} wide"),
        ("preview, nothing else to do", f"{idle_rate:.1f} frames/s, {100 * load:.0f} % of a core, decoding included"),
        ("preview while generating", f"{middle(rates):.1f} frames/s"),
        ("decoding without the camera", f"{middle(alone):.0f} tokens/s"),
        ("decoding with camera and preview", f"{middle(with_preview):.0f} tokens/s"),
        ("scene change to caption", f"{middle(delays):.2f} s, at most {max(delays):.2f} s, of {len(delays)}"),
        ("giving the device back", f"{middle(releases):.0f} ms, at most {max(releases):.0f} ms, of {len(releases)}"),
    ):
        print(f"{what:<34} {figure}")
    return 0


def watch(pane: object, changes: int) -> list[float]:
    """Return how long captions came after the scene had changed, in seconds."""
    from app.webcam.pane import WebcamPane
    from app.webcam.scene import differs, signature

    assert isinstance(pane, WebcamPane)
    delays: list[float] = []
    changed_at: list[float] = []
    seen = [None]

    def look() -> None:
        newest = pane.camera.newest
        if newest is None:
            return
        now = signature(newest.image)
        if seen[0] is not None and differs(now, seen[0]):
            changed_at[:] = [time.monotonic()]
        seen[0] = now

    def captioned(_: str) -> None:
        if changed_at:
            delays.append(time.monotonic() - changed_at.pop())

    pane.camera.frame.connect(look)
    pane.watcher.captioned.connect(captioned)
    pane.watch.setChecked(True)
    until(lambda: len(delays) >= changes)
    pane.watch.setChecked(False)
    pane.camera.frame.disconnect(look)
    pane.watcher.captioned.disconnect(captioned)
    return delays


if __name__ == "__main__":
    sys.exit(main())
