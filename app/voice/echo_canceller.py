"""The echo canceller of the desktop's sound server: whether there is one that takes our own voice out, and using it.

PulseAudio and PipeWire offer it as a source beside the microphone. It only knows what is played to the sink that
belongs to it: it is of use where that is the one that programs play to.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.devices.audio_microphone import Microphone
from app.devices.audio_source import VARIABLE, AudioSource, audio_source

log = logging.getLogger(__name__)

PREFIX: Final = "echo-cancelled:"
"""Before the name of a source of the sound server, in place of a microphone's name."""
_SECONDS: Final = 3.0
_MARKS: Final = ("echo-cancel", "echo_cancel", "echocancel")
_environment = threading.Lock()


def echo_cancelled_device() -> str:
    """Return a device for :func:`voice_source` that takes our own voice out; empty when there is none. Blocks."""
    if os.environ.get(VARIABLE) or shutil.which("pactl") is None:
        return ""
    try:
        sources, sinks = _ask("list", "sources"), _ask("list", "sinks")
        default = str(_ask("info").get("default_sink_name", ""))
    except (OSError, subprocess.SubprocessError, ValueError, AttributeError) as error:
        log.info("The sound server cannot be asked: %s", type(error).__name__)
        return ""
    return find_source(sources, sinks, default)


def find_source(sources: Any, sinks: Any, default_sink: str) -> str:
    """Return the device of the echo canceller to which ``default_sink`` belongs; empty without one."""
    try:
        owner = next((sink["owner_module"] for sink in sinks if sink["name"] == default_sink and _marked(sink)), None)
        own = [each for each in sources if _marked(each) and not str(each.get("monitor_source") or "")]
        name = next((str(each["name"]) for each in own if owner is not None and each["owner_module"] == owner), "")
    except (TypeError, KeyError, AttributeError):
        return ""
    return f"{PREFIX}{name}" if name else ""


def voice_source(device: str) -> AudioSource:
    """Return the microphone called ``device``, or the source of the sound server that :data:`PREFIX` names."""
    return PulseSource(device.removeprefix(PREFIX)) if device.startswith(PREFIX) else audio_source(device)


class PulseSource:
    """A source of the sound server by its name. PortAudio lists none; the server's library obeys a variable."""

    def __init__(self, name: str) -> None:
        self._source = name
        self._microphone = Microphone("")

    @property
    def name(self) -> str:
        """What the sound server calls it."""
        return self._source

    def open(self) -> None:
        """Begin to record. Raises :class:`DeviceError`."""
        with _environment:
            before = os.environ.get("PULSE_SOURCE")
            os.environ["PULSE_SOURCE"] = self._source
            try:
                self._microphone.open()
            finally:
                if before is None:
                    del os.environ["PULSE_SOURCE"]
                else:
                    os.environ["PULSE_SOURCE"] = before

    def read(self, timeout: float) -> NDArray[np.float32]:
        """Return what is new, float32 [n], 16 kHz mono. Raises :class:`DeviceLost`."""
        return self._microphone.read(timeout)

    def close(self) -> None:
        """Stop recording; idempotent."""
        self._microphone.close()


def _ask(*words: str) -> Any:
    command = ["pactl", "--format=json", *words]
    said = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
    return json.loads(said.stdout.decode("utf-8", "replace"))


def _marked(device: dict[str, Any]) -> bool:
    properties = device.get("properties") or {}
    words = f"{device.get('driver', '')} {device['name']} {properties.get('device.intended_roles', '')} "
    words += f"{properties.get('node.name', '')} {properties.get('device.description', '')}"
    return any(mark in words.casefold() for mark in _MARKS)
