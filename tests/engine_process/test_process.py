"""The engine's process, with the demo model: it answers as the engine does, and its end costs a reply."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fuzzing import examples

from app.engine_process import launching, proxy, wire
from app.engine_process.launching import SPARE, ChildProcess
from app.engine_process.proxy import EngineProcess
from inference.cancellation import CancelToken
from inference.engine import Engine
from inference.errors import (
    EngineBusyError,
    EngineLostError,
    LoadCancelledError,
    ModelFolderError,
    SchemaError,
    UnsupportedInputError,
)
from inference.media.audio import load_audio
from inference.messages import Audio, Done, Prefill, ReplyOptions, Text, Turn

GUARD = 60.0
"""Seconds after which something hangs."""
QUESTION = (Turn.of("user", "Who are you?"),)
GREEDY = ReplyOptions(temperature=0, max_tokens=40)
LONG = ReplyOptions(temperature=0, json_schema={"type": "array", "items": {"type": "integer"}, "minItems": 1500})
"""An answer of some thousand tokens, whatever the model would rather say."""
LONG_QUESTION = (Turn.of("user", "Please read this. " * 300),)

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")


@pytest.fixture
def opened() -> Iterator[Callable[..., EngineProcess]]:
    """A function that opens an engine, which is closed at the end."""
    made: list[EngineProcess] = []

    def open_engine(path: Path | None = None, **options: object) -> EngineProcess:
        made.append(EngineProcess.open(path, provider="cpu", **options))  # type: ignore[arg-type]
        return made[-1]

    yield open_engine
    for engine in made:
        engine.close()


@pytest.fixture(scope="module")
def here() -> Iterator[Engine]:
    engine = Engine.open(None, provider="cpu")
    yield engine
    engine.close()


def said(events: Iterator[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def test_crash_reports_are_private(opened: Callable[..., EngineProcess], tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        opened(crash_log=tmp_path / "crash.log")
    finally:
        os.umask(before)
    if os.name == "posix":
        assert (tmp_path / "crash.log").stat().st_mode & 0o777 == 0o600


def test_it_is_the_engine_that_is_opened_here(opened: Callable[..., EngineProcess], here: Engine) -> None:
    engine = opened()
    for name in ("name", "demo", "modalities", "context_length", "provider", "provider_reason"):
        assert getattr(engine, name) == getattr(here, name)
    for turns in (QUESTION, (*QUESTION, Turn.of("assistant", "Larimar."), Turn.of("user", "What is 3 + 4?"))):
        ours, theirs = list(here.reply(turns, GREEDY)), list(engine.reply(turns, GREEDY))
        assert [e for e in ours if not isinstance(e, Done)] == [e for e in theirs if not isinstance(e, Done)]
        assert isinstance(theirs[-1], Done)
    assert theirs[-1].stats.reused_tokens > 0
    assert not engine.lost
    engine.close()
    assert engine.lost
    with pytest.raises(EngineBusyError):
        list(engine.reply(QUESTION))
    engine.close()


def test_errors_keep_their_class_and_their_sentence(opened: Callable[..., EngineProcess], tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=str(tmp_path)):
        opened(tmp_path)
    engine = opened()
    with pytest.raises(SchemaError):
        list(engine.reply(QUESTION, ReplyOptions(json_schema={"type": "nonsense"})))
    with pytest.raises(RuntimeError, match="ValueError"):
        list(engine.reply(QUESTION, ReplyOptions(temperature=-1)))
    with pytest.raises((TypeError, AttributeError)):
        list(engine.reply(QUESTION, ReplyOptions(json_schema={"a": lambda: None})))
    assert said(engine.reply(QUESTION, GREEDY))


def test_a_stop_comes_through_at_once(opened: Callable[..., EngineProcess]) -> None:
    engine = opened()
    cancel = CancelToken()
    events = []
    for event in engine.reply(QUESTION, LONG, cancel):
        events.append(event)
        if isinstance(event, Text):
            cancel.cancel()
    assert isinstance(events[-1], Done)
    assert events[-1].reason == "cancelled"
    assert events[-1].stats.generated_tokens < 1500
    assert not engine.lost
    assert said(engine.reply(QUESTION, GREEDY, CancelToken()))


def test_a_reply_that_nobody_reads_on_is_ended(opened: Callable[..., EngineProcess]) -> None:
    engine = opened()
    events = engine.reply(QUESTION, LONG)
    next(event for event in events if isinstance(event, Text))
    with pytest.raises(EngineBusyError):
        engine.close()
    with pytest.raises(EngineBusyError):
        next(engine.reply(QUESTION))
    events.close()
    assert said(engine.reply(QUESTION, GREEDY))
    assert not engine.lost


def test_reading_ahead_serves_the_question(opened: Callable[..., EngineProcess]) -> None:
    engine = opened()
    steps = list(engine.prepare((Turn.of("user", "Please read this. " * 40),), GREEDY))
    assert steps
    assert all(isinstance(step, Prefill) for step in steps)
    done = list(engine.reply((Turn.of("user", "Please read this. " * 40 + "Now."),), GREEDY))[-1]
    assert isinstance(done, Done)
    assert done.stats.reused_tokens > 100


def test_sound_is_encoded_there_and_is_the_same(
    opened: Callable[..., EngineProcess], here: Engine, shared_data: Path
) -> None:
    samples = load_audio(sorted((shared_data / "fsdd").glob("*.wav"))[0])
    engine = opened()
    heard, ours = engine.listen(), here.listen()
    closed = CancelToken()
    for at in range(0, len(samples), 1600):
        heard.feed(samples[at : at + 1600], closed)
        ours.feed(samples[at : at + 1600])
    early = heard.so_far()
    assert early is None or isinstance(early, Audio)
    heard.finish()
    ours.finish()
    assert heard.recording == ours.recording
    question = (Turn("user", (Text("Write down what is said."), heard.recording)),)
    assert said(engine.reply(question, GREEDY)) == said(here.reply(question, GREEDY))
    closed.cancel()
    heard.feed(samples, closed)
    assert said(engine.reply(QUESTION, GREEDY))


def test_a_model_that_cannot_hear_says_so(opened: Callable[..., EngineProcess]) -> None:
    engine = opened()
    engine.modalities = frozenset()
    with pytest.raises(UnsupportedInputError, match="does not understand sound"):
        engine.listen()


def test_the_switch_about_keeping_is_obeyed_at_once(opened: Callable[..., EngineProcess], tmp_path: Path) -> None:
    may = [True]
    asked: list[bool] = []

    def allowed() -> bool:
        asked.append(may[0])
        return may[0]

    engine = opened(prefix_cache=tmp_path / "prefixes", prefix_cache_allowed=allowed)
    list(engine.reply(LONG_QUESTION, GREEDY))
    assert asked
    assert list((tmp_path / "prefixes").rglob("*.*"))
    may[0] = False
    before = {path.name for path in (tmp_path / "prefixes").rglob("*.*")}
    list(engine.reply((Turn.of("user", "Something else is read. " * 300),), GREEDY))
    engine.close()
    assert False in asked
    assert {path.name for path in (tmp_path / "prefixes").rglob("*.*")} == before


def test_what_the_engine_logs_is_logged_here_without_a_word_of_the_conversation(
    opened: Callable[..., EngineProcess], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = opened()
    with pytest.raises(RuntimeError):
        list(engine.reply((Turn.of("user", "my secret diary"),), ReplyOptions(temperature=-1)))
    engine.close()
    assert "Unexpected in the engine's process: ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_progress_and_a_stop_while_loading(opened: Callable[..., EngineProcess]) -> None:
    steps: list[tuple[str, float]] = []
    opened(progress=lambda step, share: steps.append((step, share)))
    assert steps
    cancel = CancelToken()
    with pytest.raises(LoadCancelledError):
        opened(progress=lambda step, share: cancel.cancel(), cancel=cancel)


def test_a_progress_that_fails_ends_the_loading(opened: Callable[..., EngineProcess]) -> None:
    def fails(step: str, share: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        opened(progress=fails)
    assert said(opened().reply(QUESTION, GREEDY))


# --- faults ---

FAULTS = ("SIGKILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGILL")
each_fault = pytest.mark.parametrize("fault", FAULTS)


@needs_signals
@each_fault
def test_a_fault_while_reading_or_speaking_costs_the_reply(opened: Callable[..., EngineProcess], fault: str) -> None:
    for turns, kind in ((LONG_QUESTION, Prefill), (QUESTION, Text)):
        engine = opened()
        events = engine.reply(turns, LONG)
        next(event for event in events if isinstance(event, kind))
        os.kill(engine.pid, getattr(signal, fault))
        with pytest.raises(EngineLostError, match=r"loaded anew"):
            list(events)
        assert engine.lost
        engine.close()


@needs_signals
@each_fault
def test_a_fault_while_nothing_is_asked_is_known(opened: Callable[..., EngineProcess], fault: str) -> None:
    engine = opened()
    heard = engine.listen()
    os.kill(engine.pid, getattr(signal, fault))
    until(lambda: engine.lost)
    heard.feed(load_audio_of_a_tone())
    with pytest.raises(EngineLostError):
        heard.finish()
    with pytest.raises(EngineLostError):
        list(engine.prepare(QUESTION))
    engine.close()


@needs_signals
@each_fault
def test_a_fault_while_loading_fails_the_loading(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    def taken() -> ChildProcess:
        process = ChildProcess()
        os.kill(process.pid, signal.SIGSTOP)  # so that it cannot be ready before
        os.kill(process.pid, getattr(signal, fault))
        process._process.send_signal(signal.SIGCONT)
        return process

    with monkeypatch.context() as patch:
        patch.setattr(SPARE, "take", taken)
        with pytest.raises(EngineLostError):
            EngineProcess.open(None)
    EngineProcess.open(None).close()


@needs_signals
def test_a_fault_at_any_moment_is_an_error_or_comes_too_late() -> None:
    rng = __import__("random").Random(11)
    ends = {"lost": 0, "late": 0}
    for _ in range(examples(6)):
        killer = threading.Timer(0, lambda: None)
        try:
            SPARE.prepare()
            assert SPARE._process is not None
            victim = SPARE._process
            killer = threading.Timer(rng.uniform(0, 1.6), victim.kill)
            killer.start()
            engine = EngineProcess.open(None, provider="cpu")
            try:
                list(engine.reply(QUESTION, GREEDY))
            finally:
                engine.close()
            ends["late"] += 1
        except EngineLostError:
            ends["lost"] += 1
        finally:
            killer.cancel()
            killer.join()
    assert sum(ends.values()) == examples(6)


@needs_signals
def test_weights_that_are_cut_short_under_the_model_cost_a_reply(
    opened: Callable[..., EngineProcess], tmp_path: Path, project_root: Path
) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(project_root / "resources" / "demo_model", folder, ignore=shutil.ignore_patterns("training"))
    engine = opened(folder)
    events = engine.reply(QUESTION, LONG)
    next(event for event in events if isinstance(event, Text))
    for file in (folder / "onnx").iterdir():
        os.truncate(file, 0)
    # the weights of the embedding are mapped, and read with every token
    with pytest.raises(EngineLostError, match="could no longer be read"):
        list(events)
    engine.close()
    with pytest.raises(ModelFolderError):
        opened(folder)
    assert said(opened().reply(QUESTION, GREEDY))


def test_a_mapped_file_that_is_cut_short_is_told(opened: Callable[..., EngineProcess]) -> None:
    assert "could no longer be read" in proxy._why(-getattr(signal, "SIGBUS", 7))
    assert "memory" in proxy._why(-9)
    assert "SIGSEGV" in proxy._why(-11)
    assert "fault" in proxy._why(3)


@needs_signals
def test_a_stop_that_is_not_honoured_ends_the_process(
    opened: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "STOP_SECONDS", 0.3)
    engine = opened()
    cancel = CancelToken()
    events = engine.reply(QUESTION, LONG, cancel)
    next(event for event in events if isinstance(event, Text))
    os.kill(engine.pid, signal.SIGSTOP)  # as a driver that hangs
    started = time.monotonic()
    cancel.cancel()
    rest = list(events)
    assert time.monotonic() - started < GUARD
    assert isinstance(rest[-1], Done)
    assert rest[-1].reason == "cancelled"
    assert engine.lost
    engine.close()


@needs_signals
def test_closing_does_not_wait_for_ever(opened: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "CLOSE_SECONDS", 0.2)
    engine = opened()
    os.kill(engine.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(EngineLostError):
        engine.close()
    assert time.monotonic() - started < GUARD
    assert engine.lost


@needs_signals
def test_a_stop_while_loading_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken() -> ChildProcess:
        process = ChildProcess()
        os.kill(process.pid, signal.SIGSTOP)
        return process

    monkeypatch.setattr(SPARE, "take", taken)
    cancel = CancelToken()
    threading.Timer(0.1, cancel.cancel).start()
    with pytest.raises(LoadCancelledError):
        EngineProcess.open(None, cancel=cancel)


@needs_signals
def test_a_large_request_to_a_process_that_hangs_can_be_stopped(opened: Callable[..., EngineProcess]) -> None:
    engine = opened()
    os.kill(engine.pid, signal.SIGSTOP)
    cancel = CancelToken()
    threading.Timer(0.2, cancel.cancel).start()
    turns = (Turn("user", (Audio(os.urandom(30_000_000)), Text("What is said?"))),)
    events = list(engine.reply(turns, GREEDY, cancel))
    assert isinstance(events[-1], Done)
    assert events[-1].reason == "cancelled"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"x" * 100,
        b"\xff" * 8,
        launching.wire.LENGTH.pack(4) + b"[[]]",
        launching.wire.LENGTH.pack(1 << 40),
        launching.wire.LENGTH.pack(20) + b"[",
    ],
    ids=["nothing", "text", "huge", "nonsense", "too long", "cut"],
)
def test_a_process_that_says_nonsense_is_ended(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    program = "import sys; sys.stdin.buffer.read(9); sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))"
    monkeypatch.setattr(launching, "child_command", lambda: [sys.executable, "-c", program, answer.hex()])
    with pytest.raises(EngineLostError):
        EngineProcess.open(None)


@pytest.mark.parametrize("answer", [b'["text","%s"]' % (b"x" * 100_000), b'["begun"]'], ids=["much", "many"])
def test_a_process_that_says_more_than_a_model_is_ended(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    program = (
        "import sys\nframe = bytes.fromhex(sys.stdin.buffer.readline().decode())\n"
        "while True: sys.stdout.buffer.write(frame)"
    )
    monkeypatch.setattr(wire, "REQUEST_BYTES", 400_000)
    monkeypatch.setattr(launching, "child_command", lambda: [sys.executable, "-c", program])
    process = ChildProcess()
    process.send((launching.wire.LENGTH.pack(len(answer)) + answer).hex().encode() + b"\n")
    engine = EngineProcess(process, None)
    with pytest.raises(EngineLostError):
        list(engine.reply(QUESTION, GREEDY))
    assert engine.lost


def test_a_process_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launching, "child_command", lambda: [str(tmp_path / "nothing")])
    with pytest.raises(OSError, match="nothing"):
        EngineProcess.open(None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("stopped", [False, True], ids=["idle", "hanging"])
def test_it_does_not_outlive_its_parent(tmp_path: Path, project_root: Path, stopped: bool) -> None:
    program = (
        "import os, signal, sys, time\n"
        "from app.engine_process.proxy import EngineProcess\n"
        "engine = EngineProcess.open(None)\n"
        f"if {stopped}: os.kill(engine.pid, signal.SIGSTOP)\n"
        "print(engine.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=project_root, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert running(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not running(child))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_nothing_is_left_of_models_that_were_closed() -> None:
    """Loads and turns in a row: descriptors, threads and children stay as many, and the memory returns."""
    from inference.memory import resident_bytes

    def kept() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    before, resident = (0, 0), 0
    for load in range(1 + examples(2)):
        engine = EngineProcess.open(None, provider="cpu")
        for turn in range(6):
            assert said(engine.reply((Turn.of("user", f"Question {load} {turn}?"),), GREEDY)) is not None
        pid = engine.pid
        engine.close()
        assert not running(pid)
        if load == 0:
            before, resident = kept(), resident_bytes()["anonymous"]
    assert kept() == before
    assert resident_bytes()["anonymous"] - resident < 16e6


def running(pid: int) -> bool:
    """Whether there is such a process, other than a dead one that nobody has buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "it never came"
        threading.Event().wait(0.01)


def load_audio_of_a_tone():  # type: ignore[no-untyped-def]
    import numpy as np

    return np.sin(np.arange(16_000) / 20).astype(np.float32)


@needs_signals
@pytest.mark.parametrize("argument", ["--engine-process", "--isolated-child"])
def test_somebody_who_asks_for_a_child_in_a_terminal_is_told(project_root: Path, argument: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, str(project_root / "main.py"), argument]
        ended = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=GUARD, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert ended.returncode == 2
    assert argument in ended.stderr.decode()
    assert ended.stderr.count(b"\n") == 1
