"""The screens of :mod:`gui.screenshots` in which Larimar writes down what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.application import Larimar
from app.devices.audio_microphone import MicrophoneInfo
from app.hearing.listener import ListenerState
from inference.transcription import Utterance

SAID = (
    Utterance(0.8, 4.1, "Good morning. Let us begin with the greenhouse: the new glass has arrived."),
    Utterance(5.0, 9.6, "Marta puts it in on Thursday, if it does not rain, and I order the seals before that."),
    Utterance(10.9, 13.2, "Vierzig Stück, bitte.", "Forty pieces, please."),
)
PARTIAL = "Then there is the question of the"
LONG_NAME = "2026-03-14 interview with the harbour master about the summer timetable, second part.m4a"


def shoot_microphone(larimar: Larimar, folder: Path, variant: str, frames: Callable[..., None]) -> None:
    """Render the microphone pane at rest, while somebody speaks, and while a recording is written down."""
    window, pane = larimar.window, larimar.window.microphone

    def save(name: str) -> None:
        frames()
        window.grab().save(str(folder / f"{name}-{variant}.png"))

    pane.header.list_microphones = lambda: [MicrophoneInfo("default", True), MicrophoneInfo("USB microphone", False)]
    window.rail.choose(2)
    frames(20)
    save("microphone")
    pane._begin_section("Microphone, 09:41")
    for utterance in SAID:
        pane._utterance(utterance)
    pane.listener._state = ListenerState.RECORDING
    pane._state_changed(ListenerState.RECORDING)
    pane._opened("USB microphone")
    for _ in range(53):
        pane._tick()
    draw = np.random.default_rng(1)
    for number in range(140):
        speaks = number % 50 < 38
        pane.waveform.set_speech(speaks)
        loudness = abs(np.sin(0.9 * number) * np.sin(0.23 * number)) + 0.15 if speaks else 0.02
        pane.waveform.add((loudness * draw.uniform(0.4, 0.9, 5)).astype(np.float32))
    pane.record.show_level(0.7)
    pane._partial(PARTIAL)
    save("microphone-recording")
    window.resize(520, 700)
    save("microphone-narrow")
    window.resize(1080, 760)
    pane.listener._state = ListenerState.IDLE
    pane._state_changed(ListenerState.IDLE)
    pane.model.set_partial("")
    pane.header.phrases_button.setChecked(True)
    pane.header.phrases.setPlainText("Marta\nLarimar")
    pane._say("“notes.doc” is no recording of a known kind.", alarming=True)
    pane.file_row.show_file(LONG_NAME, 2)
    pane.file_row.show_share(0.37)
    save("microphone-files")
    pane.header.phrases_button.setChecked(False)
    pane._forget()
    window.rail.choose(0)
