"""The demo model's spoken data and the first training of its audio tower."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from inference.media.log_mel import log_mel, soft_token_count
from resources.demo_model.training.audio import (
    augmentation,
    pronunciation,
    recordings,
    sentences,
    spectra,
    transcripts,
    voices,
)
from resources.demo_model.training.audio.corpus import Corpus
from resources.demo_model.training.audio.pronunciation import Pronunciations
from resources.demo_model.training.audio.sentences import Sentence

ROOT = Path(__file__).parents[2]


def _tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(np.arange(int(16_000 * seconds)) * 0.1)).astype(np.float32)


# --- what is said


def test_equal_seeds_give_equal_sentences() -> None:
    first = list(islice(sentences.sentences(3, held_out=False), 100))
    assert list(islice(sentences.sentences(3, held_out=False), 100)) == first
    assert list(islice(sentences.sentences(4, held_out=False), 100)) != first


def test_wordings_of_the_evaluation_are_never_trained() -> None:
    trained = {one.spoken for one in islice(sentences.sentences(1, held_out=False), 3000)}
    kept = {one.spoken for one in islice(sentences.sentences(2, held_out=True), 300)}
    assert len(kept) > 150
    assert not trained & kept


def test_there_are_enough_words() -> None:
    assert len(sentences.vocabulary()) >= 150


def test_phrases_begin_in_many_ways_and_keep_off_what_the_evaluation_says() -> None:
    phrases = {one.spoken for one in islice(sentences.sentences(1, held_out=False, kind="phrase"), 3000)}
    kept = {one.spoken for one in islice(sentences.sentences(2, held_out=True, kind="command"), 300)}
    assert len({tuple(one.split()[:2]) for one in phrases}) > 300
    assert not phrases & kept


@pytest.mark.parametrize("kind", ["command", "question", "digits", "words", "phrase"])
def test_what_is_written_is_what_is_said(kind: str) -> None:
    for one in islice(sentences.sentences(5, held_out=False, kind=kind), 300):
        assert one.kind == kind
        assert set(one.spoken) <= set("abcdefghijklmnopqrstuvwxyz' ")
        if kind == "digits":
            assert " ".join(sentences.DIGITS[int(digit)] for digit in one.written) == one.spoken
        else:
            assert sentences.spoken_form(one.written) == one.spoken
            assert one.written[0].isupper()
            assert one.written[-1] in ".?!"
        assert bool(one.answer) == (kind == "question")
        assert transcripts.character_ids(transcripts.plain(one.written))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "zero"), (9, "nine"), (15, "fifteen"), (20, "twenty"), (42, "forty two"), (59, "fifty nine")],
)
def test_numbers_in_words(value: int, words: str) -> None:
    assert sentences.number_words(value) == words


# --- word error rates and spelling


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("Turn on the light.", "turn on the light", 0),
        ("turn on the light", "turn the light on", 2),
        ("one two three", "", 3),
        ("", "one two", 2),
        ("4072", "472", 1),
        ("4072", "4 0 7 2", 0),
        ("What time is it?", "what time was it", 1),
    ],
)
def test_word_errors(reference: str, heard: str, errors: int) -> None:
    assert transcripts.word_errors(transcripts.words(reference), transcripts.words(heard)) == errors


def test_the_rate_is_of_all_words_together() -> None:
    assert transcripts.word_error_rate([("a b c", "a b c"), ("d", "e")]) == 0.25
    assert transcripts.word_error_rate([]) == 0


words_ = st.lists(st.sampled_from(["on", "off", "the", "7"]), max_size=6)


@given(words_, words_, words_)
def test_word_errors_are_a_distance(one: list[str], other: list[str], third: list[str]) -> None:
    distance = transcripts.word_errors
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    assert distance(one, third) <= distance(one, other) + distance(other, third)


@given(st.text(transcripts.CHARACTERS, max_size=12).map(transcripts.plain))
def test_spelling_survives_blanks_and_repetitions(text: str) -> None:
    path = [index for one in transcripts.character_ids(text) for index in (0, one, one)] + [0]
    assert transcripts.greedy_text(np.array(path)) == text


# --- rooms and microphones


@pytest.mark.parametrize("conditions", [augmentation.TRAINING, augmentation.QUIET, augmentation.NOISY])
def test_recordings_are_sound_and_repeatable(conditions: augmentation.Conditions) -> None:
    voice = _tone(0.7)
    made = [augmentation.recorded(voice, np.random.default_rng(seed), conditions) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0][:8000], made[2][:8000])
    for sound in made:
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 1
        most = 1.25 * len(voice) + 2 * 3 * conditions.margins[1] * 16_000
        assert 0.6 * len(voice) < len(sound) < most
    assert np.array_equal(voice, _tone(0.7)), "the original is left alone"


def test_noise_is_as_strong_as_asked_for() -> None:
    conditions = augmentation.Conditions((1, 1), (10, 10), (-20, -20), room=0, narrow=0, margins=(1, 1))
    sound = augmentation.recorded(_tone(1.0), np.random.default_rng(0), conditions)
    before, during = sound[:15_000], sound[16_500:31_500]
    assert 10 * np.log10(np.mean(before**2)) == pytest.approx(-30, abs=1.5)
    assert 10 * np.log10(np.mean(during**2)) == pytest.approx(-20 + 10 * np.log10(1.1), abs=1.0)


def test_masking_leaves_most_of_the_features() -> None:
    features, _ = log_mel(_tone(2.0))
    masked = augmentation.masked(features, np.random.default_rng(3))
    assert masked.shape == features.shape
    assert 0.5 < np.mean(masked == features) < 1


# --- people


@pytest.fixture(scope="module")
def digits(shared_data: Path) -> list[recordings.SpokenDigit]:
    return recordings.spoken_digits(shared_data / "fsdd", limit=60)


def test_recordings_of_the_tests_are_marked(digits: list[recordings.SpokenDigit]) -> None:
    assert {one.is_test for one in digits} == {True, False}
    assert all(one.is_test == (one.index < 5) for one in digits)
    assert all(one.samples.dtype == np.float32 and 1_000 < len(one.samples) < 40_000 for one in digits)


def test_number_strings_are_of_one_speaker_and_as_long_as_their_digits(digits: list[recordings.SpokenDigit]) -> None:
    assert {one.digit for one in digits} == {0}
    people = recordings.DigitSpeakers(digits)
    rng = np.random.default_rng(0)
    longest = max(len(one.samples) for one in digits)
    assert 0 < len(people.say("0", rng)) <= longest
    three = people.say("000", rng, people.speakers[0])
    assert min(len(one.samples) for one in digits) * 3 < len(three) < 3 * longest + 16_000
    np.testing.assert_array_equal(
        people.say("00", np.random.default_rng(4)), people.say("00", np.random.default_rng(4))
    )


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="LARIMAR_SHARED"):
        recordings.spoken_digits(tmp_path)


# --- synthesisers


def test_the_held_out_voices_are_never_drawn_for_training() -> None:
    rng = random.Random(1)
    trained = {voices.training_voice(rng).speaker for _ in range(3000)}
    kept = {voices.held_out_voice(rng, program).speaker for program in ("flite", "espeak-ng") for _ in range(100)}
    assert len(trained) > 50
    assert voices.HELD_OUT_SPEAKER in kept
    assert not trained & kept


def test_every_synthesiser_speaks() -> None:
    if missing := voices.missing_programs():
        pytest.skip(f"not installed: {missing}")
    rng = random.Random(0)
    drawn = [voices.training_voice(rng) for _ in range(60)]
    some = {voice.program: voice for voice in drawn} | {"held out": voices.held_out_voice(rng)}
    spoken = voices.speak((voice, "open the window") for voice in some.values())
    assert {voice.program for voice in some.values()} == set(voices.PROGRAMS)
    for samples in spoken:
        assert samples.dtype == np.float32
        assert 0.4 < len(samples) / 16_000 < 3
        assert 0.02 < np.abs(samples).max() <= 1.1


def test_a_silent_synthesiser_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="nothing"):
        voices.trimmed(np.zeros(1000, np.float32))


def test_the_corpus_keeps_sound_and_words(tmp_path: Path) -> None:
    said = [(Sentence("command", f"line {at}", f"Line {at}."), f"voice {at}", _tone(0.1 * (at + 1))) for at in range(3)]
    assert Corpus.write(tmp_path, "some", said) == 3
    corpus = Corpus(tmp_path, "some")
    assert [(line.sentence, line.speaker) for line in corpus.lines] == [(one, speaker) for one, speaker, _ in said]
    for at, (_, _, samples) in enumerate(said):
        np.testing.assert_allclose(corpus.samples(at), samples * 3, atol=1e-4)  # from a peak of 0.3 to one of 0.9


# --- voices as spectra

_UNCHANGED = spectra.Changes((1.0, 1.0), (1.0, 1.0), (90.0, 90.0), (-20.0, -20.0), 0.0, 0.0, (0.0, 0.0))


def _heard(samples: np.ndarray, **changes: Any) -> np.ndarray:
    """Return the features of a voice that is changed in these ways only, without the microphone's colour."""
    with patch.object(spectra, "_response", lambda rng, narrow: np.float32(1.0)):
        return spectra.features(spectra.spectra(samples), np.random.default_rng(1), replace(_UNCHANGED, **changes))[0]


