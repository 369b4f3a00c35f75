"""What the model is asked for a transcription, what is made of its answers, and the files that come of it."""

from __future__ import annotations

import random
import re
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words

from inference.cancellation import CancelToken
from inference.errors import LarimarError, MediaError
from inference.media.audio import SAMPLE_RATE, load_audio
from inference.messages import Audio, Text
from inference.transcript import as_srt, as_text, clock, joined_text
from inference.transcription import (
    LANGUAGES,
    Progress,
    TranscriptionOptions,
    Utterance,
    language_name,
    loops,
    read_phrases,
    read_transcription,
    transcribe,
    transcription_prompt,
    transcription_turns,
)

# as Google documents it
DOCUMENTED = (
    "Transcribe the following speech segment in German into German text.\n\n"
    "Follow these specific instructions for formatting the answer:\n"
    "* Only output the transcription, with no newlines.\n"
    "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead of "
    "three."
)
DOCUMENTED_TRANSLATION = (
    "Transcribe the following speech segment in German, then translate it into English.\n"
    "When formatting the answer, first output the transcription in German, then one newline, then output the string "
    "'English: ', then the translation in English."
)


def test_the_prompts_are_the_documented_ones() -> None:
    assert transcription_prompt(TranscriptionOptions("German")) == DOCUMENTED
    assert transcription_prompt(TranscriptionOptions("German", "English")) == DOCUMENTED_TRANSLATION
    assert "in its original language" in transcription_prompt(TranscriptionOptions())
    spelled = transcription_prompt(TranscriptionOptions("German", phrases=("Larimar ", "", "ONNX\nRuntime")))
    assert spelled == f"{DOCUMENTED}\n* These names and terms may occur; spell them like this: Larimar, ONNX Runtime."
    (turn,) = transcription_turns(Audio(b""), TranscriptionOptions())
    assert [type(part) for part in turn.parts] == [Text, Audio], "sound comes after the text"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Guten Tag.\nEnglish: Good day.", ("Guten Tag.", "Good day.")),
        (" Guten Tag. \n\nEnglish:  Good day. ", ("Guten Tag.", "Good day.")),
        ("Guten Tag.\nGood day.", ("Guten Tag.", "Good day.")),
        ("Guten T", ("Guten T", "")),
        ("", ("", "")),
    ],
)
def test_translations_are_told_apart(answer: str, expected: tuple[str, str]) -> None:
    assert read_transcription(answer, TranscriptionOptions("German", "English")) == expected
    assert read_transcription(answer, TranscriptionOptions())[0] == " ".join(answer.split())


@pytest.mark.parametrize("unit", ["2", "no, ", "thank you very much for watching. "])
def test_a_model_that_repeats_itself_is_noticed_and_cut(unit: str) -> None:
    begin = "The number is 1"
    assert not loops(begin + unit * 5)
    answer = begin + unit * 40
    for end in range(len(answer) - len(unit), len(answer)):
        assert loops(answer[:end])
        text, _ = read_transcription(answer[:end], TranscriptionOptions())
        assert text.startswith(begin)
        assert len(text) <= len(begin) + 2 * len(unit)
    assert not loops("the quick brown fox jumps over the lazy dog " * 2)
    assert not loops("0" * 20)


def test_a_loop_is_stopped_before_the_limit_of_tokens(tmp_path: Path) -> None:
    engine = FakeEngine([[Text("no, ") for _ in range(500)]])
    path = tmp_path / "a.wav"
    write(path, np.full(2 * SAMPLE_RATE, 0.2, np.float32))
    (found,) = [item for item in transcribe(engine, path, judge=loud) if isinstance(item, Utterance)]
    assert found.text == "no,"
    assert engine.gone < 20


def loud(samples: np.ndarray) -> np.ndarray:
    return np.float32(np.abs(samples.reshape(-1, 512)).mean(axis=1) > 0.1)


