"""Commands whose standard streams are closed, full, broken or hostile: a sentence, an exit code, no traceback."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from hypothesis import given, settings
from hypothesis import strategies as st

import main
from app.commands.streams import one_line, printable
from inference.messages import Done, ReplyStats, Text
from tests.fuzzing import examples

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["ask hello", "--version", "ask --help", "doctor --json", "transcribe {sound}"]
HAS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without /dev/full")
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


@pytest.fixture
def shell(child_environment: dict[str, str], tmp_path: Path, shared_data: Path):  # type: ignore[no-untyped-def]
    sound = shared_data / "fsdd" / "3_george_0.wav"

    def run(line: str) -> subprocess.CompletedProcess[str]:
        line = line.replace("LARIMAR", f"'{sys.executable}' '{ROOT / 'main.py'}'").replace("{sound}", f"'{sound}'")
        result = subprocess.run(
            ["sh", "-c", line],
            cwd=tmp_path,
            env=child_environment,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=120,
            check=False,
        )
        assert "Traceback" not in result.stderr
        assert "Exception ignored" not in result.stderr
        return result

    return run


@POSIX
@HAS_FULL
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_standard_output(shell, command: str) -> None:  # type: ignore[no-untyped-def]
    result = shell(f"LARIMAR {command} > /dev/full")
    assert result.returncode == 1
    assert result.stderr.endswith(
        "larimar: The answer cannot be written to standard output: No space left on device.\n"
    )


@POSIX
@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_standard_output(shell, command: str) -> None:  # type: ignore[no-untyped-def]
    result = shell(f"LARIMAR {command} >&-")
    assert result.returncode == 1
    assert result.stderr.endswith("larimar: Standard output is closed, so there is no place for the answer.\n")


@POSIX
@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_went_away(shell, command: str) -> None:  # type: ignore[no-untyped-def]
    result = shell(f"{{ LARIMAR {command}; echo $? >&2; }} | true")
    assert result.stderr.endswith(
        "larimar: The answer was not read to its end: the program that reads standard output ended.\n1\n"
    )


@POSIX
@pytest.mark.parametrize("command", COMMANDS[:4])
@pytest.mark.parametrize("where", ["2>&-", pytest.param("2>/dev/full", marks=HAS_FULL), "<&- 2>&-"])
def test_a_broken_standard_error_costs_no_answer(shell, command: str, where: str) -> None:  # type: ignore[no-untyped-def]
    result = shell(f"LARIMAR {command} {where}")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("\n")
    assert "larimar: " not in result.stdout


@POSIX
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("LARIMAR ask - <&-", "Standard input is closed, so there is no question."),
        ("LARIMAR ask - < /dev/zero", "Standard input holds more than any question can be long."),
        ("printf 'gr\\374\\337' | LARIMAR ask -", "Standard input is no text in UTF-8."),
        ("printf 'hi\\000there' | LARIMAR ask -", "Standard input holds no text."),
        ("LARIMAR chat < /dev/zero", "A line of standard input is too long for a question. Make it shorter."),
        ("mkfifo p; LARIMAR ask x --image p", "p is a pipe."),
        ("LARIMAR ask x --audio /dev/zero", "/dev/zero is a device."),
        ("LARIMAR ask x --video .", ". is a folder."),
        ("mkfifo p; LARIMAR describe p", "p is a pipe."),
        ("mkfifo p; LARIMAR transcribe p", "p is a pipe."),
        ("mkfifo p; LARIMAR ask x --json-schema p", "p is a pipe. So there is no JSON schema to answer by."),
        ("LARIMAR listen --phrases /dev/zero", "/dev/zero is a device."),
        ("LARIMAR ask x --image \"$(printf 'no\\n\\033]0;t\\007file')\"", "There is no file no file."),
        ("LARIMAR bench --json no/x.json", "no/x.json cannot be written: there is no folder no."),
    ],
)
def test_what_cannot_be_read_is_one_sentence(shell, line: str, sentence: str) -> None:  # type: ignore[no-untyped-def]
    result = shell(line)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"larimar: {sentence}\n")


@POSIX
@pytest.mark.parametrize(
    "line",
    [
        "LARIMAR ask hello <&-",
        "printf '\\377\\376h\\000i\\000' | LARIMAR ask -",
        "LARIMAR ask \"$(printf 'caf\\351?')\"",
        "env -i LARIMAR ask hello",
        "env -i HOME=/nonexistent LARIMAR ask hello",
        "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LARIMAR ask größe",
        "mkdir gone; cd gone; rmdir ../gone; LARIMAR ask hello",
        "printf 'hi\\n\\377\\n' | LARIMAR chat",
        "LC_ALL=C PYTHONIOENCODING=ascii LARIMAR --help",
    ],
)
def test_odd_surroundings_cost_no_answer(shell, line: str) -> None:  # type: ignore[no-untyped-def]
    result = shell(line)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip()


def test_arguments_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["ask", "x", "--no\x1b]0;t\x07such\u202e"])
    error = capsys.readouterr().err
    assert "unrecognized arguments" in error
    assert not re.search("[\x1b\x07\u202e]", error)


def test_a_models_name_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fake = FakeEngine([], modalities=frozenset())
    fake.name = "Evil\x1b[31m\x9b2J\nmodel\u202e"
    monkeypatch.setattr("inference.engine.Engine.open", lambda path, provider: fake)
    (tmp_path / "a.wav").write_bytes(b"x")
    assert main.main(["transcribe", str(tmp_path / "a.wav")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not re.search("[\x1b\x9b\u202e]", error)


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b\x07\r\n\u202e\u2066\x00\x7f[]0;mK\u200d👍")))
@settings(max_examples=examples(300), deadline=None)
def test_no_text_steers_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert "\n" not in one_line(text)
    assert printable(shown) == shown
    kept = [letter for letter in text if letter.isprintable() or letter in "\n\t\u200d"]
    assert [letter for letter in shown if letter.isprintable() or letter in "\n\t\u200d"] == kept


class TestJsonThatWasCutOff:
    SCHEMA = '{"type": "object", "uniqueItems": true}'

    @pytest.fixture
    def schema(self, tmp_path: Path) -> str:
        (tmp_path / "schema.json").write_text(self.SCHEMA, encoding="utf-8")
        return str(tmp_path / "schema.json")

    @pytest.mark.parametrize(
        ("text", "reason", "code", "sentence"),
        [
            ('{"a": 1}', "stop", 0, ""),
            ('{"a": 1', "length", 1, "The JSON is not complete: it was cut off at the limit of tokens"),
            ("12", "length", 1, "The JSON is not complete: it was cut off at the limit of tokens"),
            ('{"a"', "context", 1, "The JSON is not complete: the model's context is full."),
            ('{"a"', "stop", 1, "The JSON is not complete: it was cut off at a text that --stop names."),
            ('{"a"', "cancelled", 130, "The JSON is not complete: it was stopped."),
        ],
    )
    def test_is_said(self, monkeypatch, capsys, schema: str, text: str, reason: str, code: int, sentence: str) -> None:  # type: ignore[no-untyped-def]
        fake = FakeEngine([[Text(text), Done(reason, ReplyStats())]])  # type: ignore[arg-type]
        monkeypatch.setattr("inference.engine.Engine.open", lambda path, provider: fake)
        assert main.main(["ask", "x", "--json-schema", schema]) == code
        output = capsys.readouterr()
        assert output.out == text + "\n"
        assert sentence in output.err

    def test_in_a_chat_too(self, monkeypatch, capsys, schema: str) -> None:  # type: ignore[no-untyped-def]
        fake = FakeEngine([[Text("{"), Done("length", ReplyStats())], words("{}")])
        monkeypatch.setattr("inference.engine.Engine.open", lambda path, provider: fake)
        monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
        assert main.main(["chat", "--json-schema", schema]) == 1
        assert "The JSON is not complete" in capsys.readouterr().err

    def test_by_the_real_model(self, child_environment: dict[str, str], tmp_path: Path) -> None:
        """A schema is the same with a byte order mark and in UTF-16."""
        plain = '{"type": "object", "properties": {"größe": {"const": "größer als zehn"}}, "required": ["größe"]}'
        (tmp_path / "plain.json").write_text(plain, encoding="utf-8")
        (tmp_path / "marked.json").write_text(plain, encoding="utf-8-sig")
        (tmp_path / "wide.json").write_text(plain, encoding="utf-16")
        for name, arguments, code in (("plain", ["--max-tokens", "4"], 1), ("marked", [], 0), ("wide", [], 0)):
            command = [
                sys.executable,
                str(ROOT / "main.py"),
                "ask",
                "x",
                "--json-schema",
                str(tmp_path / f"{name}.json"),
            ]
            result = subprocess.run(
                [*command, "--temperature", "0", *arguments],
                env=child_environment,
                capture_output=True,
                encoding="utf-8",
                timeout=120,
                check=False,
            )
            assert result.returncode == code, result.stderr
            assert ("The JSON is not complete" in result.stderr) == bool(code)
            if not code:
                assert json.loads(result.stdout)["größe"] == "größer als zehn"
