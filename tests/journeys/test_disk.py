"""main.py on disks that take nothing, and what other users see of it."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from journeys.program import DEADLINE_SECONDS, Program

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="makes folders that Linux can have, reads /proc"),
]
FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")


@pytest.fixture
def environment(child_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    return child_environment | {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(runtime)}


def in_place_of(kind: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        folder.rmdir()
        if kind == "file":
            folder.write_bytes(b"")
        elif kind == "broken link":
            folder.symlink_to("/nowhere/at/all")
        elif kind == "link to itself":
            folder.symlink_to(folder)

    return change


def quit_when_ready(program: Program, *, notice: bool) -> str:
    program.wait_for("The session is ready")
    if notice and "The window says" not in program.said:
        program.wait_for("The window says what is not kept")
    program.interrupt()
    status, said = program.wait()
    assert status == 0, said
    assert "Traceback" not in said
    assert "running already" not in said
    return said


@pytest.mark.parametrize("kind", ["file", "broken link", "link to itself", "missing"])
@pytest.mark.parametrize("which", [*FOLDERS, "all"])
def test_the_window_opens_whatever_stands_in_the_place_of_its_folders(
    environment: dict[str, str], kind: str, which: str
) -> None:
    for name in FOLDERS if which == "all" else (which,):
        in_place_of(kind)(Path(environment[name]))
    kept = kind == "missing" or which not in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "all")
    with Program("--verbose", environment=environment) as program:
        said = quit_when_ready(program, notice=not kept)
    assert kept is ("The window says" not in said)


def test_the_window_opens_where_no_folder_can_be_made(environment: dict[str, str]) -> None:
    nowhere = dict.fromkeys(("HOME", *FOLDERS), "/proc/larimar")  # not even by the superuser
    with Program("--verbose", environment=environment | nowhere) as program:
        quit_when_ready(program, notice=True)


def test_the_window_opens_without_a_home(environment: dict[str, str]) -> None:
    left = {name: value for name, value in environment.items() if name not in ("HOME", *FOLDERS)}
    with Program("--verbose", environment=left | {"HOME": environment["HOME"]}) as program:
        quit_when_ready(program, notice=False)


def test_the_window_opens_on_a_full_disk(environment: dict[str, str]) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # every write into a file fails

    with Program("--verbose", environment=environment, prepare=full) as program:
        quit_when_ready(program, notice=True)


def test_damaged_settings_open_the_window_with_a_notice(environment: dict[str, str]) -> None:
    file = Path(environment["XDG_CONFIG_HOME"], "larimar", "settings.ini")
    file.parent.mkdir()
    file.write_text("[settings]\nversion=" + "9" * 5000 + '\n[keys]\nchanged="' + "[" * 100_000 + '"\n')
    with Program("--verbose", environment=environment) as program:
        quit_when_ready(program, notice=True)
    assert list(file.parent.glob("settings-not-understood-1.ini"))


def test_a_second_one_is_told_also_without_a_folder_for_the_lock(environment: dict[str, str]) -> None:
    in_place_of("file")(Path(environment["XDG_CONFIG_HOME"]))
    with Program("--verbose", environment=environment) as first:
        first.wait_for("The session is ready")
        with Program("--new-chat", environment=environment) as second:
            status, said = second.wait()
        assert (status, said) == (0, "Larimar is running already; its window was told.\n")
        first.interrupt()
        assert first.wait()[0] == 0


def test_files_are_closed_to_others_and_the_question_is_in_no_list_or_log(environment: dict[str, str]) -> None:
    question = "What is a xylophone?"
    before = os.umask(0)
    try:
        with Program("--verbose", "--ask", question, environment=environment) as first:
            first.wait_for("The session is ready")
            first.wait_for("The session is generating")
            first.wait_for("The session is ready")
            end = time.monotonic() + DEADLINE_SECONDS
            while b"xylophone" in Path(f"/proc/{first.pid}/cmdline").read_bytes():
                assert time.monotonic() < end
            assert b"--ask" in Path(f"/proc/{first.pid}/cmdline").read_bytes()
            modes = {
                path: path.lstat().st_mode & 0o077
                for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
                for path in (Path(environment[name]) / "larimar").rglob("*")
            }
            first.interrupt()
            status, said = first.wait()
    finally:
        os.umask(before)
    assert status == 0
    assert "xylophone" not in said
    assert {path for path, mode in modes.items() if mode} == set()
    assert any(path.name == "conversations.sqlite-wal" for path in modes)
    for path in modes:
        if path.suffix == ".log" and path.exists():
            assert b"xylophone" not in path.read_bytes()


def test_what_was_deleted_is_gone_after_a_kill(environment: dict[str, str]) -> None:
    folder = Path(environment["XDG_DATA_HOME"], "larimar")
    with Program("--verbose", "--ask", "What is a xylophone?", environment=environment) as first:
        first.wait_for("The session is generating")
        first.wait_for("The session is ready")
        first.kill()
        first.wait()
    assert contained(folder)
    connection = sqlite3.connect(folder / "conversations.sqlite")
    connection.execute("UPDATE conversations SET deleted = 1")
    connection.commit()
    connection.close()
    with Program("--verbose", environment=environment) as second:
        second.wait_for("The session is ready")
        second.kill()
        second.wait()
    assert not contained(folder)


def contained(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and b"xylophone" in path.read_bytes().lower()]
