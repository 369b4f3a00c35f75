"""First stage: write the conversations, learn the tokenizer, encode everything.

``python -m resources.demo_model.training.prepare``
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer

from . import tokenizer as tokenizers_
from .architecture import VOCAB_SIZE
from .conversations import Conversation, conversations, drills, lessons
from .dataset import Dataset
from .rendering import encode, encode_lesson

Encoded = tuple[list[int], list[bool]]
RUNS = Path(__file__).parent / "runs"
TOKENIZER_CONVERSATIONS = 30_000
VALIDATION_SEED_OFFSET = 1_000_003


def texts(some: list[Conversation]) -> list[str]:
    """Return everything that is said in some conversations."""
    said = [text for one in some for turn in one.exchanges for text in (turn.question, turn.answer, turn.thought)]
    return said + [one.system for one in some]


def learn_tokenizer(seed: int) -> Tokenizer:
    """Return the tokenizer of the conversations of this seed."""
    return tokenizers_.train(texts(list(itertools.islice(conversations(seed), TOKENIZER_CONVERSATIONS))), VOCAB_SIZE)


def encode_many(source: Iterator[Conversation], count: int, encode_one: Callable[[Conversation], Encoded]) -> Dataset:
    """Return ``count`` encoded conversations, with a progress line."""
    encoded = []
    start = time.monotonic()
    for number, conversation in enumerate(itertools.islice(source, count), 1):
        encoded.append(encode_one(conversation))
        if number % 5000 == 0 or number == count:
            rate = number / (time.monotonic() - start)
            print(f"\r{number}/{count} conversations, {rate:.0f} a second", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return Dataset.of(encoded)


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="prepare", description="Write and encode the demo model's training text.")
    parser.add_argument("--run", default="v0", help="name of the folder under training/runs")
    parser.add_argument("--conversations", type=int, default=200_000)
    parser.add_argument("--lessons", type=int, default=100_000, help="short conversations for the beginning")
    parser.add_argument("--drills", type=int, default=100_000, help="short conversations for the end")
    parser.add_argument("--only", metavar="NAME", help="of the data sets, write only this one; keep the tokenizer")
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args(arguments)
    folder = RUNS / options.run
    folder.mkdir(parents=True, exist_ok=True)
    if options.only:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    else:
        tokenizer = learn_tokenizer(options.seed)
        tokenizer.save(str(folder / "tokenizer.json"))
    whole, cut = partial(encode, tokenizer=tokenizer), partial(encode_lesson, tokenizer=tokenizer)
    for name, source, count, encode_one in (
        ("validation", conversations(options.seed + VALIDATION_SEED_OFFSET), 1000, whole),
        ("lessons", lessons(options.seed), options.lessons, cut),
        ("drills", drills(options.seed), options.drills, cut),
        ("training", conversations(options.seed), options.conversations, whole),
    ):
        if options.only not in (None, name):
            continue
        dataset = encode_many(source, count, encode_one)
        dataset.save(folder / f"{name}.npz")
        print(f"{name}: {len(dataset)} conversations, {len(dataset.ids)} tokens, {dataset.learned.mean():.0%} learned")


if __name__ == "__main__":
    main()
