"""A conversation without hands in a room with an echo, rehearsed: real sound server, voice, microphone and VAD.

    python tests/journeys/barge_in_rehearsal.py RECORDING

Started by ``test_barge_in.py`` with the environment of :mod:`journeys.sound`. Reads a reply aloud to its end, then the
beginning of another one, into which RECORDING is played as if somebody spoke in the room. Prints one line of JSON, and
what happens on the standard error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes.engine import FakeEngine, opens, words  # noqa: E402
from PySide6.QtCore import QCoreApplication, QEventLoop, QTimer  # noqa: E402

from app.devices.speaker import SystemSpeaker  # noqa: E402
from app.hearing.listener import Listener, ListeningOptions  # noqa: E402
from app.live_senses import LiveSenses  # noqa: E402
from app.session import Session, SessionState  # noqa: E402
from app.voice.echo_canceller import echo_cancelled_device, voice_source  # noqa: E402
from app.voice.hands_free import HandsFree  # noqa: E402
from app.voice.spoken_reply import SpokenReply  # noqa: E402

ROOM = "room"
REPLY = (
    "This is an answer that Larimar reads aloud in the room. Its own voice goes back into the microphone a moment "
    "later, and nothing should interrupt it. Until somebody really speaks."
)
_PATIENCE = 60.0


class Talk:
    """The conversation, as far as it is needed."""

    def __init__(self) -> None:
        self.busy = False
        self.asked: list[str] = []

    def ask(self, text: str) -> bool:
        self.asked.append(text)
        return True

    def stop(self) -> None:
        self.busy = False


def until(condition: Callable[[], bool], what: str) -> None:
    loop, timer = QEventLoop(), QTimer()
    end = time.monotonic() + _PATIENCE
    timer.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    timer.start(5)
    loop.exec()
    if not condition():
        raise SystemExit(f"never: {what}")


def main() -> None:
    app = QCoreApplication([])
    session = Session(opens(FakeEngine([words("please stop now")], modalities=frozenset({"audio"}))), app)
    session.load(None)
    until(lambda: session.state is SessionState.READY, "a model")
    speaker = SystemSpeaker(app)
    reply = SpokenReply(speaker, app)
    device = echo_cancelled_device()
    listener = Listener(session, LiveSenses(app), app, source=voice_source)
    talk = Talk()
    hands_free = HandsFree(listener, reply, talk, app)
    start = time.monotonic()

    def note(what: str) -> None:
        print(f"{time.monotonic() - start:7.2f} {what}", file=sys.stderr, flush=True)

    listener.speech_started.connect(lambda: note("somebody speaks"))
    listener.speech_ended.connect(lambda: note("nobody speaks"))
    hands_free.phase_changed.connect(lambda phase: note(f"phase: {phase.value}"))
    speaker.started.connect(lambda: note("a sentence begins"))
    speaker.finished.connect(lambda: note("a sentence has ended"))
    opened: list[str] = []
    ended: list[float] = []
    spoken: list[float] = []
    finished: list[float] = []
    problems: list[str] = []
    heard: list[float] = []
    loudest = [0.0]
    listener.opened.connect(opened.append)
    listener.failed.connect(problems.append)
    listener.speech_started.connect(lambda: heard.append(time.monotonic()))
    listener.waveform.connect(lambda peaks: loudest.__setitem__(0, max(loudest[0], float(peaks.max(initial=0)))))
    reply.ended.connect(lambda: ended.append(time.monotonic()))
    speaker.started.connect(lambda: spoken.append(time.monotonic()))
    speaker.finished.connect(lambda: finished.append(time.monotonic()))
    hands_free.start(ListeningOptions(device=device, partial=False), cancels_echo=bool(device))
    until(lambda: bool(opened or problems), "an open microphone")

    def speak() -> subprocess.Popen[bytes]:
        note("the recording is played")
        return subprocess.Popen(["paplay", f"--device={ROOM}", sys.argv[1]])

    user = speak()
    until(lambda: bool(talk.asked or problems), "a question")
    user.wait()
    first_question, talk.asked = talk.asked, []
    heard.clear()
    loudest[0] = 0.0
    reply.update("1", REPLY, complete=True)
    until(lambda: bool(ended or reply._silenced or problems), "the end of the first reply")
    undisturbed = {
        "said_to_the_end": len(ended) == 1 and not reply._silenced,
        "speech_heard": len(heard),
        "echo_peak": round(loudest[0], 3),
        "asked": list(talk.asked),
    }

    heard.clear()
    spoken.clear()
    finished.clear()
    reply.update("2", f"Here is more. {REPLY}", complete=True)
    until(lambda: len(spoken) >= 2, "the second sentence")
    speaking = reply.speaking
    begun = time.monotonic()
    user = speak()
    until(lambda: bool(reply._silenced or len(ended) > 1 or problems), "an interruption")
    stopped = time.monotonic()
    until(lambda: bool(finished and finished[-1] >= stopped) or len(ended) > 1, "silence")
    silent = time.monotonic()
    interrupted = reply._silenced
    until(lambda: bool(talk.asked) or len(ended) > 1, "the next question")
    user.wait()
    print(
        json.dumps(
            {
                "device": opened[0] if opened else "",
                "problems": problems,
                "first_question": first_question,
                "undisturbed": undisturbed,
                "interrupted": interrupted and speaking and len(ended) == 1,
                "asked": talk.asked,
                "milliseconds_from_playing_to_stop": round(1000 * (stopped - begun)),
                "milliseconds_from_stop_to_silence": round(1000 * (silent - stopped)),
            }
        )
    )
    hands_free.end()
    listener.close()
    speaker.close()
    session.close()


if __name__ == "__main__":
    main()
