"""A sound server of its own: a speaker, a microphone that hears it and whoever speaks into the room, an echo canceller.

The echo path is an acoustic one in small: what the speaker plays arrives at the microphone 40 ms later.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TOOLS = ("pulseaudio", "pactl", "paplay", "espeak-ng", "speech-dispatcher")
ROOM = "room"
"""The sink that the microphone hears."""
_PATIENCE = 15.0


def missing() -> str:
    """Return which tools are not there; empty when all are."""
    return ", ".join(tool for tool in TOOLS if shutil.which(tool) is None)


@contextmanager
def sound_server(
    folder: Path, environment: dict[str, str], *, cancels_echo: bool, loudness: int = 80
) -> Iterator[dict[str, str]]:
    """Run one and yield the environment for the programs that are to use it.

    Args:
        folder: for its files; the path must be short, since it becomes that of a socket.
        cancels_echo: whether programs play and record through its echo canceller.
        loudness: of the speaker, and so of its echo, in percent.
    """
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    environment = {
        **environment,
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_RUNTIME_PATH": str(runtime / "pulse"),
        "PULSE_SERVER": f"unix:{runtime}/pulse/native",
    }
    environment.pop("PULSE_SOURCE", None)
    modules = (
        "module-native-protocol-unix",
        f"module-null-sink sink_name={ROOM} rate=16000 channels=1",
        "module-null-sink sink_name=speaker rate=48000 channels=1",
        f"module-remap-source master={ROOM}.monitor source_name=microphone",
    )
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--log-level=error"]
    if subprocess.run(["chrt", "-f", "5", "true"], capture_output=True, check=False).returncode == 0:
        command = ["chrt", "-f", "5", *command]  # or the canceller loses its place on a busy machine
    server = subprocess.Popen(
        [*command, *(f"--load={module}" for module in modules)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def control(*words: str) -> bool:
        done = subprocess.run(["pactl", *words], env=environment, capture_output=True, check=False)
        return done.returncode == 0

    try:
        end = time.monotonic() + _PATIENCE
        while not control("info"):
            assert time.monotonic() < end, "the sound server did not start"
        if cancels_echo:
            assert control(
                "load-module",
                "module-echo-cancel",
                "source_master=microphone",
                "sink_master=speaker",
                "aec_method=webrtc",
                'aec_args="analog_gain_control=0 digital_gain_control=0"',
                "source_name=cancelled",
                "sink_name=cancelling",
                "rate=16000",
            ), "there is no echo canceller"
        assert control("set-default-sink", "cancelling" if cancels_echo else "speaker")
        assert control("set-default-source", "microphone")
        # after the defaults are set: the server would move it along with them
        path = (
            "source=speaker.monitor",
            f"sink={ROOM}",
            "latency_msec=40",
            "adjust_time=0",
            "sink_dont_move=true",
            "source_dont_move=true",
        )
        assert control("load-module", "module-loopback", *path)
        assert control("set-sink-volume", "speaker", f"{loudness}%")
        yield environment
    finally:
        with suppress(OSError, ValueError):
            os.kill(int((runtime / "speech-dispatcher" / "pid" / "speech-dispatcher.pid").read_text()), signal.SIGTERM)
        server.terminate()
        server.wait()
