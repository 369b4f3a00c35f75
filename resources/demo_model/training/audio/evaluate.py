"""Word error rates on speech that was never trained on.

``python -m resources.demo_model.training.audio.evaluate`` asks the tower which tokens its soft tokens resemble, without
any language model; with ``--model FOLDER`` it asks a converted model through Larimar's engine, with the documented
prompt, and for answers to spoken questions too. ``--left-out NAME`` says whom the training did not hear.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from inference.media.log_mel import log_mel
from inference.messages import Audio, ReplyOptions, Text, Turn

from ..checkpoint import load_state
from ..prepare import RUNS
from .augmentation import NOISY, QUIET, Conditions
from .batches import stacked
from .corpus import FOLDER
from .examples import transcription_turns, wav_bytes
from .saying import similarities
from .tower import Ears
from .transcripts import greedy_text, word_error_rate
from .unheard import TestClip, clips, rows


@torch.no_grad()
def heard_by(ears: Ears, some: list[TestClip], tokenizer: Tokenizer | None = None) -> list[str]:
    """Return what the tower makes of each clip, without any language model.

    That is what its head spells, or with ``tokenizer`` the tokens that its soft tokens resemble.
    """
    was_training = ears.training
    ears.eval()
    heard = []
    for start in range(0, len(some), 16):
        features = []
        for clip in some[start : start + 16]:
            values, mask = log_mel(clip.samples)
            features.append(values[mask])
        with torch.autocast("cpu", torch.bfloat16):
            spelling, _, soft, lengths = ears(*stacked(features))
        scores = similarities(soft, ears.vocabulary) if tokenizer else spelling
        for row, length in zip(scores.argmax(-1).numpy(), lengths.tolist(), strict=True):
            best = row[:length]
            if tokenizer is None:
                heard.append(greedy_text(best))
            else:
                kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
                heard.append(tokenizer.decode([int(token) for token in kept if token != len(ears.vocabulary)]))
    ears.train(was_training)
    return heard


def rate(
    hear: Callable[[list[TestClip]], list[str]], name: str, count: int, conditions: Conditions, left_out: str | None
) -> float:
    """Return the word error rate of one set."""
    some = list(clips(name, count, conditions, left_out))
    return word_error_rate(zip((clip.written for clip in some), hear(some), strict=True))


class Progress:
    """Test clips that are read once and heard again and again while a training goes on."""

    def __init__(self, count: int, left_out: str | None, tokenizer: Tokenizer | None) -> None:
        self._sets = {row: list(clips(name, count, QUIET, left_out)) for row, name in rows(left_out).items()}
        self._tokenizer = tokenizer

    def report(self, ears: Ears) -> str:
        """Return the rates of all sets in one line."""
        rates = {}
        for row, some in self._sets.items():
            heard = heard_by(ears, some, self._tokenizer)
            rates[row] = word_error_rate(zip((clip.written for clip in some), heard, strict=True))
        return ", ".join(f"{row} {value:.1%}" for row, value in rates.items())


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
    return partial(heard_by, ears, tokenizer=Tokenizer.from_file(str(RUNS / "v0" / "tokenizer.json")))


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
        said = listener.answer(some)
        right = [one.strip() in clip.answers for clip, one in zip(some, said, strict=True)]
        print(f"\n{sum(right)} of {len(right)} spoken questions by the unseen voice have an answer of the generator.")


if __name__ == "__main__":
    main()