def test_features_of_unchanged_spectra_are_those_of_the_sound() -> None:
    voice = _tone(0.5) + 0.05 * np.random.default_rng(3).standard_normal(8000).astype(np.float32)
    loud = voice * np.float32(0.1 / np.sqrt(np.mean(voice**2)))
    values, mask = log_mel(loud)
    np.testing.assert_allclose(_heard(voice), values[mask], atol=0.02)


def test_a_larger_throat_and_a_faster_tongue_change_what_they_should() -> None:
    voice = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    plain, higher = _heard(voice), _heard(voice, throat=(1.2, 1.2))
    mel = [2595 * np.log10(1 + hertz / 700) for hertz in (1000, 1200)]
    moved = (mel[1] - mel[0]) / (2595 * np.log10(1 + 8000 / 700) / 129)
    assert higher.mean(0).argmax() - plain.mean(0).argmax() == pytest.approx(moved, abs=1.5)
    assert len(_heard(voice, tempo=(1.25, 1.25))) == pytest.approx(len(plain) / 1.25, abs=1.5)


def test_an_echo_goes_on_where_the_voice_ends() -> None:
    dry, wet = (_heard(_tone(0.5), room=room, margins=(0.3, 0.3)) for room in (0.0, 1.0))
    after = slice(30 + 52, 30 + 58)
    assert wet[after].mean() > dry[after].mean() + 0.5
    np.testing.assert_allclose(wet[:28], dry[:28], atol=0.5)


