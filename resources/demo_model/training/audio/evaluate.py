"""Word error rates on speech that was never trained on.

``python -m resources.demo_model.training.audio.evaluate`` asks the tower with its spelling head;
with ``--model FOLDER`` it asks a converted model through Larimar's engine, with the documented prompt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.media.log_mel import log_mel

from .augmentation import NOISY, QUIET, Conditions, recorded
from .batches import stacked
from .corpus import FOLDER, Corpus
from .recordings import LEFT_OUT_SPEAKER, DigitSpeakers, spoken_digits
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


ROWS = {
    "digits, unseen recordings": "digits_seen",
    "digits, speaker left out": "digits_left_out",
    "commands, unseen voice": "commands_unseen_voice",
    "commands, unseen espeak voices": "commands_unseen_espeak",
    "commands, trained voices": "commands_seen_voices",
    "questions, unseen voice": "questions_unseen_voice",
}
"""Name in the table, and which clips; all wordings are held out, all recordings are."""


def clips(name: str, count: int, conditions: Conditions, left_out: str = LEFT_OUT_SPEAKER) -> Iterator[TestClip]:
    """Yield the first ``count`` clips of a set; the same ones whenever it is asked."""
    rng = np.random.default_rng((SEED, sum(name.encode())))
    if name.startswith("digits"):
        wanted = name == "digits_left_out"
        kept = [one for one in spoken_digits() if (one.speaker == left_out if wanted else one.is_test)]
        people = DigitSpeakers([one for one in kept if wanted or one.speaker != left_out])
        for _ in range(count):
            text = "".join(map(str, rng.integers(0, 10, rng.integers(1, 8))))
            yield TestClip(recorded(people.say(text, rng), rng, conditions), text)
        return
    corpus = Corpus(FOLDER, name)
    for index in range(min(count, len(corpus))):
        yield TestClip(recorded(corpus.samples(index), rng, conditions), corpus.lines[index].sentence.written)


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
        scores, lengths = ears(*stacked(features))
        best = scores.argmax(-1).numpy()
        heard += [greedy_text(row[:length]) for row, length in zip(best, lengths.tolist(), strict=True)]
    ears.train(was_training)
    return heard


def report(ears: Ears, clips: int = 200) -> str:
    """Return the rates of all sets in one line, quiet; for progress displays."""
    rates = _rates(lambda some: spelt(ears, some), clips, QUIET)
    return ", ".join(f"{row} {rate:.1%}" for row, rate in rates)


def _rates(
    hear: Callable[[list[TestClip]], list[str]], count: int, conditions: Conditions
) -> Iterator[tuple[str, float]]:
    for row, name in ROWS.items():
        some = list(clips(name, count, conditions))
        heard = hear(some)
        yield row, word_error_rate((clip.written, text) for clip, text in zip(some, heard, strict=True))


def through_engine(folder: Path) -> Callable[[list[TestClip]], list[str]]:
    """Return what asks a converted model, by the documented prompt for transcription."""
    from inference.engine import Engine

    from .examples import transcription_turns

    engine = Engine.open(folder)

    def hear(some: list[TestClip]) -> list[str]:
        from inference.messages import ReplyOptions, Text

        options = ReplyOptions(temperature=0.0, max_tokens=120)
        heard = []
        for clip in some:
            events = engine.reply(transcription_turns(clip.samples), options)
            heard.append("".join(event.text for event in events if isinstance(event, Text)))
            print(".", end="", file=sys.stderr, flush=True)
        return heard

    return hear


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="evaluate", description="Word error rates of the demo model's hearing.")
    parser.add_argument("--name", default="tower", help="of the tower's training")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="ask this converted model instead")
    parser.add_argument("--clips", type=int, default=200, help="of each set")
    options = parser.parse_args(arguments)
    torch.set_num_threads(2)
    if options.model:
        hear = through_engine(options.model)
    else:
        from ..checkpoint import load_state

        ears = Ears()
        ears.load_state_dict(load_state(FOLDER / f"{options.name}.state.pt")["model"])

        def hear(some: list[TestClip]) -> list[str]:
            return spelt(ears, some)

    print("| heard | word error rate, quiet | in a noisy room |\n|---|---|---|")
    rates = (_rates(hear, options.clips, conditions) for conditions in (QUIET, NOISY))
    for (row, quiet), (_, noisy) in zip(*rates, strict=True):
        print(f"| {row} | {quiet:.1%} | {noisy:.1%} |", flush=True)


if __name__ == "__main__":
    main()
