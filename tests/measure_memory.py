"""Memory that loading, unloading and answering leave behind, in a process of its own.

    python tests/measure_memory.py

Prints JSON: resident megabytes (those of files that are mapped left out) after every tenth of the cycles. What counts
is whether the later ones grow: the first ones warm up whatever is set up once.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from inference.engine import Engine
from inference.messages import ReplyOptions, Turn
from inference.model_folder import default_model_folder

TEXT = "Please tell me, as well as you can, what the sum of twelve and thirty is."


def resident() -> float:
    """Return anonymous resident memory in megabytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("RssAnon is not to be had here")


def load_and_unload(folder: Path, cycles: int, samples: int) -> list[float]:
    """Open a model, answer, close; return memory after equal parts of the cycles."""
    seen = []
    for cycle in range(1, cycles + 1):
        engine = Engine.open(folder, provider="cpu", threads=1)
        for _ in engine.reply([Turn.of("user", TEXT)], ReplyOptions(temperature=0, max_tokens=2)):
            pass
        engine.close()
        del engine
        if cycle % max(1, cycles // samples) == 0:
            gc.collect()
            seen.append(resident())
    return seen


def answer(folder: Path, turns: int, samples: int) -> list[float]:
    """Answer many turns of many conversations; return memory after equal parts of them."""
    engine = Engine.open(folder, provider="cpu", threads=1, aside_bytes=8 << 20)
    seen = []
    conversation: list[Turn] = []
    for number in range(1, turns + 1):
        if number % 20 == 1:
            conversation = [Turn.of("system", f"Conversation {number}. {TEXT}")]
        conversation.append(Turn.of("user", f"{number}: {TEXT}"))
        for _ in engine.prepare(conversation):
            pass
        for _ in engine.reply(conversation, ReplyOptions(temperature=0, max_tokens=3)):
            pass
        conversation.append(Turn.of("assistant", "Forty-two."))
        if number % max(1, turns // samples) == 0:
            gc.collect()
            seen.append(resident())
    engine.close()
    return seen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=default_model_folder())
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=10)
    wanted = parser.parse_args()
    result = {
        "before": resident(),
        "unloaded": load_and_unload(wanted.folder, wanted.cycles, wanted.samples) if wanted.cycles else [],
        "answered": answer(wanted.folder, wanted.turns, wanted.samples) if wanted.turns else [],
        "after": resident(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
