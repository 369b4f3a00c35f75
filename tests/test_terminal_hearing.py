"""``transcribe`` and ``listen``, with an engine that plays from a script."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, Script, words
from fakes.microphone import RATE, FakeMicrophone, VoiceIsLoud, speech
from numpy.typing import NDArray

from app import terminal, terminal_hearing
from app.devices.errors import DeviceError, DeviceLost
from inference.errors import LarimarError, UnsupportedInputError
from inference.messages import Audio, Text
from inference.transcription import Speech, TranscriptionOptions
from main import main

Install = Callable[..., FakeEngine]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Install:
    def install(*scripts: Script, hears: bool = True) -> FakeEngine:
        fake = FakeEngine(list(scripts), modalities=frozenset({"audio"} if hears else ()))
        monkeypatch.setattr("inference.engine.Engine.open", lambda path, provider: fake)
        monkeypatch.setattr("inference.graphs.voice_activity.VoiceActivityModel", VoiceIsLoud)
        return fake

    return install


def recording(path: Path, *pieces: NDArray[np.float32]) -> Path:
    silence = np.zeros(RATE, np.float32)
    samples = np.concatenate([part for piece in pieces for part in (silence, piece)] + [silence])
    content = Speech(0, 0, samples).recording.source
    assert isinstance(content, bytes)
    path.write_bytes(content)
    return path


def test_a_recording_is_written_down_line_by_line(engine: Install, tmp_path: Path, capsys) -> None:
    fake = engine(words("Good morning."), words("How are you?"))
    file = recording(tmp_path / "a.wav", speech(1), speech(2))
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("Larimar  # the stone\n\nONNX Runtime\n", encoding="utf-8")
    assert main(["transcribe", str(file), "--times", "--language", "en", "--phrases", str(phrases)]) == 0
    output = capsys.readouterr()
    assert output.out == "[0:00] Good morning.\n[0:03] How are you?\n"
    prompt = fake.asked[0][0][0].text
    assert "in English into English text" in prompt
    assert prompt.endswith("spell them like this: Larimar, ONNX Runtime.")
    assert isinstance(fake.asked[0][0][0].parts[1], Audio)
    assert fake.asked[0][1].temperature == 0
    assert fake.closed


def test_subtitles_and_translations(engine: Install, tmp_path: Path, capsys) -> None:
    engine(words("Guten Tag.\nEnglish: Good day."))
    file = recording(tmp_path / "a.wav", speech(1))
    target = tmp_path / "a.srt"
    code = main(["transcribe", str(file), "--translate-to", "English", "--format", "srt", "--output", str(target)])
    assert code == 0
    text = target.read_text(encoding="utf-8")
    assert text.startswith("1\n00:00:00,9")
    assert text.endswith("\nGood day.\n\n")
    assert capsys.readouterr().out == ""


def test_several_files_go_into_a_folder_and_a_broken_one_does_not_end_it(
    engine: Install, tmp_path: Path, capsys
) -> None:
    engine(words("one"), words("two"))
    files = [recording(tmp_path / "a.wav", speech(1)), tmp_path / "b.wav", recording(tmp_path / "c.wav", speech(1))]
    files[1].write_text("no sound at all")
    assert main(["transcribe", *map(str, files), "--output", str(tmp_path / "texts")]) == 1
    assert (tmp_path / "texts" / "a.txt").read_text() == "one\n"
    assert (tmp_path / "texts" / "c.txt").read_text() == "two\n"
    assert "“b.wav”" in capsys.readouterr().err


def test_what_cannot_be_done_is_said(engine: Install, tmp_path: Path, capsys) -> None:
    engine(hears=False)
    file = recording(tmp_path / "a.wav", speech(1))
    assert main(["transcribe", str(file)]) == 1
    assert "Fake 1B does not understand sound" in capsys.readouterr().err
    assert main(["transcribe", str(tmp_path / "none.wav")]) == 1
    assert "There is no file" in capsys.readouterr().err
    assert main(["transcribe", str(file), "--language", "12"]) == 1
    assert "is not the name of a language" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["transcribe", str(file), str(file), "--format", "srt"])


def test_a_silent_recording_is_no_error(engine: Install, tmp_path: Path, capsys) -> None:
    fake = engine()
    assert main(["transcribe", str(recording(tmp_path / "a.wav"))]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "Nobody speaks" in output.err
    assert not fake.asked


def test_ctrl_c_stops_a_transcription(engine: Install, tmp_path: Path, capsys) -> None:
    fake = engine(words("one"), [Text("half"), threading.Event()])
    file = recording(tmp_path / "a.wav", speech(1), speech(1))
    interrupter = threading.Thread(target=_interrupt_when, args=[lambda: len(fake.asked) == 2])
    interrupter.start()
    assert main(["transcribe", str(file)]) == terminal.EXIT_INTERRUPTED
    interrupter.join()
    output = capsys.readouterr()
    assert output.out == "one\n"
    assert "Stopped." in output.err


def _interrupt_when(ready: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if ready():
            break
        pause.wait(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def hear(microphone: FakeMicrophone) -> int:
    thread = terminal.EngineThread(None)
    return terminal_hearing.listen(thread, TranscriptionOptions(), lambda: microphone, judge=VoiceIsLoud)


def test_the_microphone_is_written_down_until_ctrl_c(engine: Install, capsys) -> None:
    fake = engine(words("first"), words("second"))
    microphone = FakeMicrophone([speech(1), speech(1)])
    interrupter = threading.Thread(target=_interrupt_when, args=[lambda: len(fake.asked) == 2])
    interrupter.start()
    assert hear(microphone) == 0
    interrupter.join()
    output = capsys.readouterr()
    assert output.out == "first\nsecond\n"
    assert "Listening to Fake microphone. Ctrl+C ends." in output.err
    assert microphone.closed
    assert [encoder.finished for encoder in fake.heard] == [True, True]


def test_a_lost_microphone_keeps_what_was_said(engine: Install, capsys) -> None:
    engine(words("first"), words("half"))
    assert hear(FakeMicrophone([speech(1), speech(3)], error_at=(4.0, DeviceLost("It is gone.")))) == 1
    output = capsys.readouterr()
    assert output.out == "first\nhalf\n"
    assert "It is gone." in output.err


def test_a_microphone_that_cannot_be_used_is_an_error(engine: Install) -> None:
    engine()
    with pytest.raises(LarimarError, match=r"It is busy\."):
        hear(FakeMicrophone([], refuses=DeviceError("It is busy.")))
    engine(hears=False)
    with pytest.raises(UnsupportedInputError, match="does not understand sound"):
        hear(FakeMicrophone([]))


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("larimar", "engine"))]


class TestWhereTranscriptsGo:
    """Nothing that the user did not name is ever replaced, and nothing that was heard is lost."""

    def test_two_recordings_of_one_name(self, engine: Install, tmp_path: Path, capsys) -> None:
        engine(words("one"), words("two"), words("three"), words("four"))
        for folder in ("x", "y"):
            (tmp_path / folder).mkdir()
        files = [str(recording(tmp_path / folder / "r.wav", speech(1))) for folder in ("x", "y")]
        assert main(["transcribe", *files, "--output", str(tmp_path / "out")]) == 0
        texts = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
        assert texts == {"r (x).txt": "one\n", "r (y).txt": "two\n"}
        assert "r (x).txt" in capsys.readouterr().err
        assert main(["transcribe", *files, "--output", str(tmp_path / "out")]) == 0
        texts |= {"r (x) 2.txt": "three\n", "r (y) 2.txt": "four\n"}
        assert texts == {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}

    @pytest.mark.parametrize("ending", ["", "/"])
    def test_one_recording_into_a_folder(self, engine: Install, tmp_path: Path, ending: str) -> None:
        engine(words("one"))
        file = recording(tmp_path / "a.wav", speech(1))
        if not ending:
            (tmp_path / "out").mkdir()
        assert main(["transcribe", str(file), "--output", f"{tmp_path / 'out'}{ending}"]) == 0
        assert (tmp_path / "out" / "a.txt").read_text() == "one\n"

    def test_a_recording_is_not_its_own_transcript(self, engine: Install, tmp_path: Path, capsys) -> None:
        fake = engine(words("one"))
        file = recording(tmp_path / "a.wav", speech(1))
        before = file.read_bytes()
        (tmp_path / "link.wav").hardlink_to(file)
        for target in (file, tmp_path / "link.wav"):
            assert main(["transcribe", str(file), "--output", str(target)]) == 1
            assert "it is what is read. Choose another name." in capsys.readouterr().err
        assert file.read_bytes() == before
        assert not fake.asked

    def test_several_recordings_need_a_folder(self, engine: Install, tmp_path: Path, capsys) -> None:
        fake = engine(words("one"))
        files = [str(recording(tmp_path / name, speech(1))) for name in ("a.wav", "b.wav")]
        (tmp_path / "file").write_text("old")
        assert main(["transcribe", *files, "--output", str(tmp_path / "file")]) == 1
        assert capsys.readouterr().err.endswith("file cannot be written: it is a file, and a folder is needed.\n")
        assert (tmp_path / "file").read_text() == "old"
        assert not fake.asked

    def test_a_silent_recording_leaves_what_is_there(self, engine: Install, tmp_path: Path, capsys) -> None:
        engine()
        (tmp_path / "a.txt").write_text("old")
        assert main(["transcribe", str(recording(tmp_path / "a.wav")), "--output", str(tmp_path / "a.txt")]) == 0
        assert (tmp_path / "a.txt").read_text() == "old"
        assert "Nobody speaks in a.wav. Nothing was written." in capsys.readouterr().err

    def test_what_fails_midway_leaves_both(self, engine: Install, tmp_path: Path, capsys) -> None:
        engine(words("one"), [LarimarError("The model broke.")])
        (tmp_path / "a.txt").write_text("old")
        file = recording(tmp_path / "a.wav", speech(1), speech(1))
        assert main(["transcribe", str(file), "--output", str(tmp_path / "a.txt")]) == 1
        assert (tmp_path / "a.txt").read_text() == "old"
        assert (tmp_path / "a (unfinished).txt").read_text() == "one\n"
        assert "a (unfinished).txt" in capsys.readouterr().err

    def test_what_is_stopped_leaves_both(self, engine: Install, tmp_path: Path) -> None:
        fake = engine(words("one"), [Text("half"), threading.Event()])
        (tmp_path / "a.txt").write_text("old")
        file = recording(tmp_path / "a.wav", speech(1), speech(1))
        interrupter = threading.Thread(target=_interrupt_when, args=[lambda: len(fake.asked) == 2])
        interrupter.start()
        code = main(["transcribe", str(file), "--output", str(tmp_path / "a.txt")])
        interrupter.join()
        assert code == terminal.EXIT_INTERRUPTED
        assert (tmp_path / "a.txt").read_text() == "old"
        assert (tmp_path / "a (unfinished).txt").read_text() == "one\n"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without it")
    def test_a_full_disk_is_said(self, engine: Install, tmp_path: Path, capsys) -> None:
        engine(words("one"))
        file = recording(tmp_path / "a.wav", speech(1))
        assert main(["transcribe", str(file), "--output", "/dev/full"]) == 1
        assert "There is too little room for full; nothing was written." in capsys.readouterr().err


def test_a_name_too_long_is_refused_before_anything_is_read(engine: Install, tmp_path: Path, capsys) -> None:
    fake = engine(words("Good morning."))
    file = recording(tmp_path / "a.wav", speech(1))
    assert main(["transcribe", str(file), "--output", str(tmp_path / ("n" * 300))]) == 1
    assert "cannot be written: File name too long" in capsys.readouterr().err
    assert fake.asked == []


def test_the_phrases_are_not_replaced_by_what_is_written_down(engine: Install, tmp_path: Path, capsys) -> None:
    engine(words("Good morning."))
    file = recording(tmp_path / "a.wav", speech(1))
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("Larimar\n", encoding="utf-8")
    assert main(["transcribe", str(file), "--phrases", str(phrases), "--output", str(phrases)]) == 1
    assert "it is what is read" in capsys.readouterr().err
    assert phrases.read_text(encoding="utf-8") == "Larimar\n"


def test_the_process_that_decodes_starts_while_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    warming = threading.Event()
    fake = FakeEngine([words("Good morning.")], modalities=frozenset({"audio"}))

    def load(path: Path | None, provider: str) -> FakeEngine:
        assert warming.wait(30)
        return fake

    monkeypatch.setattr("inference.media.isolated.warm", warming.set)
    monkeypatch.setattr("inference.engine.Engine.open", load)
    monkeypatch.setattr("inference.graphs.voice_activity.VoiceActivityModel", VoiceIsLoud)
    assert main(["transcribe", str(recording(tmp_path / "a.wav", speech(1)))]) == 0
    assert capsys.readouterr().out == "Good morning.\n"
