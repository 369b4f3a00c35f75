"""Whatever an engine raises, in whatever call, ends that job; the next question and the next model work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from pytestqt.qtbot import QtBot

from app.background import Background
from app.engine_opening import open_engine
from app.session import SessionState
from app.store.store_thread import StoreThread
from gui.asking import MakeSession, ask, collect, finish
from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.messages import Prefill, ReplyEvent, ReplyOptions, Turn

PanicException = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
"""What PyO3 makes of a panic, for all that anybody outside can tell."""

RAISED = (
    PanicException("my secret diary"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    MemoryError(),
    RecursionError("my secret diary"),
    StopIteration(),
    BaseExceptionGroup("several", [KeyboardInterrupt()]),
    ModelFolderError("The folder is damaged; choose another one."),
)
each_error = pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)


class Failing(FakeEngine):
    """Raises ``error`` once in the call of the name ``where``."""

    where: str = ""
    error: BaseException = RuntimeError()

    def _fail(self, where: str) -> None:
        if where == self.where:
            self.where = ""
            raise self.error

    def reply(
        self,
        turns: Sequence[Turn],
        options: ReplyOptions = ReplyOptions(),  # noqa: B008
        cancel: CancelToken | None = None,
    ) -> Iterator[ReplyEvent]:  # type: ignore[override]
        self._fail("reply")
        return self._events(super().reply(turns, options, cancel))

    def _events(self, events: Iterator[ReplyEvent]) -> Iterator[ReplyEvent]:
        self._fail("first event")
        try:
            for event in events:
                yield event
                self._fail("between")
        finally:
            self._fail("closing the generator")

    def prepare(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Iterator[Prefill]:
        self._fail("prepare")
        return super().prepare(turns, options, cancel)

    def close(self) -> None:
        super().close()
        self._fail("close")


def failing(where: str, error: BaseException) -> Failing:
    engine = Failing([words("fine again")])
    engine.where, engine.error = where, error
    return engine


@each_error
@pytest.mark.parametrize("where", ["reply", "first event", "between", "closing the generator"])
def test_a_reply_fails_and_the_next_one_is_answered(
    qtbot: QtBot, make_session: MakeSession, where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(failing(where, error))
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert frames[-1].error
    assert "secret" not in frames[-1].error + caplog.text
    frames.clear()
    ask(session)
    finish(qtbot, session, frames)
    assert "".join(frame.text for frame in frames) == "fine again"
    assert not frames[-1].error


@each_error
def test_a_load_fails_and_the_next_one_works(qtbot: QtBot, make_session: MakeSession, error: BaseException) -> None:
    def factory(path: Path | None) -> FakeEngine:
        if path is not None:
            raise error
        return FakeEngine([words("here")])

    session = make_session(factory, load=False)
    session.load(Path("hostile"))
    qtbot.waitUntil(lambda: session.state is SessionState.FAILED)
    assert session.failure
    session.load(None)
    qtbot.waitUntil(lambda: session.state is SessionState.READY)


@each_error
def test_what_an_engine_says_of_itself_may_fail(qtbot: QtBot, make_session: MakeSession, error: BaseException) -> None:
    class Nameless(FakeEngine):
        @property
        def provider_reason(self) -> str:  # type: ignore[override]
            raise error

        @provider_reason.setter
        def provider_reason(self, value: str) -> None:
            pass

    bad = Nameless()
    session = make_session(lambda path: bad if path else FakeEngine([words("here")]), load=False)
    session.load(Path("hostile"))
    qtbot.waitUntil(lambda: session.state is SessionState.FAILED)
    assert bad.closed
    session.load(None)
    qtbot.waitUntil(lambda: session.state is SessionState.READY)


@each_error
def test_an_engine_that_does_not_close_in_order_is_let_go(
    qtbot: QtBot, make_session: MakeSession, error: BaseException
) -> None:
    session = make_session(failing("close", error))
    session.unload()
    qtbot.waitUntil(lambda: session.state is SessionState.UNLOADED)
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert "".join(frame.text for frame in frames) == "fine again"


@each_error
def test_reading_ahead_may_fail(qtbot: QtBot, make_session: MakeSession, error: BaseException) -> None:
    session = make_session(failing("prepare", error))
    session.prepare([Turn.of("user", "Who")], ReplyOptions())
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert "".join(frame.text for frame in frames) == "fine again"


def test_an_endless_chain_of_causes_is_survived(qtbot: QtBot, make_session: MakeSession) -> None:
    first = error = ValueError()
    for _ in range(5000):
        error.__cause__ = error = ValueError()  # type: ignore[assignment]
    error.__cause__ = first
    session = make_session(failing("between", first))
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert frames[-1].error


def hostile_model(folder: Path, demo: Path) -> Path:
    """The demo with a normaliser whose regex runs into its library's limit of tries, where the library panics."""
    shutil.copytree(demo, folder, ignore=shutil.ignore_patterns("training"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": "b"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


def test_a_tokenizer_that_would_panic_costs_one_load(
    qtbot: QtBot, make_session: MakeSession, tmp_path: Path, project_root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is refused before it is used; that a panic costs no more than a reply is shown above by what it raises."""
    demo = project_root / "resources" / "demo_model"
    session = make_session(open_engine, load=False)
    session.load(hostile_model(tmp_path / "hostile", demo))
    qtbot.waitUntil(lambda: session.state is SessionState.FAILED, timeout=60_000)
    assert "tokenizer" in session.failure
    session.load(demo)
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=60_000)
    frames = collect(session)
    session.submit([Turn.of("user", "my diary")], ReplyOptions(max_tokens=4))
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].last, timeout=60_000)
    assert "".join(frame.text for frame in frames)
    said = capfd.readouterr()
    assert "my diary" not in said.out + said.err


# --- other threads of the program ---


@each_error
def test_work_in_the_background_may_raise_anything(qtbot: QtBot, error: BaseException) -> None:
    background = Background()
    failures: list[Exception] = []
    values: list[int] = []

    def work() -> None:
        raise error

    background.run(work, lambda _: None, failures.append)
    background.run(work, lambda _: None)
    background.run(lambda: 7, values.append)
    qtbot.waitUntil(lambda: bool(failures and values))
    background.close()


@each_error
def test_work_on_the_database_may_raise_anything(tmp_path: Path, error: BaseException) -> None:
    import sqlite3

    thread = StoreThread(lambda: sqlite3.connect(tmp_path / "x.db", isolation_level=None))
    thread.start()

    def work(connection: sqlite3.Connection) -> None:
        raise error

    failed = [thread.read(work), thread.write(work)]
    after = thread.write(lambda connection: connection.execute("CREATE TABLE t (a)").rowcount)
    for future in failed:
        assert future.exception(timeout=10) is not None
        assert isinstance(future.exception(), Exception)
    assert after.exception(timeout=10) is None
    thread.close()


@each_error
def test_a_database_that_cannot_be_opened_fails_every_job(error: BaseException) -> None:
    def opening() -> None:
        raise error

    thread = StoreThread(opening)  # type: ignore[arg-type]
    thread.start()
    assert thread.read(lambda connection: None).exception(timeout=10) is not None
    thread.close()
