"""What a grammar costs in CPU time for a vocabulary of Gemma 4's size: ``python tests/measure_constraints.py``.

The tokenizer is the demo model's, filled up to 262,144 tokens with made-up words in its layout.
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
from inference.messages import ReplyOptions, Tool  # noqa: E402
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


def main() -> None:
    """Measure and print."""
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
