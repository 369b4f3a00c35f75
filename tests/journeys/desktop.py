"""A desktop for a program under test: a virtual display with a window manager, and what a screen reader sees of it."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journeys.program import DEADLINE_SECONDS

TOOLS = ("Xvfb", "xdotool", "openbox", "dbus-daemon")
READER = Path("/usr/bin/python3")
LAUNCHERS = (Path("/usr/libexec/at-spi-bus-launcher"), Path("/usr/lib/at-spi2-core/at-spi-bus-launcher"))


def missing() -> str:
    """Return which tools are not there; empty when all are."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not any(launcher.exists() for launcher in LAUNCHERS):
        absent.append("at-spi2-core")
    check = "import gi; gi.require_version('Atspi', '2.0'); from gi.repository import Atspi"
    if not READER.exists() or subprocess.run([READER, "-c", check], capture_output=True, check=False).returncode:
        absent.append("gir1.2-atspi-2.0 and python3-gi")
    return ", ".join(absent)


@dataclass(frozen=True)
class Seen:
    """Something that a screen reader finds."""

    role: str
    name: str
    description: str
    focused: bool
    focusable: bool
    enabled: bool
    box: tuple[int, int, int, int]

    @property
    def centre(self) -> tuple[int, int]:
        return self.box[0] + self.box[2] // 2, self.box[1] + self.box[3] // 2


class Desktop:
    """Looks at the desktop and touches it, as a person does."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        """For the programs that are to appear on it."""

    def tree(self) -> list[Seen]:
        """Return all that a screen reader finds of Larimar now."""
        said = self._run(str(READER), str(Path(__file__).with_name("accessible_tree.py")), "larimar")
        nodes: list[dict[str, Any]] = json.loads(said or "[]")
        return [Seen(**{**node, "box": tuple(node["box"])}) for node in nodes]

    def wait_for(self, what: str, found: Callable[[Seen], bool]) -> Seen:
        """Return the first thing for which ``found`` is true, as soon as there is one."""
        end = time.monotonic() + DEADLINE_SECONDS
        while True:
            tree = self.tree()  # which takes a moment itself
            for seen in tree:
                if found(seen):
                    return seen
            names = [f"{seen.role}: {seen.name}" for seen in tree]
            assert time.monotonic() < end, f"{what} never appeared; there was {names}"

    def wait_for_name(self, start: str, end: str = "") -> Seen:
        """Return the thing whose name begins and ends like this."""
        return self.wait_for(start, lambda seen: seen.name.startswith(start) and seen.name.endswith(end))

    def click(self, name: str) -> None:
        """Press the left button on the thing of that name."""
        x, y = self.wait_for_name(name).centre
        self.xdotool("mousemove", str(x), str(y), "click", "1")

    def keys(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self.xdotool("key", "--delay", "30", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self.xdotool("type", "--delay", "10", text)

    def xdotool(self, *arguments: str) -> str:
        """Let xdotool act."""
        return self._run("xdotool", *arguments)

    def _run(self, *command: str) -> str:
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout.strip()


@contextmanager
def desktop(environment: dict[str, str]) -> Iterator[Desktop]:
    """Run a display, a window manager and the bus of screen readers; end them afterwards."""
    with ExitStack() as running:

        def start(*command: str, **options: Any) -> None:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **{"stdout": subprocess.DEVNULL, **options},
            )
            running.callback(process.wait)
            running.callback(process.terminate)

        def started(*command: str, flag: str) -> str:
            """Start something that writes one line into a descriptor once it is there; return the line."""
            reader, writer = os.pipe()
            start(*command, flag.format(writer), pass_fds=[writer])
            os.close(writer)
            with os.fdopen(reader) as lines:
                return lines.readline().strip()

        # Without -noreset the server ends all connections whenever its last client leaves, in the middle of the others.
        screen = ("-noreset", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-displayfd")
        number = started("Xvfb", *screen, flag="{}")
        assert number, "Xvfb did not start"
        address = started("dbus-daemon", "--session", "--nofork", flag="--print-address={}")
        environment = environment | {
            "DISPLAY": f":{number}",
            "DBUS_SESSION_BUS_ADDRESS": address,
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
        }
        launcher = next(launcher for launcher in LAUNCHERS if launcher.exists())
        start(str(launcher), "--launch-immediately", "--a11y=1", env=environment)
        start("openbox", env=environment)
        wait_for_window_manager(environment["DISPLAY"])
        yield Desktop(environment)


def wait_for_window_manager(name: str) -> None:
    """Wait until there is a window manager on a display: windows that come before are not placed or kept on top."""
    from Xlib import X, display

    connection = display.Display(name)
    try:
        root = connection.screen().root
        root.change_attributes(event_mask=X.PropertyChangeMask)
        ready = connection.intern_atom("_NET_SUPPORTING_WM_CHECK")
        end = time.monotonic() + DEADLINE_SECONDS
        while root.get_full_property(ready, X.AnyPropertyType) is None:
            left = end - time.monotonic()
            assert connection.pending_events() or select.select([connection], [], [], left)[0], "no window manager"
            connection.next_event()
    finally:
        connection.close()
