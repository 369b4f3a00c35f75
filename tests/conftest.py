"""What every test gets: Qt without a display, a home of its own, no network, and the shared test data."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Qt ends the process when it finds no display, so this must stand before anything imports it.
if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# Likewise before platformdirs, huggingface_hub or Qt look for their folders.
_home = tempfile.TemporaryDirectory(prefix="larimar-test-home-")
for _variable, _folder in {
    "HOME": "",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
    "XDG_CACHE_HOME": "cache",
    "XDG_RUNTIME_DIR": "runtime",
    "HF_HOME": "huggingface",
}.items():
    _path = Path(_home.name, _folder)
    _path.mkdir(mode=0o700, exist_ok=True)
    os.environ[_variable] = str(_path)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ.pop("LARIMAR_MODEL", None)
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each worker; torch would otherwise take all for each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says what else the machine does, and nothing of the code.
# The ordinary run tries the same inputs each time; with LARIMAR_FUZZ, which multiplies them, they are new ones.
settings.register_profile(
    "larimar",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="LARIMAR_FUZZ" not in os.environ,
    database=None,
)
settings.load_profile("larimar")

# A shell that starts the tests in the background has them, and the programs that they start, ignore Ctrl+C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what the imports brought, torch's half a million objects above all.

    Every model that is closed has it look for garbage, which otherwise takes a quarter of a second, some hundred times.
    """
    gc.freeze()


def pytest_unconfigure() -> None:
    _home.cleanup()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a test fail that connects to another machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def allowed(connection: socket.socket, address: object) -> None:
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0] if isinstance(address, tuple) else address
            if host not in ("localhost", "::1") and not str(host).startswith("127."):
                raise RuntimeError(f"a test tried to reach the network: {host}")

    def guarded_connect(self: socket.socket, address: object) -> None:
        allowed(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        allowed(self, address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data folder that is shared between checkouts; tests that need it are skipped without it."""
    shared = Path(os.environ.get("LARIMAR_SHARED", ROOT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip("there is no shared data folder (LARIMAR_SHARED names it)")
    return shared / "data"


@pytest.fixture
def child_environment(tmp_path: Path) -> dict[str, str]:
    """The environment for a program under test: no display of any kind, a home of its own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "PYTHONIOENCODING", "ORT_DISABLE_TELEMETRY")
    }
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        folder = tmp_path / variable.lower()
        folder.mkdir()
        environment[variable] = str(folder)
    return environment
