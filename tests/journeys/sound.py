"""Sound for a program under test: a sound server of its own, whose microphone hears what the test plays."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journeys.program import DEADLINE_SECONDS

TOOLS = ("pulseaudio", "pactl", "paplay")
_MODULES = (
    "module-native-protocol-unix",
    "module-null-sink sink_name=mouth rate=16000 channels=1",
    "module-remap-source master=mouth.monitor source_name=microphone",
    "module-null-sink sink_name=loudspeaker",
)


def missing() -> str:
    """Return what is not there; empty when all is."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        absent.append("libasound2-plugins")
    return ", ".join(absent)


class Sound:
    """Speaks into the microphone."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        """For the programs that are to use it."""

    def play(self, file: Path) -> None:
        """Let the microphone hear a file, at the pace in which it was spoken."""
        self._run("paplay", "--device=mouth", str(file))

    def _run(self, *command: str) -> None:
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )
        assert result.returncode == 0, f"{command}: {result.stderr}"


@contextmanager
def sound(environment: dict[str, str], folder: Path) -> Iterator[Sound]:
    """Run a sound server with its files in ``folder``; end it afterwards."""
    runtime = folder / "pulse"
    runtime.mkdir(mode=0o700, parents=True)
    environment = environment | {"PULSE_RUNTIME_PATH": str(runtime), "PULSE_SERVER": f"unix:{runtime}/native"}
    modules = [part for module in _MODULES for part in ("-L", module)]
    with subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit=0", *modules],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            end = time.monotonic() + DEADLINE_SECONDS
            for choice in (("set-default-source", "microphone"), ("set-default-sink", "loudspeaker")):
                command = ["pactl", *choice]
                while subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
                    assert server.poll() is None, "the sound server ended"
                    assert time.monotonic() < end, "the sound server does not answer"
            yield Sound(environment)
        finally:
            server.terminate()
