"""Five minutes of digits and phrases with pauses: every utterance once, in order, with its times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from five_minutes import SECONDS, Said, five_minutes
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from app.devices.audio_file import FileAudioSource
from app.hearing.listener import Listener, ListenerState, ListeningOptions, Utterance
from app.live_senses import LiveSenses
from app.session import Session
from inference.engine import Engine
from inference.media.audio import SAMPLE_RATE, load_audio
from inference.messages import Audio
from inference.model_folder import ModelFolder, default_model_folder
from inference.transcription import Speech, TranscriptionOptions, transcribe

CLOSE = 0.3
"""Seconds by which a time may be wrong."""


@pytest.fixture(scope="module")
def recording(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Said]]:
    sound, said = five_minutes(shared_data / "fsdd")
    path = tmp_path_factory.mktemp("recording") / "five minutes.wav"
    content = Speech(0, 0, sound).recording.source
    assert isinstance(content, bytes)
    path.write_bytes(content)
    return path, said


def assert_times(found: Sequence[Utterance], said: Sequence[Said]) -> None:
    assert len(found) == len(said)
    wrong = [
        (each, truth)
        for each, truth in zip(found, said, strict=True)
        if abs(each.start - truth.start) > CLOSE or abs(each.end - truth.end) > CLOSE
    ]
    assert not wrong


def assert_heard_once(heard: Sequence[NDArray[np.float32]], found: Sequence[Utterance], path: Path) -> None:
    """What the model was given are pieces of the recording, each whole, none twice."""
    sound = load_audio(path)
    behind = 0
    for samples, utterance in zip(heard, found, strict=True):
        near = max(behind, int((utterance.start - 0.6) * SAMPLE_RATE))
        area = sound[near : near + len(samples) + SAMPLE_RATE]
        same = np.isclose(np.lib.stride_tricks.sliding_window_view(area, 32), samples[:32], atol=1e-4).all(axis=1)
        first = int(np.argmax(same)) + near
        np.testing.assert_allclose(sound[first : first + len(samples)], samples, atol=1e-4)
        assert first >= behind
        behind = first + len(samples)
        assert first <= utterance.start * SAMPLE_RATE
        assert behind >= utterance.end * SAMPLE_RATE


def heard_by(engine: FakeEngine) -> list[NDArray[np.float32]]:
    parts = [asked[0][0].parts[1] for asked in engine.asked]
    return [load_audio(part.source) for part in parts if isinstance(part, Audio)]


def test_from_the_file(recording: tuple[Path, list[Said]]) -> None:
    path, said = recording
    engine = FakeEngine([words(each.digits) for each in said])
    found = [item for item in transcribe(engine, path) if isinstance(item, Utterance)]
    assert_times(found, said)
    assert [each.text for each in found] == [each.digits for each in said]
    assert_heard_once(heard_by(engine), found, path)


def test_from_the_microphone(
    qtbot: QtBot, make_session: Callable[..., Session], recording: tuple[Path, list[Said]]
) -> None:
    path, said = recording
    engine = FakeEngine([words(each.digits) for each in said], modalities=frozenset({"audio"}))
    session = make_session(engine)
    # as fast as it is read, with more than a hundred times the speed of the speakers
    listener = Listener(session, LiveSenses(), source=lambda _: FileAudioSource(path, speed=float("inf")))
    finished: list[str] = []
    listener.finished.connect(finished.append)
    listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: len(listener.utterances) == len(said), timeout=60_000)
    listener.stop()
    qtbot.waitUntil(lambda: listener.state is ListenerState.IDLE)
    assert_times(listener.utterances, said)
    assert finished == [" ".join(each.digits for each in said)]
    assert_heard_once(heard_by(engine), listener.utterances, path)
    assert max(utterance.end for utterance in listener.utterances) <= SECONDS


def test_with_the_demo_model(recording: tuple[Path, list[Said]]) -> None:
    if "audio" not in ModelFolder.open(default_model_folder()).modalities:
        pytest.skip("this model does not hear")
    path, said = recording
    engine = Engine.open()
    try:
        options = TranscriptionOptions(language="English")
        found = [item for item in transcribe(engine, path, options) if isinstance(item, Utterance)]
    finally:
        engine.close()
    assert_times(found, said)
    right = sum(each.text.strip(" .") == truth.digits for each, truth in zip(found, said, strict=True))
    print(f"{right} of {len(said)} utterances word for word")
    assert right >= len(said) / 2
