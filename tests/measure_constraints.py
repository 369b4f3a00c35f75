"""What a grammar costs in CPU time for a vocabulary of Gemma 4's size: ``python tests/measure_constraints.py``.

The tokenizer is the demo model's, filled up to 262,144 tokens with made-up words in its layout. ``--drafts`` counts
instead what drafts bring in the demo model's JSON, with guesses that the grammar forbids made again and without.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import tokenizers

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from inference.constraints import ConstraintCompiler  # noqa: E402
from inference.draft_policy import FixedDrafts  # noqa: E402
from inference.engine import Engine  # noqa: E402
from inference.graphs.drafter import Drafter  # noqa: E402
from inference.messages import Done, ReplyOptions, Tool, Turn  # noqa: E402
from inference.tokenizer import Tokenizer  # noqa: E402

VOCABULARY = 262_144
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CASES = {
    "JSON": (ReplyOptions(json_schema=SCHEMA), '{"name": "Ada King, of Lovelace", "age": 36, "tags": ["a", "b c"]}'),
    "call": (
        ReplyOptions(tools=[Tool("person", "", SCHEMA), Tool("now", "")]),
        '<|tool_call>call:person{name:<|"|>Ada King, of Lovelace<|"|>,age:36,tags:[1,true]}<tool_call|>',
    ),
}


def large_tokenizer() -> Tokenizer:
    """Return the demo model's tokenizer with made-up words added."""
    path = ROOT / "resources" / "demo_model" / "tokenizer.json"
    file = json.loads(path.read_text(encoding="utf-8"))
    words = file["model"]["vocab"]
    taken = {*words.values(), *(token["id"] for token in file["added_tokens"])}
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"] + [
        "th",
        "er",
        "ing",
        "ия",
        "的",
        "日",
        "한",
        "ال",
    ]
    draw = random.Random(0)
    for index in (index for index in range(VOCABULARY) if index not in taken):
        word = ""
        while not word or word in words:
            word = draw.choice(["", "▁"]) + "".join(draw.choices(syllables, k=draw.randint(1, 5)))
        words[word] = index
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(file)), "made up")


def count_drafts(replies: int = 12, drafts: int = 3) -> None:
    """Print how many tokens a run of the demo model brings in JSON."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "count": {"type": "integer"},
            "kind": {"enum": ["red", "green", "blue"]},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 6}, "maxItems": 3},
        },
        "required": ["name", "count", "kind", "tags"],
        "additionalProperties": False,
    }
    engine = Engine.open(ROOT / "resources" / "demo_model", provider="cpu", threads=1)
    engine._speculator.policy = FixedDrafts(drafts)  # type: ignore[union-attr]
    chosen = Drafter._likeliest
    ways = {"the first guess": lambda self, permits: chosen(self, None), "guessed again": chosen}
    for name, way in ways.items():
        Drafter._likeliest = way  # type: ignore[method-assign, assignment]
        tokens = drafted = accepted = runs = 0
        for seed in range(replies):
            question = Turn.of("user", f"Describe a ball as JSON, number {seed}.")
            options = ReplyOptions(max_tokens=80, seed=seed, json_schema=schema)
            *_, done = engine.reply([question], options)
            assert isinstance(done, Done)
            tokens += done.stats.generated_tokens
            drafted += done.stats.drafted_tokens
            accepted += done.stats.accepted_tokens
            runs += done.stats.target_passes
        print(f"{name}: {tokens} tokens, {drafted} drafted, {accepted} right, {tokens / runs:.2f} tokens a run")


def main() -> None:
    """Measure and print."""
    if "--drafts" in sys.argv[1:]:
        count_drafts()
        return
    tokenizer = large_tokenizer()
    compiler = ConstraintCompiler(tokenizer, VOCABULARY, {1, 50, 106})
    started = time.process_time()
    compiler.rules(CASES["JSON"][0])
    print(f"first grammar: {time.process_time() - started:.2f} s")
    logits = np.zeros(VOCABULARY, np.float32)
    for name, (options, reply) in CASES.items():
        times, compiling = [], []
        for _ in range(5):
            started = time.process_time()
            rules = compiler.rules(options)
            compiling.append(time.process_time() - started)
            assert rules is not None
            constraint = rules.constraint()
            for token in tokenizer.encode(reply):
                started = time.process_time()
                constraint.mask(logits)
                constraint.accept(token)
                times.append(time.process_time() - started)
        milliseconds = np.array(times) * 1e3
        print(
            f"{name}: compiled in {np.median(compiling) * 1e3:.1f} ms; a token costs "
            f"{np.median(milliseconds):.2f} ms (median), {milliseconds.max():.2f} ms (most), of {len(times) // 5}"
        )


if __name__ == "__main__":
    main()
