"""First stage: write the conversations, learn the tokenizer, encode everything.

``python -m resources.demo_model.training.prepare``
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer

from . import tokenizer as tokenizers_
from .architecture import VOCAB_SIZE
from .conversations import Conversation, conversations
from .dataset import Dataset
from .rendering import encode

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


def encode_many(seed: int, count: int, tokenizer: Tokenizer) -> Dataset:
    """Return ``count`` encoded conversations, with a progress line."""
    encoded = []
    start = time.monotonic()
    for number, conversation in enumerate(itertools.islice(conversations(seed), count), 1):
        encoded.append(encode(conversation, tokenizer))
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
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args(arguments)
    folder = RUNS / options.run
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = learn_tokenizer(options.seed)
    tokenizer.save(str(folder / "tokenizer.json"))
    training = encode_many(options.seed, options.conversations, tokenizer)
    training.save(folder / "training.npz")
    encode_many(options.seed + VALIDATION_SEED_OFFSET, 1000, tokenizer).save(folder / "validation.npz")
    print(f"{len(training)} conversations, {len(training.ids)} tokens, {training.learned.mean():.0%} to be learned")


if __name__ == "__main__":
    main()
