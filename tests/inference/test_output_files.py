"""Files for the user: whole or not at all, and nothing that was not meant."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import output_files
from inference.errors import DiskSpaceError, OutputFileError
from inference.output_files import check_output, distinct_names, make_output_folder, write_file

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["grün\n", "grün\n".encode(), lambda path: path.write_bytes("grün\n".encode())])
def test_a_file_is_written_whole(tmp_path: Path, content: object) -> None:
    target = tmp_path / "a.txt"
    assert write_file(target, content) == target  # type: ignore[arg-type]
    assert target.read_bytes() == "grün\n".encode()
    target.write_text("old and long")
    write_file(target, content)  # type: ignore[arg-type]
    assert target.read_bytes() == "grün\n".encode()
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(5, "I/O error"), KeyError("x")])
def test_what_fails_leaves_what_was_there(tmp_path: Path, error: Exception) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise error

    with pytest.raises((DiskSpaceError, OutputFileError, KeyError)):
        write_file(target, fail)
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_killed_program_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom inference.output_files import write_file\n"
        "def die(path):\n    path.write_text('half')\n    os._exit(9)\n"
        "write_file(Path(sys.argv[1]), die)\n"
    )
    root = Path(__file__).parents[2]
    assert (
        subprocess.run([sys.executable, "-c", script, str(target)], cwd=root, timeout=60, check=False).returncode == 9
    )
    assert target.read_text() == "old"


def test_an_input_is_never_the_output(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(b"sound")
    (tmp_path / "b.wav").hardlink_to(source)
    links = [tmp_path / "b.wav", tmp_path / "." / "x" / ".." / "a.wav"]
    (tmp_path / "x").mkdir()
    if os.name == "posix":
        links.append(tmp_path / "link.wav")
        links[-1].symlink_to(source)
    for target in (source, *links):
        with pytest.raises(OutputFileError, match="it is what is read"):
            write_file(target, "text", inputs=[tmp_path / "other", source])
    assert source.read_bytes() == b"sound"


def test_a_free_name_is_taken_where_the_user_named_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    for number in (1, 2, 3):
        written = write_file(target, str(number), replace=False)
        assert written.read_text() == str(number)

    def refuse(source: object, place: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert write_file(target, "4", replace=False).name == "a 4.txt"
    assert names_in(tmp_path) == ["a 2.txt", "a 3.txt", "a 4.txt", "a.txt"]


@posix
def test_links_are_followed_and_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    write_file(link, "1")
    write_file(link, "2")
    assert link.is_symlink()
    assert real.read_text() == "2"
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(OutputFileError, match="cannot be written"):
        write_file(tmp_path / "round", "x")


@posix
def test_rights_stay_and_new_files_follow_the_systems_rules(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        new = write_file(tmp_path / "new.txt", "x")
        assert stat.S_IMODE(new.stat().st_mode) == 0o640
        new.chmod(0o604)
        write_file(new, "y")
        assert stat.S_IMODE(new.stat().st_mode) == 0o604
    finally:
        os.umask(before)


@posix
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to a pipe").symlink_to(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    for name, reason in (
        ("pipe", "a pipe or a device"),
        ("to a pipe", "a pipe or a device"),
        (".", "it is a folder"),
        ("none/x.txt", "there is no folder"),
        ("file/x.txt", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("nul\0l", "cannot be written"),
    ):
        for attempt in (lambda path: write_file(path, "x"), check_output):
            with pytest.raises(OutputFileError, match=reason) as caught:
                attempt(tmp_path / name)
            assert "\0" not in str(caught.value)
    with pytest.raises(OutputFileError, match="a folder is needed"):
        make_output_folder(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


@posix
def test_a_target_cannot_steer_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError) as caught:
        write_file(tmp_path / "\x1b]0;x\x07no\nfolder" / "a", "x")
    assert str(caught.value).isprintable()


@posix
@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_takes_what_comes_in_its_turn(target: str, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom inference.output_files import write_file\n"
        "print('first')\nwrite_file(Path(sys.argv[1]), 'second\\n')\nprint('third')\n"
    )
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-c", script, target]
        subprocess.run(command, cwd=Path(__file__).parents[2], stdout=out, timeout=60, check=True)
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without it")
def test_a_full_device_is_a_full_disk() -> None:
    write_file(Path("/dev/null"), "x")
    with pytest.raises(DiskSpaceError, match="too little room"):
        write_file(Path("/dev/full"), "x")


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["a.wav", "b.mp3"], ["a.txt", "b.txt"]),
        (["x/r.wav", "y/r.wav"], ["r (x).txt", "r (y).txt"]),
        (["x/r.wav", "x/r.mp3"], ["r.wav.txt", "r.mp3.txt"]),
        (["x/R.wav", "y/r.mp3", "y/q.mp3"], ["R.wav.txt", "r.mp3.txt", "q.txt"]),
        (["1/x/r.wav", "2/x/r.wav", "2/y/r.wav"], ["r (1, x).txt", "r (2, x).txt", "r (y).txt"]),
        (["r.wav", "r.wav"], ["r.txt", "r 2.txt"]),
        (["x/r.wav", "y/r.wav", "r (x).wav"], ["r (x).txt", "r (y).txt", "r (x) 2.txt"]),
        ([".wav", "x/.wav"], None),
    ],
)
def test_names_differ_and_say_from_where(sources: list[str], names: list[str] | None) -> None:
    found = distinct_names([Path(source) for source in sources], ".txt")
    assert len({name.casefold() for name in found}) == len(sources)
    if names is not None:
        assert found == names


PARTS = st.sampled_from(["a", "A", "r", "x", "é", "e\u0301", "a 2", "b.c", "r (a)"])


@given(st.lists(st.tuples(PARTS, PARTS, PARTS, st.sampled_from([".wav", ".mp3", ""])), max_size=8))
def test_names_always_differ(sources: list[tuple[str, str, str, str]]) -> None:
    paths = [Path(first, second, name + ending) for first, second, name, ending in sources]
    found = distinct_names(paths, ".srt")
    assert len({output_files._key(name) for name in found}) == len(paths)
    assert all(name.endswith(".srt") and "/" not in name for name in found)
