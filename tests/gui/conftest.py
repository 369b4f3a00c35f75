"""What the tests of the window share."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.engine import FakeEngine, opens
from fakes.keyring import FakeKeyring
from pytestqt.qtbot import QtBot

from app.application import Larimar, Options
from app.devices.speaker import Speaker
from app.engine_worker import EngineFactory
from app.session import Session, SessionState
from inference.hub import Source

WAIT_SECONDS = 5.0


@pytest.fixture(autouse=True)
def collected_on_this_thread() -> Iterator[None]:
    """Let no other thread end a Qt object, as the program does; see :mod:`app.garbage`."""
    gc.disable()
    yield
    gc.collect(1)
    gc.enable()


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail when a test leaves one of our threads, daemon or not, running."""
    yield
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("larimar")]
    for thread in ours:  # one that was told to end may still be on its way, on a busy machine
        thread.join(WAIT_SECONDS)
    left = [thread.name for thread in ours if thread.is_alive()]
    assert not left, f"threads left running: {left}"


@pytest.fixture
def make_session(qtbot: QtBot) -> Iterator[Callable[..., Session]]:
    """Return a function that makes a session with a fake engine, loaded unless told otherwise."""
    made: list[Session] = []

    def make(engine: FakeEngine | EngineFactory, *, load: bool = True, **options: int) -> Session:
        session = Session(opens(engine) if isinstance(engine, FakeEngine) else engine, **options)
        made.append(session)
        if load:
            session.load(None)
            qtbot.waitUntil(lambda: session.state is SessionState.READY)
        return session

    yield make
    for session in made:
        assert session.close()


@pytest.fixture
def make_app(qtbot: QtBot, qapp: object, tmp_path: Path) -> Iterator[Callable[..., Larimar]]:
    """Return a function that makes the whole program around a fake engine, window shown, model loading."""
    made: list[Larimar] = []

    def make(
        engine: FakeEngine | EngineFactory,
        *,
        model: Path | None = None,
        choose_folder: Callable[[Path | None], Path | None] | None = None,
        speaker: Speaker | None = None,
        hub: Source | None = None,
        keyring: FakeKeyring | None = None,
        wait: bool = True,
        **others: Any,
    ) -> Larimar:
        factory = opens(engine) if isinstance(engine, FakeEngine) else engine
        options = Options(model, tmp_path)
        larimar = Larimar(
            qapp,  # type: ignore[arg-type]
            options,
            factory,
            choose_folder=choose_folder,
            speaker=speaker,
            hub=hub,
            keyring=keyring or FakeKeyring(),
            **others,
        )
        made.append(larimar)
        larimar.start()
        qtbot.waitExposed(larimar.window)
        if wait:
            qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
        return larimar

    yield make
    for larimar in made:
        larimar.window.close()
        larimar.close()
        larimar.window.deleteLater()
        larimar.deleteLater()
