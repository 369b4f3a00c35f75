"""Damage to files of model folders, by chance but the same for each seed."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 512, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, 2**64, -(2**31), 10**30, 10**299,
    0.5, -0.5, 1e-300, 1e300, 64.0, "", "a", "\x00", "\x1b[2J", "\ud800", "x" * 5000, "/etc/passwd", "../../x",
    "full_attention", "sliding_attention",
    "gemma4", "gemma4_unified_text", [], {}, [[]], [None], ["a", 1], {"a": {}}, [0] * 5000,
    {"type": "x"},
]  # fmt: skip
RAW = [
    "9" * 5000, "-" + "9" * 5000, "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "[" * 100_000, '{"a":' * 100_000,
    "[" * 500 + "]" * 500, "0" * 9, "1e", "'a'", "\ud800", "tru",
]  # fmt: skip


def mutated(value: Any, rng: random.Random, changes: int = 1) -> Any:
    """Return a copy of a JSON value with something changed somewhere."""
    value = copy.deepcopy(value)
    for _ in range(changes):
        places = [(box, key) for box in _boxes(value) for key in (box if isinstance(box, dict) else range(len(box)))]
        if not places:
            return rng.choice(NASTY)
        box, key = rng.choice(places)
        what = rng.random()
        if what < 0.15:
            del box[key]
        elif what < 0.25 and isinstance(box[key], int | float):
            box[key] = -box[key] if rng.random() < 0.5 else box[key] * rng.choice([0, 2, 3, 1000, 10**9])
        elif what < 0.35:
            box[key] = rng.choice([[box[key]], {"a": box[key]}, str(box[key])])
        else:
            box[key] = copy.deepcopy(rng.choice(NASTY))
    return value


def json_text(value: Any, rng: random.Random) -> bytes:
    """Return a JSON value as a file has it, now and then with what no JSON library writes."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.15:
        whole = json.dumps("here it is")
        places = [(box, key) for box in _boxes(value) for key in (box if isinstance(box, dict) else range(len(box)))]
        if places:
            box, key = rng.choice(places)
            box[key] = "here it is"
            text = json.dumps(value).replace(whole, rng.choice(RAW), 1)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        content = b"\xef\xbb\xbf" + content
    return damaged(content, rng) if rng.random() < 0.1 else content


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a file with bytes changed, missing or put in."""
    if not content:
        return b"\x00"
    what = rng.random()
    at = rng.randrange(len(content))
    if what < 0.3:
        return content[:at]
    if what < 0.4:
        return content[:at] + content[at + rng.randrange(1, 64) :]
    if what < 0.5:
        return content[:at] + rng.randbytes(rng.randrange(1, 16)) + content[at:]
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 4, 32])):
        changed[rng.randrange(len(changed))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(changed)


def replace_by_something_else(file: Path, rng: random.Random) -> None:
    """Put in a file's place what is no regular file, or none that belongs there."""
    file.unlink()
    what = rng.randrange(7)
    if what == 0:
        os.mkfifo(file)
    elif what == 1:
        file.symlink_to(file.name)
    elif what == 2:
        file.mkdir()
    elif what == 3:
        file.symlink_to("/dev/zero")
    elif what == 4:
        file.symlink_to("nowhere")
    elif what == 5:
        file.write_bytes(b"")


def _boxes(value: Any) -> list[Any]:
    found, stack = [], [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict | list) and item:
            if len(item) > 500:
                continue
            found.append(item)
            stack += item.values() if isinstance(item, dict) else item
    return found