# --- the tower and what it is trained on


def test_the_quick_subsampling_is_transformers_own() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModel

    from resources.demo_model.training.architecture import audio_configuration
    from resources.demo_model.training.audio.tower import Ears

    torch.manual_seed(0)
    reference, ears = Gemma4AudioModel(audio_configuration()).eval(), Ears().eval()
    ears.tower.load_state_dict(reference.state_dict(), strict=False)
    features = torch.randn(3, 97, 128)
    mask = torch.arange(97) < torch.tensor([[97], [60], [33]])
    with torch.no_grad():
        expected, found = reference(features, mask), ears.tower(features, mask)
    assert torch.equal(expected.attention_mask, found.attention_mask)
    torch.testing.assert_close(
        found.last_hidden_state[found.attention_mask], expected.last_hidden_state[found.attention_mask]
    )


def test_the_towers_file_reads_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModel

    from resources.demo_model.training.architecture import audio_configuration
    from resources.demo_model.training.audio.tower import Ears, load_tower, save_tower

    ears = Ears()
    save_tower(ears.tower, tmp_path / "tower.pt")
    other = Gemma4AudioModel(audio_configuration())
    load_tower(other, tmp_path / "tower.pt")
    torch.testing.assert_close(other.layers[1].norm_out.weight, ears.tower.layers[1].norm_out.weight)
    torch.testing.assert_close(other.output_proj.weight, ears.tower.output_proj.weight)
    torch.save({"model": {"something": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(RuntimeError, match="does not hold this tower"):
        load_tower(other, tmp_path / "other.pt")


@pytest.mark.parametrize("audio_first", [False, True])
def test_an_example_holds_a_place_for_every_soft_token(audio_first: bool) -> None:
    pytest.importorskip("torch")
    from resources.demo_model.training.audio import examples

    tokenizer = Tokenizer.from_file(str(ROOT / "resources" / "demo_model" / "tokenizer.json"))
    samples = _tone(1.23)
    sample = examples.encode_clip(samples, examples.TRANSCRIBE, "Open the door.", tokenizer, audio_first=audio_first)
    places = [at for at, token in enumerate(sample.ids) if token == tokenizer.token_to_id("<|audio|>")]
    assert len(places) == soft_token_count(len(samples))
    assert places == list(range(places[0], places[0] + len(places)))
    assert tokenizer.id_to_token(sample.ids[places[0] - 1]) == "<|audio>"
    assert tokenizer.id_to_token(sample.ids[places[-1] + 1]) == "<audio|>"
    text = tokenizer.decode(sample.ids, skip_special_tokens=False)
    assert (text.index("Transcribe") > text.index("<audio|>")) == audio_first
    said = [token for token, flag in zip(sample.ids, sample.learned, strict=True) if flag]
    assert tokenizer.decode(said, skip_special_tokens=False) == "Open the door.<turn|>"
    assert [len(sound) for sound in sample.sounds] == [log_mel(samples)[1].sum()]


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[Any]]:
    """Return the first batches of a seed, of a tiny corpus and of people who hum their digits."""
    pytest.importorskip("torch")
    from resources.demo_model.training.audio import batches

    monkeypatch.setattr(batches, "POOL", 6)
    said = [
        (Sentence("command", "on", "On."), "voice", _tone(0.6)),
        (Sentence("words", "no", "No."), "v", _tone(0.8)),
    ]
    Corpus.write(tmp_path, "some", said)
    people = recordings.SpectralSpeakers(
        [recordings.SpokenDigit(digit, "somebody", 9, _tone(0.2 + digit / 50)) for digit in range(10)]
    )
    known = {word: [[7, 0.1], [30, 0.05]] for word in ("on", "no", *sentences.DIGITS)}
    (tmp_path / "words.json").write_text(json.dumps(known))
    words = Pronunciations(tmp_path / "words.json")
    some = batches.Batches(Corpus(tmp_path, "some"), people, words, lambda text: [ord(one) for one in text], 300, 1)

    def first(seed: int) -> list[Any]:
        some._seed = seed
        return [batch for _, batch in islice(some, 4)]

    return first


def test_batches_are_repeatable_and_hold_what_is_said(batches: Callable[[int], list[Any]]) -> None:
    import torch

    first, again, other = batches(1), batches(1), batches(2)
    assert all(torch.equal(one.features, same.features) for one, same in zip(first, again, strict=True))
    assert not all(torch.equal(one.targets, same.targets) for one, same in zip(first, other, strict=True))
    for batch in first:
        rows, frames = batch.mask.shape
        assert batch.features.shape == (rows, frames, 128)
        assert rows == 1 or batch.features.shape[0] * frames <= 300 + 48 * rows
        assert batch.phones.shape == (rows, frames // 4)
        assert torch.equal(batch.phones != -100, batch.mask[:, ::4])
        assert set(batch.phones.unique().tolist()) <= {-100, 0, 7, 30}
        assert int(batch.lengths.sum()) == len(batch.targets)
        texts = ["".join(map(chr, tokens)) for tokens in batch.said]
        assert len(texts) == rows
        assert all(text in ("", "On.", "No.") or text.isdigit() for text in texts)


def test_a_few_steps_lower_all_losses(batches: Callable[[int], list[Any]]) -> None:
    import torch

    pytest.importorskip("transformers")
    from resources.demo_model.training.audio.pretrain import losses
    from resources.demo_model.training.audio.tower import Ears

    batch = batches(1)[0]
    torch.manual_seed(0)
    ears = Ears().train()
    ears.vocabulary.normal_()
    adam = torch.optim.AdamW(ears.parameters(), lr=1e-3)
    seen = []
    for _ in range(5):
        parts = losses(ears, batch, bfloat16=False)
        seen.append([part.item() for part in parts])
        adam.zero_grad()
        sum(parts).backward()
        adam.step()
    assert all(last < 0.9 * first for first, last in zip(seen[0], seen[-1], strict=True))


# --- how words sound


def test_phones_share_the_time_of_their_words(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps({"on": [[1, 0.1], [2, 0.1]], "off": [[3, 0.2]]}))
    words = Pronunciations(path)
    second, token, late = 16_000, pronunciation.SAMPLES_PER_TOKEN, pronunciation.LATE
    labels = words.labels([("on off", 0.25, 0.75)], second, 3 * second, 100)
    times = (np.arange(100) * token - late) / second
    expected = np.select([times < 1.5, times < 1.75, times < 2.0, times < 2.5], [0, 1, 2, 3], 0)
    np.testing.assert_array_equal(labels, expected)
    with pytest.raises(KeyError):
        words.labels([("unknown", 0, 1)], 0, second, 10)


def test_pronunciations_are_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pronunciation, "pronounce", lambda word: asked.append(word) or [(1, 0.5)])
    Pronunciations(tmp_path / "words.json").learn(["on", "off", "on"])
    Pronunciations(tmp_path / "words.json").learn(["on", "up"])
    assert asked == ["off", "on", "up"]


def test_flite_says_how_a_word_sounds() -> None:
    if "flite" in voices.missing_programs():
        pytest.skip("flite is not installed")
    phones = pronunciation.pronounce("seven")
    assert [pronunciation.PHONES[phone] for phone, _ in phones] == ["s", "eh", "v", "ax", "n"]
    assert all(0.02 < length < 0.3 for _, length in phones)
