"""What the tests of the store share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.store.sqlite_store import SqliteStore


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail when a test leaves a thread of a store running."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("larimar")]
    assert not left, f"threads left running: {left}"


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., SqliteStore]]:
    """Return a function that opens a store in one folder, after closing the one that was open."""
    made: list[SqliteStore] = []

    def make(folder: Path | None = None) -> SqliteStore:
        for store in made:
            store.close()
        made.append(SqliteStore(folder or tmp_path / "store"))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., SqliteStore]) -> SqliteStore:
    """An empty store."""
    return open_store()
