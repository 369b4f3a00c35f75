"""First stage of hearing: let the synthesisers say everything, and keep the sound.

``python -m resources.demo_model.training.audio.prepare`` writes about 300 MB for each hour and a half of speech.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from . import sentences, voices
from .corpus import FOLDER, Corpus
from .sentences import Sentence
from .voices import Voice

_AT_ONCE = 40
"""Sentences for one start of festival."""

TESTS: dict[str, tuple[str, Callable[[random.Random], Voice]]] = {
    "commands_unseen_voice": ("command", voices.held_out_voice),
    "commands_unseen_espeak": ("command", lambda rng: voices.held_out_voice(rng, "espeak-ng")),
    "commands_seen_voices": ("command", voices.training_voice),
    "questions_unseen_voice": ("question", voices.held_out_voice),
}
"""Sets of held-out wordings, by the kind of sentence and the voice."""


def said(
    source: Iterator[Sentence],
    voice_of: Callable[[random.Random], Voice],
    count: int,
    seed: int,
    threads: int,
    name: str,
) -> Iterator[tuple[Sentence, str, NDArray[np.float32]]]:
    """Yield ``count`` sentences, each by a voice drawn for it, with a progress line."""
    rng = random.Random(seed)
    start = time.monotonic()
    drawn = ((next(source), voice_of(rng)) for _ in range(count))
    groups = iter(lambda: tuple(itertools.islice(drawn, _AT_ONCE)), ())
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[tuple[tuple[tuple[Sentence, Voice], ...], object]] = []
        while True:
            for group in itertools.islice(groups, threads + 1 - len(waiting)):
                lines = [(voice, sentence.spoken) for sentence, voice in group]
                waiting.append((group, pool.submit(voices.speak, lines)))
            if not waiting:
                return
            group, future = waiting.pop(0)
            for (sentence, voice), samples in zip(group, future.result(), strict=True):  # type: ignore[attr-defined]
                yield sentence, voice.speaker, samples
            done += len(group)
            rate = done / (time.monotonic() - start)
            print(f"\r{name}: {done}/{count}, {rate:.0f} a second", end="", file=sys.stderr, flush=True)
            if done == count:
                print(file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="prepare", description="Let the synthesisers say the demo model's sentences.")
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--phrases", type=int, default=9_000, help="further sentences, with fewer words in common")
    parser.add_argument("--tests", type=int, default=250, help="sentences of each test set")
    parser.add_argument("--only", metavar="NAME", help="write only this set")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args(arguments)
    if missing := voices.missing_programs():
        parser.exit(1, f"These speech synthesisers are not installed: {', '.join(missing)}.\n")
    FOLDER.mkdir(parents=True, exist_ok=True)
    plans = [
        (name, sentences.sentences(options.seed, held_out=True, kind=kind), voice, options.tests)
        for name, (kind, voice) in TESTS.items()
    ]
    plans.append(
        ("training", sentences.sentences(options.seed, held_out=False), voices.training_voice, options.sentences)
    )
    phrases = sentences.sentences(options.seed, held_out=False, kind="phrase")
    plans.append(("training_phrases", phrases, voices.training_voice, options.phrases))
    for number, (name, source, voice, count) in enumerate(plans):
        if options.only in (None, name):
            Corpus.write(FOLDER, name, said(source, voice, count, options.seed + number, options.threads, name))


if __name__ == "__main__":
    main()
