"""The prefixes on disk: what is written, by whom it can be read, and what becomes of damage."""

from __future__ import annotations

import logging
import os
import random
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import prefix_store
from inference.kv_cache import CacheSpec, KVCache, Snapshot
from inference.prefix_store import PrefixStore, clear_prefix_store

FULL, SLIDING = "past_key_values.0.key", "past_key_values.1.key"
WINDOW = 8


def make_snapshot(tokens: list[int], marks: tuple[int, ...] = ()) -> Snapshot:
    cache = KVCache({FULL: CacheSpec(2, 4, np.float32), SLIDING: CacheSpec(1, 4, np.float16, WINDOW)}, 100_000)
    draw = np.random.default_rng(1)
    for start, stop in zip((0, *marks), (*marks, len(tokens)), strict=True):
        for position in range(start, stop, 100):
            count = min(100, stop - position)
            cache.reserve(count)
            for name, at in ((FULL, len(cache)), (SLIDING, cache.sliding_length)):
                rows = cache.buffers[name].numpy()[:, :, at : at + count]
                rows[:] = draw.standard_normal(rows.shape)
            cache.append(tokens[position : position + count])
        cache.mark()
    return cache.snapshot()


def open_store(folder: Path, identity: str = "model", **settings: Any) -> PrefixStore:
    return PrefixStore(folder / "prefixes", identity, WINDOW, **settings)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_same(first: Snapshot | None, second: Snapshot) -> None:
    assert first is not None
    assert first.tokens == second.tokens
    assert [window.tokens for window in first.windows] == [window.tokens for window in second.windows]
    for a, b in zip(first.windows, second.windows, strict=True):
        assert a.start == b.start
        np.testing.assert_array_equal(a.rows[SLIDING], b.rows[SLIDING])
    np.testing.assert_array_equal(first.rows[FULL], second.rows[FULL])
    assert first.rows[FULL].dtype == second.rows[FULL].dtype


def test_a_conversation_comes_back_after_a_restart(tmp_path: Path) -> None:
    tokens = [*range(1000), -(1 << 55)]
    snapshot = make_snapshot(tokens, marks=(300, 600))
    assert open_store(tmp_path).save(snapshot)
    store = open_store(tmp_path)
    assert store.reach([*tokens, 7]) == 1001
    assert store.reach([*tokens[:600], 7]) == 600
    assert store.reach([*tokens[:300], 7]) == 300
    assert store.reach([7]) == 0
    assert_same(store.load([*tokens, 7]), snapshot)


def test_nothing_is_written_before_there_is_something_worth_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert not store.save(make_snapshot(list(range(255))))
    assert not (tmp_path / "prefixes").exists()
    assert store.load([1]) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folders from others by itself")
def test_only_the_owner_can_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_store(tmp_path).save(make_snapshot(list(range(300))))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "prefixes").rglob("*")}
    assert sorted(modes.values()) == [0o600, 0o700]
    assert stat.S_IMODE((tmp_path / "prefixes").stat().st_mode) == 0o700


def test_another_model_s_prefixes_are_not_used(tmp_path: Path) -> None:
    open_store(tmp_path).save(make_snapshot(list(range(300))))
    assert open_store(tmp_path, "another model").reach(range(300)) == 0
    assert open_store(tmp_path).reach(range(300)) == 300


def test_a_longer_version_takes_the_place_of_a_shorter_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for length in (300, 500, 400):
        assert store.save(make_snapshot(list(range(length))))
    assert len(files(tmp_path)) == 1
    assert store.reach(range(600)) == 500
    store.save(make_snapshot(list(range(300)) + [-1] * 100))
    assert len(files(tmp_path)) == 2


def test_the_folder_stays_within_its_bound(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(3):
        store.save(make_snapshot([number, *range(999)]))
    size = store.nbytes // 3
    for index, path in enumerate(sorted(files(tmp_path), key=lambda path: np.load(path)["tokens"][0])):
        os.utime(path, (1000 + index, 1000 + index))
    # the first was made first, but is used now
    assert store.load([0, *range(999)]) is not None
    other = open_store(tmp_path, "another model", max_bytes=3 * size + size // 2)
    other.save(make_snapshot(list(range(1000))))
    assert other.nbytes <= 3 * size + size // 2
    store = open_store(tmp_path)
    assert [store.reach([number, *range(999)]) for number in range(3)] == [1000, 0, 1000]
    assert not other.save(make_snapshot(list(range(5000)))), "larger than the bound"


def test_damaged_files_are_as_good_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    snapshot = make_snapshot(list(range(1000)), marks=(500,))
    open_store(tmp_path).save(snapshot)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    draw = random.Random(0)
    damages = [whole[: len(whole) // 2], b"", b"PK\x03\x04" + bytes(100), whole[:-1]]
    for _ in range(40):
        position = draw.randrange(len(whole))
        damages.append(whole[:position] + bytes([whole[position] ^ 1 << draw.randrange(8)]) + whole[position + 1 :])
    noticed = 0
    with caplog.at_level(logging.WARNING):
        for damage in damages:
            path.write_bytes(damage)
            store = open_store(tmp_path)
            loaded = store.load(range(1000)) if store.reach(range(1000)) else None
            if loaded is None:
                noticed += 1
                assert not files(tmp_path), "a damaged file is removed"
            else:
                # a bit that means nothing, in a time of change say
                assert_same(loaded, snapshot)
    assert noticed > 35
    assert "is not used" in caplog.text


def test_a_file_that_was_removed_while_the_program_runs(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.save(make_snapshot(list(range(300))))
    files(tmp_path)[0].unlink()
    assert store.load(range(300)) is None
    assert store.reach(range(300)) == 0


def test_what_was_not_finished_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path)

    def stop(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prefix_store.np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        store.save(make_snapshot(list(range(300))))
    monkeypatch.undo()
    assert len(files(tmp_path)) == 1
    assert open_store(tmp_path).reach(range(300)) == 0
    assert not files(tmp_path)


def test_a_full_disk_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path)

    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prefix_store.np, "savez", full)
    assert not store.save(make_snapshot(list(range(300))))
    assert not files(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "prefixes").write_text("a file")
    store = open_store(tmp_path)
    assert not store.save(make_snapshot(list(range(300))))
    assert store.reach(range(300)) == 0


def test_everything_can_be_forgotten(tmp_path: Path) -> None:
    open_store(tmp_path).save(make_snapshot(list(range(300))))
    open_store(tmp_path, "another model").save(make_snapshot(list(range(300))))
    clear_prefix_store(tmp_path / "prefixes")
    assert not files(tmp_path)
    clear_prefix_store(tmp_path / "nowhere")


def test_nothing_is_written_once_it_is_forbidden(tmp_path: Path) -> None:
    allowed = [True]
    store = open_store(tmp_path, allowed=lambda: allowed[0])
    assert store.save(make_snapshot(list(range(300))))
    before = files(tmp_path)
    allowed[0] = False
    assert not store.save(make_snapshot(list(range(1000, 1300))))
    assert files(tmp_path) == before


def test_forbidding_while_a_file_is_written_leaves_none(tmp_path: Path) -> None:
    answers = iter([True, False])
    assert not open_store(tmp_path, allowed=lambda: next(answers)).save(make_snapshot(list(range(300))))
    assert files(tmp_path) == []
