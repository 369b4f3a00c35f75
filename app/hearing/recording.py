"""The audio thread: reads a source, finds speech in it, and tells what happened. No Qt here."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.devices.audio_source import AudioSource
from app.error_report import describe
from inference.errors import LarimarError
from inference.media.audio import SAMPLE_RATE
from inference.media.voice_activity import Judge, SpeechEvent, SpeechFinder

log = logging.getLogger(__name__)

TAIL_SECONDS = 0.5
"""How long it goes on after the end was asked for, so that the last word is not cut."""
PEAK_SAMPLES = SAMPLE_RATE // 100
"""Samples that are one value of a waveform: 10 ms."""

_READ_SECONDS = 0.05
_SILENCE_DB = -60.0  # what a meter shows as nothing


class Hearer(Protocol):
    """Who is told, on the audio thread."""

    def opened(self, name: str) -> None:
        """The device called ``name`` records: its first sound came in."""

    def heard(self, level: float, peaks: NDArray[np.float32]) -> None:
        """Sound came in: how loud it is, 0 to 1, and float32 [n], the peak of each 10 ms."""

    def speech(self, events: list[SpeechEvent]) -> None:
        """Somebody speaks, or stopped."""

    def lost(self, sentence: str) -> None:
        """The device cannot be used, or no longer; what was said before has been told.

        ``sentence`` is for the user; empty for an error that nobody foresaw.
        """

    def closed(self) -> None:
        """The device is closed; the last call, always."""


class Recording:
    """One recording, on a thread of its own.

    Args:
        source: called on the thread, returns what to record from.
        judge: called on the thread, returns what tells voices from other sounds.
        hearer: is told.
    """

    def __init__(self, source: Callable[[], AudioSource], judge: Callable[[], Judge], hearer: Hearer) -> None:
        self._make_source = source
        self._make_judge = judge
        self._hearer = hearer
        self._stop = threading.Event()
        self._cut = threading.Event()
        self._thread = threading.Thread(target=self._run, name="larimar-microphone", daemon=True)

    def start(self) -> None:
        """Open the device and begin."""
        self._thread.start()

    def stop(self) -> None:
        """End in half a second, sooner when nobody speaks."""
        self._stop.set()

    def cut(self) -> None:
        """End at once. What was said until now is still told."""
        self._cut.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of the thread; return whether it came within ``timeout`` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- everything below runs on the audio thread ---

    def _run(self) -> None:
        source: AudioSource | None = None
        try:
            source = self._make_source()
            finder = SpeechFinder(self._make_judge())
            source.open()
            try:
                self._record(source, finder)
            finally:
                self._tell(finder.finish())
        except LarimarError as error:
            self._hearer.lost(str(error))
        except BaseException as error:
            log.error("Unexpected while recording: %s", describe(error))
            self._hearer.lost("")
        finally:
            try:
                if source is not None:
                    source.close()
            except BaseException as error:
                log.warning("The microphone did not close in order: %s", describe(error))
            self._hearer.closed()

    def _record(self, source: AudioSource, finder: SpeechFinder) -> None:
        waveform = _Waveform()
        until: float | None = None
        opened = False
        while not self._cut.is_set():
            samples = source.read(_READ_SECONDS)
            if len(samples):
                if not opened:  # not before: some devices take a second, and what is said until then is lost
                    opened = True
                    self._hearer.opened(source.name)
                self._tell(finder.push(samples))
                peaks = waveform.push(samples)
                if len(peaks):
                    self._hearer.heard(_loudness(samples), peaks)
            if self._stop.is_set():
                now = time.monotonic()
                until = until or now + TAIL_SECONDS
                if now >= until or (finder.quiet and now >= until - TAIL_SECONDS / 2):
                    return

    def _tell(self, events: list[SpeechEvent]) -> None:
        if events:
            self._hearer.speech(events)


class _Waveform:
    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        samples = np.concatenate([self._rest, samples])
        count = len(samples) // PEAK_SAMPLES
        self._rest = samples[count * PEAK_SAMPLES :]
        whole = samples[: count * PEAK_SAMPLES].reshape(count, PEAK_SAMPLES)
        peaks: NDArray[np.float32] = np.abs(whole).max(axis=1, initial=0)
        return np.minimum(peaks, np.float32(1))


def _loudness(samples: NDArray[np.float32]) -> float:
    """Return 0 for silence to 1 for the loudest sound there is, in even steps of decibels."""
    power = float(np.square(samples, dtype=np.float64).mean())
    decibels = 10 * np.log10(max(power, 1e-12))
    return float(np.clip(1 - decibels / _SILENCE_DB, 0, 1))