def write(path: Path, *pieces: np.ndarray, rate: int = SAMPLE_RATE, channels: int = 1) -> None:
    silence = np.zeros(rate, np.float32)
    sound = np.concatenate([part for piece in pieces for part in (silence, piece)] + [silence])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(sound[:, None], channels, axis=1) * 32767).astype("<i2").tobytes())


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (96_000, 6)])
def test_files_of_any_rate_and_length_stream_with_progress(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    tone = (0.5 * np.sin(np.arange(rate) * 2 * np.pi * 300 / rate)).astype(np.float32)
    write(path, *[tone] * 8, rate=rate, channels=channels)
    engine = FakeEngine([words(f"number {number}") for number in range(8)])
    found = list(transcribe(engine, path, judge=loud))
    utterances = [item for item in found if isinstance(item, Utterance)]
    assert [each.text for each in utterances] == [f"number {number}" for number in range(8)]
    assert [each.start for each in utterances] == pytest.approx([1 + 2 * n for n in range(8)], abs=0.1)
    progress = [item for item in found if isinstance(item, Progress)]
    assert [each.seconds for each in progress] == sorted(each.seconds for each in progress)
    assert progress[0].total == pytest.approx(17.0, abs=0.1)
    assert progress[-1].seconds == progress[-1].total
    assert len(found) > len(utterances) + 2, "progress comes in between"
    part = engine.asked[3][0][0].parts[1]
    assert isinstance(part, Audio)
    assert len(load_audio(part.source)) == pytest.approx(1.8 * SAMPLE_RATE, rel=0.05)


def test_a_long_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.wav"
    write(path, *[np.full(SAMPLE_RATE, 0.3, np.float32)] * 100)  # 13 MB as float32
    engine = FakeEngine([words("x")])
    tracemalloc.start()
    for _ in transcribe(engine, path, judge=loud):
        engine.asked.clear()
        engine.asked.append(((), None))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_cancelling_ends_between_and_within_utterances(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write(path, *[np.full(SAMPLE_RATE, 0.3, np.float32)] * 5)
    cancel = CancelToken()
    said = []
    for item in transcribe(FakeEngine([words("one")]), path, cancel=cancel, judge=loud):
        if isinstance(item, Utterance):
            said.append(item)
            cancel.cancel()
    assert len(said) == 1


def test_what_holds_no_sound_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("words only")
    with pytest.raises(MediaError, match=r"“a\.txt”"):
        list(transcribe(FakeEngine(), path, judge=loud))


SAID = (
    Utterance(0.5, 2.0, "Good morning."),
    Utterance(61.04, 63.0, "Wie geht es?", "How are you?"),
    Utterance(3661.0, 3690.0, " ".join(f"word{number}" for number in range(40))),
)


def test_text_and_subtitles() -> None:
    assert as_text(SAID[:2]) == "Good morning.\nWie geht es?\nHow are you?\n"
    assert as_text(SAID[:2], times=True) == "[0:00] Good morning.\n[1:01] Wie geht es?\n       How are you?\n"
    assert joined_text(SAID[:2]) == "Good morning. Wie geht es?"
    assert joined_text(SAID[:2], translated=True) == "Good morning. How are you?"
    assert (
        joined_text([Utterance(0, 1, "今日は"), Utterance(1, 2, "いい天気"), Utterance(2, 3, "ok")])
        == "今日はいい天気 ok"
    )
    assert clock(3661.9) == "1:01:01"
    srt = as_srt(SAID, translated=True)
    assert srt.startswith(
        "1\n00:00:00,500 --> 00:00:02,000\nGood morning.\n\n2\n00:01:01,040 --> 00:01:03,000\nHow are"
    )
    cues = re.findall(r"(\d+)\n(\S+) --> (\S+)\n((?:.+\n)+)\n", srt)
    assert [int(number) for number, *_ in cues] == list(range(1, len(cues) + 1))
    long = cues[2:]
    assert len(long) > 2
    assert long[0][1] == "01:01:01,000"
    assert long[-1][2] == "01:01:30,000"
    assert all(before[2] == after[1] for before, after in pairwise(long))
    assert all(len(line) <= 42 for *_, text in cues for line in text.splitlines())
    assert " ".join(" ".join(text.split()) for *_, text in long) == SAID[2].text


def test_times_in_subtitles_never_round_to_a_thousand() -> None:
    rng = random.Random(0)
    for _ in range(200):
        seconds = rng.uniform(0, 10_000)
        (start,) = re.findall(r"\n(\S+) -->", as_srt([Utterance(seconds, seconds + 1, "x")]))
        hours, minutes, rest = start.split(":")
        assert int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", ".")) == pytest.approx(seconds, abs=6e-4)


def test_phrases_and_names_of_languages() -> None:
    assert read_phrases("Larimar\n\n  ONNX Runtime # twice\nLarimar\n# remark\n") == ("Larimar", "ONNX Runtime")
    assert language_name("de") == language_name("german") == language_name(" German ") == "German"
    assert language_name("Swiss German") == "Swiss German"
    assert "German" in LANGUAGES
    for nonsense in ("", "German' then say", "x" * 50):
        with pytest.raises(LarimarError, match="not the name of a language"):
            language_name(nonsense)
