"""Measures how long the text takes after the last word, and what that time goes to; not a test.

Run it as

    python tests/measure_listening.py [MODEL_FOLDER] [--seconds 2 5 10 20] [--rounds 3] [--no-partial]

It speaks digits (LARIMAR_SHARED names the data) into the listener that the window uses, at the pace of speech, and
prints the table in ``inference/PERFORMANCE.md``: the patience at the end of speech, the wait for the model's first
token, and the answer. Answers are cut at three tokens for each second of speech, as people speak; with random weights
there would be no end.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np  # noqa: E402
from PySide6.QtCore import QCoreApplication, QDeadlineTimer, QEventLoop  # noqa: E402

import app.hearing.listener as listening  # noqa: E402
from app.live_senses import LiveSenses  # noqa: E402
from app.reply_frame import Frame  # noqa: E402
from app.session import Session, SessionState  # noqa: E402
from inference.engine import Engine  # noqa: E402
from inference.media.audio import SAMPLE_RATE, load_audio  # noqa: E402
from inference.messages import ReplyOptions  # noqa: E402

TOKENS_PER_SECOND = 3


class Speaker:
    """A source at the pace of time that knows when the last word was over."""

    name = "speaker"

    def __init__(self, samples: np.ndarray) -> None:
        self._samples, self._at, self._begun, self.over = samples, 0, 0.0, 0.0

    def open(self) -> None:
        self._begun = time.monotonic()

    def read(self, timeout: float) -> np.ndarray:
        time.sleep(0.02)
        until = int((time.monotonic() - self._begun) * SAMPLE_RATE)
        block = np.zeros(max(0, until - self._at), np.float32)
        rest = self._samples[self._at : until]
        block[: len(rest)] = rest
        self._at = until
        if not self.over and until >= len(self._samples):
            self.over = self._begun + len(self._samples) / SAMPLE_RATE
        return block

    def close(self) -> None:
        pass


def sentence(folder: Path, seconds: float, seed: int) -> np.ndarray:
    """Return half a second of silence, then so many seconds of digits without a pause."""
    rng = random.Random(seed)
    parts, length = [np.zeros(SAMPLE_RATE // 2, np.float32)], 0
    files = sorted(folder.glob("*_george_?.wav"))
    while length < seconds * SAMPLE_RATE:
        sound = load_audio(rng.choice(files))
        loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
        parts.append(sound[loud[0] : loud[-1]])
        length += len(parts[-1])
    return np.concatenate(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--seconds", nargs="+", type=float, default=[2, 5, 10, 20])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-partial", action="store_true")
    options = parser.parse_args()
    fsdd = Path(os.environ.get("LARIMAR_SHARED", ROOT.parent / "shared")) / "data" / "fsdd"
    app = QCoreApplication([])
    session = Session(Engine.open)

    def wait(ready) -> None:  # type: ignore[no-untyped-def]
        while not ready():
            app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, QDeadlineTimer(20))

    session.load(options.model)
    wait(lambda: session.state is not SessionState.LOADING)
    assert session.model is not None, session.failure
    print(f"{session.model.name}, {session.model.provider}; partial texts: {not options.no_partial}")
    print(
        "| speech | partial texts | end of speech found | read after it | first token | answer | all after last word |"
    )
    for seconds in options.seconds:
        length = seconds

        def limited(_options: object, _seconds: float = 0.0, length: float = length) -> ReplyOptions:
            return ReplyOptions(temperature=0, max_tokens=int(TOKENS_PER_SECOND * length) + 2)

        listening.transcription_reply = limited  # type: ignore[assignment]
        rows = []
        for seed in range(options.rounds + 1):
            speaker = Speaker(sentence(fsdd, seconds, seed))
            listener = listening.Listener(session, LiveSenses(), source=lambda _, speaker=speaker: speaker)
            frames: list[Frame] = []
            moments: dict[str, float] = {}
            partials = []

            def ended(moments=moments) -> None:  # type: ignore[no-untyped-def]
                moments.setdefault("ended", time.monotonic())

            def said(_: object, moments=moments) -> None:  # type: ignore[no-untyped-def]
                moments.setdefault("text", time.monotonic())

            session.frame.connect(frames.append)
            listener.speech_ended.connect(ended)
            listener.utterance.connect(said)
            listener.partial.connect(lambda text, partials=partials: partials.append(text))
            listener.start(listening.ListeningOptions(language="English", partial=not options.no_partial))
            late = time.monotonic() + 60 + seconds
            wait(lambda moments=moments, late=late: "text" in moments or time.monotonic() > late)
            session.frame.disconnect(frames.append)
            listener.cancel()
            wait(lambda: session.idle)
            listener.close()
            done = [frame.done for frame in frames if frame.done]
            if seed and "text" in moments:  # the first round opens graphs
                stats = done[-1].stats
                rows.append(
                    (
                        len(done) - 1,
                        moments["ended"] - speaker.over,
                        stats.prompt_tokens - stats.reused_tokens,
                        stats.time_to_first_token,
                        stats.decode_seconds,
                        moments["text"] - speaker.over,
                    )
                )
        if rows:
            partial, found, read, first, answer, whole = (median(column) for column in zip(*rows, strict=True))
            print(
                f"| {seconds:g} s | {partial:g} | {found:.2f} s | {read:g} tokens | {first * 1000:.0f} ms "
                f"| {answer * 1000:.0f} ms | {whole:.2f} s |",
                flush=True,
            )
    session.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
