"""Word error rates on speech that was never trained on.

``python -m resources.demo_model.training.audio.evaluate`` asks the tower with its spelling head;
with ``--model FOLDER`` it asks a converted model through Larimar's engine, with the documented prompt, and for answers
to spoken questions too. ``--left-out NAME`` says whom the training did not hear.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.media.log_mel import log_mel
from inference.messages import Audio, ReplyOptions, Text, Turn

from ..checkpoint import load_state
from .augmentation import NOISY, QUIET, Conditions, recorded
from .batches import stacked
from .corpus import FOLDER, Corpus
from .examples import transcription_turns, wav_bytes
from .recordings import DigitSpeakers, spoken_digits
from .tower import Ears
from .transcripts import greedy_text, word_error_rate

SEED = 71
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TestClip:
    """Sound with what it says."""

    __test__ = False

    samples: Samples
    """float32 [n], 16 kHz."""
    written: str
    answer: str


ROWS = {
    "digits, unseen recordings": "digits_seen",
    "digits, speaker left out": "digits_left_out",
    "commands, unseen voice": "commands_unseen_voice",
    "commands, unseen espeak voices": "commands_unseen_espeak",
    "commands, trained voices": "commands_seen_voices",
    "questions, unseen voice": "questions_unseen_voice",
}
"""Name in the table, and which clips; no wording and no recording was trained."""


def rows(left_out: str | None) -> dict[str, str]:
    """Return the rows that can be asked for when ``left_out``, or nobody, was kept from training."""
    return {row: name for row, name in ROWS.items() if left_out or name != "digits_left_out"}


def clips(name: str, count: int, conditions: Conditions, left_out: str | None) -> Iterator[TestClip]:
    """Yield the first ``count`` clips of a set; the same ones whenever it is asked."""
    rng = np.random.default_rng((SEED, sum(name.encode())))
    if name.startswith("digits"):
        wanted = name == "digits_left_out"
        kept = [one for one in spoken_digits() if wanted == (one.speaker == left_out) and (wanted or one.is_test)]
        people = DigitSpeakers(kept)
        for _ in range(count):
            text = "".join(map(str, rng.integers(0, 10, rng.integers(1, 8))))
            yield TestClip(recorded(people.say(text, rng), rng, conditions), text, "")
        return
    corpus = Corpus(FOLDER, name)
    for index in range(min(count, len(corpus))):
        sentence = corpus.lines[index].sentence
        yield TestClip(recorded(corpus.samples(index), rng, conditions), sentence.written, sentence.answer)


@torch.no_grad()
def spelt(ears: Ears, some: list[TestClip]) -> list[str]:
    """Return what the tower with its head makes of each clip."""
    was_training = ears.training
    ears.eval()
    heard = []
    for start in range(0, len(some), 16):
        features = []
        for clip in some[start : start + 16]:
            values, mask = log_mel(clip.samples)
            features.append(values[mask])
        scores, _, lengths = ears(*stacked(features))
        best = scores.argmax(-1).numpy()
        heard += [greedy_text(row[:length]) for row, length in zip(best, lengths.tolist(), strict=True)]
    ears.train(was_training)
    return heard


def rate(
    hear: Callable[[list[TestClip]], list[str]], name: str, count: int, conditions: Conditions, left_out: str | None
) -> float:
    """Return the word error rate of one set."""
    some = list(clips(name, count, conditions, left_out))
    return word_error_rate(zip((clip.written for clip in some), hear(some), strict=True))


def report(ears: Ears, count: int, left_out: str | None) -> str:
    """Return the rates of all sets in one line, quiet; for progress displays."""
    hear = partial(spelt, ears)
    return ", ".join(f"{row} {rate(hear, name, count, QUIET, left_out):.1%}" for row, name in rows(left_out).items())


class Listener:
    """A converted model, asked through Larimar's engine."""

    def __init__(self, folder: Path) -> None:
        """Open the model folder. Raises as ``Engine.open`` does."""
        from inference.engine import Engine

        self._engine = Engine.open(folder)

    def transcribe(self, some: list[TestClip]) -> list[str]:
        """Return what the model writes down, by the documented prompt."""
        return [self._ask(transcription_turns(clip.samples)) for clip in some]

    def answer(self, some: list[TestClip]) -> list[str]:
        """Return what the model says to sound alone."""
        return [self._ask([Turn("user", (Audio(wav_bytes(clip.samples)),))]) for clip in some]

    def _ask(self, turns: list[Turn]) -> str:
        events = self._engine.reply(turns, ReplyOptions(temperature=0.0, max_tokens=120))
        print(".", end="", file=sys.stderr, flush=True)
        return "".join(event.text for event in events if isinstance(event, Text))


def _tower(name: str) -> Callable[[list[TestClip]], list[str]]:
    ears = Ears()
    ears.load_state_dict(load_state(FOLDER / f"{name}.state.pt")["model"])
    return partial(spelt, ears)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="evaluate", description="Word error rates of the demo model's hearing.")
    parser.add_argument("--name", default="tower", help="of the tower's training")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="ask this converted model instead")
    parser.add_argument("--left-out", metavar="SPEAKER", help="whom the training did not hear")
    parser.add_argument("--clips", type=int, default=200, help="of each set")
    options = parser.parse_args(arguments)
    torch.set_num_threads(2)
    listener = Listener(options.model) if options.model else None
    hear = listener.transcribe if listener else _tower(options.name)
    print("| heard | word error rate, quiet | in a noisy room |\n|---|---|---|")
    for row, name in rows(options.left_out).items():
        quiet, noisy = (rate(hear, name, options.clips, conditions, options.left_out) for conditions in (QUIET, NOISY))
        print(f"| {row} | {quiet:.1%} | {noisy:.1%} |", flush=True)
    if listener:
        some = list(clips("questions_unseen_voice", options.clips, QUIET, None))
        right = [clip.answer == said.strip() for clip, said in zip(some, listener.answer(some), strict=True)]
        print(f"\n{sum(right)} of {len(right)} spoken questions by the unseen voice have the very answer expected.")


if __name__ == "__main__":
    main()
