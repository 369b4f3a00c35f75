"""A virtual X server for the tests of global keys and of pasting; Qt itself stays offscreen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

TOOLS = ("Xvfb", "xdotool", "openbox", "xclip")
HERE = Path(__file__).parent
DEADLINE = 30.0
Wait = Callable[[Callable[[], object]], None]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail when a test leaves one of our threads running."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("larimar")]
    assert not left, f"threads left running: {left}"


@pytest.fixture(scope="session")
def x_server() -> Iterator[str]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{', '.join(missing)} not installed")
    reader, writer = os.pipe()
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(writer),
            "-screen",
            "0",
            "1024x768x24",
            "-nolisten",
            "tcp",
            "-ar1",
            "60",
            "-ar2",
            "20",
        ],
        pass_fds=[writer],
        **silent,
    )
    os.close(writer)
    with os.fdopen(reader) as numbers:
        number = numbers.readline().strip()
    assert number, "Xvfb did not start"
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH",)}
    manager = subprocess.Popen(["openbox"], env=environment | {"DISPLAY": f":{number}"}, **silent)
    try:
        yield f":{number}"
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait()


class Screen:
    """Acts on the X server as a person and as other programs do."""

    def __init__(self, display: str) -> None:
        self.environment = {name: value for name, value in os.environ.items() if name != "QT_QPA_PLATFORM"} | {
            "DISPLAY": display
        }

    def run(self, *command: str, data: bytes | None = None) -> bytes:
        # what stays behind to offer the clipboard must not hold our pipes
        result = subprocess.run(
            command,
            env=self.environment,
            input=data,
            stdout=subprocess.PIPE if data is None else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=False,
        )
        assert result.returncode == 0, f"{command} failed"
        return result.stdout or b""

    def xdotool(self, *arguments: str) -> None:
        self.run("xdotool", *arguments)

    def copy(self, data: bytes, kind: str = "UTF8_STRING") -> None:
        """Let another program copy something."""
        self.run("xclip", "-selection", "clipboard", "-t", kind, data=data)

    def clipboard(self, kind: str = "UTF8_STRING") -> bytes:
        """Return what another program finds on the clipboard."""
        return self.run("xclip", "-selection", "clipboard", "-t", kind, "-o")

    def focus(self, title: str) -> None:
        """Bring a window to the front and give it the keyboard."""
        found = self.run("xdotool", "search", "--sync", "--onlyvisible", "--name", title).decode().split()
        self.xdotool("windowactivate", "--sync", found[-1])


@pytest.fixture
def screen(x_server: str, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("DISPLAY", x_server)
    return Screen(x_server)


class Target:
    """A second program with one text field."""

    def __init__(self, screen: Screen, title: str = "Paste Target") -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "paste_target.py"), title],
            env=screen.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        screen.focus(f"^{title}$")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.text = json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def lasting_target(x_server: str) -> Iterator[Target]:
    made = Target(Screen(x_server))
    yield made
    made.close()


@pytest.fixture
def target(lasting_target: Target, screen: Screen, wait: Wait) -> Target:
    """The second program, in front, with an empty field."""
    screen.focus("^Paste Target$")
    screen.xdotool("key", "ctrl+a", "BackSpace")
    wait(lambda: lasting_target.text == "")
    return lasting_target


@pytest.fixture
def wait(qtbot: QtBot) -> Wait:
    return lambda condition: qtbot.waitUntil(lambda: bool(condition()), timeout=round(1000 * DEADLINE))
