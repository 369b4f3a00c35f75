"""What the engine kept of conversations, after one was deleted and the program killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fakes.engine import FakeEngine
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.forgotten_prefixes import forget_prefixes, prefixes_are_forgotten
from app.paths import Paths

MakeApp = Callable[..., Larimar]


def written(paths: Paths) -> Path:
    file = paths.prefixes / "model" / "a.npz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"what was said")
    return file


def test_what_is_written_again_before_a_kill_is_removed_by_the_next_start(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    paths = Paths.under(tmp_path)
    written(paths)
    forget_prefixes(paths)
    assert not paths.prefixes.exists()
    file = written(paths)  # by the engine, which still holds it; then the program is killed
    larimar = make_app(FakeEngine())
    qtbot.waitUntil(lambda: not file.exists() and not prefixes_are_forgotten(paths))
    kept = written(paths)
    larimar.window.close()
    make_app(FakeEngine()).window.close()
    assert kept.exists(), "what is written later is wanted"


def test_the_end_of_the_program_leaves_no_mark(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    written(paths)
    forget_prefixes(paths)
    written(paths)
    forget_prefixes(paths, at_end=True)
    assert not paths.prefixes.exists()
    assert not prefixes_are_forgotten(paths)
    forget_prefixes(Paths.under(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
