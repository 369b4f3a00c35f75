"""The command line, started as a person starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import main
from app import display
from app.commands.arguments import EXPORT_PACKAGES
from inference.version import __version__

ROOT = Path(__file__).resolve().parent.parent


def larimar(
    *arguments: str | Path, environment: dict[str, str], standard_input: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
        env=environment,
        input=standard_input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "import main\n"
        "try:\n"
        "    main.main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "names = {name.partition('.')[0] for name in sys.modules if not name.startswith('__')}\n"
        "print(*names - set(sys.stdlib_module_names), file=sys.stderr)\n"
        "ours = {name for name in sys.modules if name.startswith('app.')}\n"
        "assert all(name.startswith('app.commands') for name in ours), ours\n"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "ask" in result.stdout
    assert set(result.stderr.split()) == {"main", "inference", "app"}


def test_version(child_environment: dict[str, str]) -> None:
    result = larimar("--version", environment=child_environment)
    assert (result.returncode, result.stdout) == (0, f"Larimar {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["sing"], "invalid choice: 'sing'"),
        (["ask"], "ask needs a question"),
        (["ask", "hello", "--temperature", "-1"], "'-1' is not a number 0 or more"),
        (["ask", "hello", "--temperature", "nan"], "'nan' is not a number 0 or more"),
        (["ask", "hello", "--top-p", "0"], "'0' is not a number above 0, at most 1"),
        (["ask", "hello", "--min-p", "2"], "'2' is not a number 0 or more, at most 1"),
        (["ask", "hello", "--stop", ""], "must not be empty"),
        (["ask", "hello", "--top-k", "2.5"], "'2.5' is not a whole number 0 or more"),
        (["ask", "hello", "--max-tokens", "0"], "'0' is not a whole number 1 or more"),
        (["convert", "only-one"], "the following arguments are required: out"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main(arguments)
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--model", "A", "ask", "x"], ["ask", "x", "--model", "A"]])
def test_model_may_stand_before_or_after_the_command(arguments: list[str]) -> None:
    assert main.build_parser().parse_args(arguments).model == Path("A")


def test_missing_model_folder_is_one_sentence(child_environment: dict[str, str], tmp_path: Path) -> None:
    result = larimar("ask", "hello", "--model", tmp_path / "none", environment=child_environment)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("larimar: ")
    assert str(tmp_path / "none") in result.stderr
    assert "Traceback" not in result.stderr


def test_verbose_shows_the_cause(child_environment: dict[str, str], tmp_path: Path) -> None:
    result = larimar("--verbose", "ask", "hello", "--model", tmp_path / "none", environment=child_environment)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_missing_attachment_is_one_sentence(child_environment: dict[str, str], tmp_path: Path) -> None:
    result = larimar("ask", "what is it?", "--image", tmp_path / "no.png", environment=child_environment)
    assert result.returncode == 1
    assert f"There is no file {tmp_path / 'no.png'}" in result.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "does not exist"), ("{", "is no JSON"), ("[]", "does not hold a JSON object"), ("[" * 10**5, "too deeply")],
)
def test_an_unusable_json_schema_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, sentence: str
) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main.main(["ask", "hello", "--json-schema", str(path)]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_convert_without_the_export_extra_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.startswith("inference.export.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in EXPORT_PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    assert main.main(["convert", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "install the export extra" in capsys.readouterr().err


def test_convert_refuses_what_is_no_checkpoint(child_environment: dict[str, str], tmp_path: Path) -> None:
    result = larimar("convert", tmp_path, tmp_path / "out", environment=child_environment)
    assert result.returncode == 1
    assert result.stderr.startswith("larimar: ")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_display_the_chat_runs_in_the_terminal(child_environment: dict[str, str], tmp_path: Path) -> None:
    result = larimar(environment=child_environment, standard_input="/help\n/quit\n")
    assert result.stderr.splitlines()[0] == ("There is no display for a window. The chat goes on here in the terminal.")
    assert "/system TEXT" in result.stderr
    assert result.returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there Qt needs what can be missing")
class TestWindowProblem:
    @pytest.fixture(autouse=True)
    def bare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
            monkeypatch.delenv(name, raising=False)

    def test_no_display(self) -> None:
        assert display.window_problem() == "There is no display for a window."

    def test_offscreen_is_good_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
        assert display.window_problem() is None

    def test_display_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DISPLAY", ":98765")
        assert display.window_problem() == "The display :98765 does not answer."

    def test_display_that_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        number = 100_000 + os.getpid()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(f"\0/tmp/.X11-unix/X{number}")
            server.listen()
            monkeypatch.setenv("DISPLAY", f":{number}.0")
            assert display.window_problem() is None

    def test_missing_system_library_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(path: str) -> None:
            raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")

        monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
        monkeypatch.setattr(display.ctypes, "CDLL", load)
        problem = display.window_problem()
        assert problem is not None
        assert "the system library libEGL.so.1 is missing" in problem
        assert "apt-get install -y --no-install-recommends" in problem

    def test_missing_pyside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(display.importlib.util, "find_spec", lambda name: None)
        assert "PySide6" in (display.window_problem() or "")
