"""Sound for programs under test: a sound server of their own, whose microphone hears what is played into the room."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.media.audio import SAMPLE_RATE
from journeys.program import DEADLINE_SECONDS

TOOLS = ("pulseaudio", "pactl", "paplay")
VOICE_TOOLS = ("espeak-ng", "speech-dispatcher")
ROOM = "room"
"""The sink that the microphone hears."""
_ECHO_MILLISECONDS = 40
_MODULES = (
    "module-native-protocol-unix",
    f"module-null-sink sink_name={ROOM} rate=16000 channels=1",
    f"module-remap-source master={ROOM}.monitor source_name=microphone",
    "module-null-sink sink_name=speaker rate=48000 channels=1",
)
_CANCELLER = (
    "module-echo-cancel",
    "source_master=microphone",
    "sink_master=speaker",
    "aec_method=webrtc",
    'aec_args="analog_gain_control=0 digital_gain_control=0"',
    "source_name=cancelled",
    "sink_name=cancelling",
    "rate=16000",
)
_ECHO = (
    "module-loopback",
    "source=speaker.monitor",
    f"sink={ROOM}",
    f"latency_msec={_ECHO_MILLISECONDS}",
    "adjust_time=0",
    "sink_dont_move=true",
    "source_dont_move=true",
)


def missing(*, voice: bool = False) -> str:
    """Return what is not there, for programs that speak too with ``voice``; empty when all is."""
    absent = [tool for tool in (*TOOLS, *(VOICE_TOOLS if voice else ())) if shutil.which(tool) is None]
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        absent.append("libasound2-plugins")
    return ", ".join(absent)


def write_recording(file: Path, parts: Sequence[NDArray[np.float32]]) -> Path:
    """Write float32 [n] at 16 kHz, one part after the other, as a WAV file."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2").tobytes())
    return file


class Sound:
    """A running sound server."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        """For the programs that are to use it."""

    def play(self, file: Path) -> None:
        """Let the microphone hear a file, at the pace in which it was spoken."""
        command = ("paplay", f"--device={ROOM}", str(file))
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def control(self, *words: str) -> bool:
        """Tell the server something; return whether it did it."""
        done = subprocess.run(["pactl", *words], env=self.environment, capture_output=True, check=False)
        return done.returncode == 0


@contextmanager
def sound(environment: dict[str, str], folder: Path) -> Iterator[Sound]:
    """Run a sound server with its files in ``folder``. What programs play goes nowhere."""
    with _server(environment, folder) as server:
        assert server.control("set-default-sink", "speaker")
        assert server.control("set-default-source", "microphone")
        yield server


@contextmanager
def echoing_room(
    environment: dict[str, str], folder: Path, *, cancels_echo: bool, loudness: int = 80
) -> Iterator[Sound]:
    """Run a sound server whose microphone hears what programs play, a moment later, as a real one does.

    Args:
        environment: for the server.
        folder: for its files; the path must be short, since it becomes that of a socket.
        cancels_echo: whether programs play and record through its echo canceller.
        loudness: of the speaker, and so of its echo, in percent.
    """
    runtime = folder / "run"
    with _server(environment | {"XDG_RUNTIME_DIR": str(runtime)}, folder) as server:
        try:
            if cancels_echo:
                assert server.control("load-module", *_CANCELLER), "there is no echo canceller"
            assert server.control("set-default-sink", "cancelling" if cancels_echo else "speaker")
            assert server.control("set-default-source", "microphone")
            # after the defaults are set: the server would move it along with them
            assert server.control("load-module", *_ECHO)
            assert server.control("set-sink-volume", "speaker", f"{loudness}%")
            yield server
        finally:
            dispatcher = runtime / "speech-dispatcher" / "pid" / "speech-dispatcher.pid"
            with suppress(OSError, ValueError):
                os.kill(int(dispatcher.read_text()), signal.SIGTERM)


@contextmanager
def _server(environment: dict[str, str], folder: Path) -> Iterator[Sound]:
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, parents=True)
    environment = environment | {
        "PULSE_RUNTIME_PATH": str(runtime / "pulse"),
        "PULSE_SERVER": f"unix:{runtime}/pulse/native",
    }
    environment.pop("PULSE_SOURCE", None)
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit=0", "--log-level=error"]
    if subprocess.run(["chrt", "-f", "5", "true"], capture_output=True, check=False).returncode == 0:
        command = ["chrt", "-f", "5", *command]  # or the canceller loses its place on a busy machine
    with subprocess.Popen(
        [*command, *(f"--load={module}" for module in _MODULES)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            server = Sound(environment)
            end = time.monotonic() + DEADLINE_SECONDS
            while not server.control("info"):
                assert process.poll() is None, "the sound server ended"
                assert time.monotonic() < end, "the sound server does not answer"
            yield server
        finally:
            process.terminate()
