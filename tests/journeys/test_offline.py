"""Offline proof: the program starts and answers where there is no network at all, and tries to reach none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from journeys.program import DEADLINE_SECONDS, ROOT, Program

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces are Linux’s"),
]

WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"):
        address = arguments[0] if event.startswith("socket.get") else arguments[1]
        host = address[0] if isinstance(address, tuple) and address else address
        if not str(host).startswith(("127.", "::1", "/", "localhost")) and host not in (None, b"", ""):
            with open(os.environ["LARIMAR_TEST_WATCH"], "a") as file:
                file.write(f"{event} {address}\\n")
            raise ConnectionRefusedError("a socket attempt that is not loopback")
sys.addaudithook(watch)
"""


def namespace() -> list[str]:
    """Return what to put before a command so that it has no network; skip where that is not permitted."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    for command in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("network namespaces are not permitted here")


@pytest.fixture
def environment(child_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    return child_environment | {
        "QT_QPA_PLATFORM": "offscreen",
        "LARIMAR_TEST_WATCH": str(tmp_path / "attempts"),
        "PYTHONPATH": str(tmp_path / "watch"),
    }


def again(environment: dict[str, str], *arguments: str, before: list[str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [*(before or []), sys.executable, str(ROOT / "main.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_window_starts_and_answers_without_any_network(environment: dict[str, str], tmp_path: Path) -> None:
    before = namespace()
    with Program("--verbose", "--ask", "Who are you?", environment=environment, before=before) as program:
        program.wait_for("The session is ready")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        status, said = again(environment, "--new-chat", before=before)
        assert status == 0, said
        assert "running already" in said
        assert again(environment, "--quit", before=before)[0] == 0
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    assert not (tmp_path / "attempts").exists(), (tmp_path / "attempts").read_text()


def test_the_terminal_answers_without_any_network(environment: dict[str, str], tmp_path: Path) -> None:
    status, said = again(environment, "ask", "Who are you?", before=namespace())
    assert status == 0, said
    assert "Larimar" in said
    assert not (tmp_path / "attempts").exists(), (tmp_path / "attempts").read_text()


def test_the_watch_sees_an_attempt(environment: dict[str, str], tmp_path: Path) -> None:
    status, said = again(environment, "check-update")
    assert status == 1
    assert "cannot be reached" in said
    assert "api.github.com" in (tmp_path / "attempts").read_text()


def test_the_switch_lets_nothing_out(environment: dict[str, str]) -> None:
    """With the guard that the window installs: our own requests do not even try, those of others are refused."""
    program = (
        "import app.update_check as check\n"
        "from inference.hub import Hub\n"
        "from inference.network import NETWORK\n"
        "import urllib.request\n"
        "NETWORK.guard(); NETWORK.offline = True\n"
        "def refused(what):\n"
        "    try: what()\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "refused(check.newest_release)\n"
        "refused(lambda: Hub().files('a/b'))\n"
        "refused(lambda: urllib.request.urlopen('https://example.org', timeout=5))\n"
        "print(NETWORK.refused)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.stdout.split() == ["OfflineError", "OfflineError", "URLError", "1"], done.stderr
