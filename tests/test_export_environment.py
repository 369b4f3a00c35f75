"""Converting from an installed program, with a stand-in for the user's Python that only notes what it is asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app import export_environment
from inference.errors import RuntimeSetupError

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")

PYTHON = r"""#!/bin/sh
echo "$@" >>"$NOTES"
env | grep -c '^LD_LIBRARY_PATH=/frozen' >>"$NOTES.leaked"
case "$1 $2" in
    "-c "*) exit 0 ;;
    "-m venv") mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
    "-m pip") [ ! -e "$NOTES.fail" ] ;;
    *) exit 7 ;;
esac
"""


class Machine:
    """A machine with one Python, and the sources of an installed program."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "source"
        (self.sources / "packaging").mkdir(parents=True)
        shutil.copy(ROOT / "pyproject.toml", self.sources)
        shutil.copy(ROOT / "packaging" / "constraints.txt", self.sources / "packaging")
        self.folder = folder / "data" / "export-environment"
        self.tools = folder / "tools"
        self.tools.mkdir()
        self.notes = folder / "notes"

    def add_python(self) -> None:
        python = self.tools / "python3"
        python.write_text(PYTHON)
        python.chmod(0o755)

    def asked(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.is_file() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{made.tools}:/usr/bin:/bin")
    monkeypatch.setenv("NOTES", str(made.notes))
    monkeypatch.setattr(export_environment, "_PYTHONS", ("python3-of-the-test", "python3"))
    monkeypatch.setattr(export_environment, "FREE_BYTES", 1)
    return made


def test_installs_once_after_asking_and_converts(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.add_python()
    monkeypatch.setenv("LD_LIBRARY_PATH", "/frozen")
    questions: list[str] = []

    def yes(question: str) -> str:
        questions.append(question)
        return "y"

    for _ in range(2):
        code = export_environment.convert(["CHECKPOINT", "OUT"], machine.sources, machine.folder, ask=yes)
        assert code == 7  # what the conversion itself ended with
    assert len(questions) == 1
    assert str(machine.folder) in questions[0]
    asked = machine.asked()
    installed = [line for line in asked if line.startswith("-m pip install")]
    assert len(installed) == 1
    assert "torch" in installed[0]
    assert "onnxruntime" in installed[0]
    assert "PySide6" not in installed[0]
    assert [line for line in asked if line.endswith("convert CHECKPOINT OUT")] == asked[-1:] * 2
    leaked = Path(f"{machine.notes}.leaked").read_text().split()
    assert set(leaked) == {"0"}


def test_installs_nothing_without_consent(machine: Machine) -> None:
    machine.add_python()
    with pytest.raises(RuntimeSetupError, match="Nothing was installed"):
        export_environment.convert([], machine.sources, machine.folder, ask=lambda _: "")
    assert not machine.folder.exists()


def test_says_how_to_agree_where_nobody_can_be_asked(machine: Machine) -> None:
    machine.add_python()

    def nobody(_: str) -> str:
        raise EOFError

    with pytest.raises(RuntimeSetupError, match="--install"):
        export_environment.convert([], machine.sources, machine.folder, ask=nobody)


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    machine.add_python()
    failing = Path(f"{machine.notes}.fail")
    failing.touch()
    with pytest.raises(RuntimeSetupError, match="could not be installed"):
        export_environment.convert([], machine.sources, machine.folder, agreed=True)
    failing.unlink()
    assert export_environment.convert([], machine.sources, machine.folder, agreed=True) == 7


def test_says_that_python_is_missing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.tools))
    with pytest.raises(RuntimeSetupError, match=r"Python 3\.11 to 3\.14"):
        export_environment.convert([], machine.sources, machine.folder, agreed=True)


def test_says_that_the_disk_is_full(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.add_python()
    monkeypatch.setattr(export_environment, "FREE_BYTES", 1 << 60)
    with pytest.raises(RuntimeSetupError, match="room"):
        export_environment.convert([], machine.sources, machine.folder, agreed=True)


def test_a_checkout_converts_by_itself() -> None:
    assert export_environment.packaged_sources() is None
