"""Last stage: what the shipped model can do, through Larimar's own engine, on data that no training ever saw.

``python -m resources.demo_model.training.bars [FOLDER]`` prints the model card's table. Seeds are far from those of
training; wordings of questions are held-out ones where there are any.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image as Pillow

from inference.messages import Image, Part, ReplyOptions, Text, Turn
from inference.model_folder import ModelFolder

from .bars_of_senses import hearing, times, tokens_per_pass
from .exchange import Exchange, State
from .pictures import questions, scenes
from .pictures.scenes import Scene, canvas
from .topics import app_features, app_help, arithmetic

if TYPE_CHECKING:
    from inference.engine import Engine

SEED = 900_000_000
MODEL = Path(__file__).parents[1]
OPTIONS = ReplyOptions(temperature=0.0, max_tokens=96)


@dataclass(frozen=True, slots=True)
class Trial:
    """One question to the engine, and how to judge the answer."""

    parts: tuple[Part, ...]
    right: Callable[[str], bool]
    expected: str


Maker = Callable[[random.Random], Trial]


def png(scene: Scene, rng: random.Random) -> bytes:
    """Return the scene as a file, larger or smaller than the engine will show it to the model."""
    factor = rng.uniform(0.8, 1.8)
    picture = Pillow.fromarray(scene.pixels)
    picture = picture.resize((round(scene.width * factor), round(scene.height * factor)), Pillow.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _shown(scene: Scene, exchange: Exchange, right: Callable[[str], bool], rng: random.Random) -> Trial:
    return Trial((Image(png(scene, rng)), Text(exchange.question)), right, exchange.answer)


def _one(rng: random.Random) -> Trial:
    scene = scenes.one_thing(rng, *canvas(rng))
    thing = scene.things[0]
    exchange = rng.choice((questions.see, questions.what))(scene, rng, True)
    return _shown(scene, exchange, lambda answer: f"{thing.colour} {thing.name}" in answer, rng)


def _relation(rng: random.Random) -> Trial:
    scene = scenes.two_things(rng, *canvas(rng))
    exchange = (questions.relate if rng.random() < 0.7 else questions.see)(scene, rng, True)
    return _shown(scene, exchange, exchange.accepted.__contains__, rng)


def _count(rng: random.Random) -> Trial:
    scene = scenes.several(rng, *canvas(rng))
    number = questions.NUMBERS[len(scene.things)]
    exchange = questions.count(scene, rng, True)
    return _shown(scene, exchange, lambda answer: number in answer.split(), rng)


def _read(rng: random.Random) -> Trial:
    scene = scenes.sign(rng, *canvas(rng))
    return _shown(scene, questions.read(scene, rng, True), lambda answer: answer.lower() == scene.text.lower(), rng)


def _emoji(rng: random.Random) -> Trial:
    scene = scenes.one_thing(rng, *canvas(rng), emoji_share=1.0)
    name = scene.things[0].name
    exchange = rng.choice((questions.see, questions.what))(scene, rng, True)
    return _shown(scene, exchange, lambda answer: f" {answer.lower()}".endswith(f" {name.lower()}."), rng)


def _help(rng: random.Random) -> Trial:
    while True:
        intent = rng.choice([*app_help.INTENTS, *app_features.INTENTS])
        try:
            exchange = intent.source(rng, State(), True)
        except LookupError:
            continue
        return Trial((Text(exchange.question),), exchange.accepted.__contains__, exchange.answer)


def _sum(rng: random.Random) -> Trial:
    while True:
        try:
            exchange = arithmetic.sums(rng, State(), True)
        except LookupError:  # none of the wordings of a story is held out
            continue
        if exchange.intent in ("additions", "subtractions"):
            end = f"= {exchange.answer.rpartition(' ')[2]}"
            return Trial((Text(exchange.question),), partial(_ends, end), exchange.answer)


def _ends(end: str, answer: str) -> bool:
    return answer.endswith(end)


TASKS: dict[str, tuple[Maker, float]] = {
    "one object: colour and shape named": (_one, 0.97),
    "two objects and their relation": (_relation, 0.90),
    "counting 1 to 6": (_count, 0.90),
    "reading a word or number of up to 6 characters": (_read, 0.90),
    "emoji thing named": (_emoji, 0.90),
    "help questions in unseen paraphrases: right intent": (_help, 0.95),
    "sums up to three digits": (_sum, 0.95),
}
"""What is tried, and the share that must be right at least."""


def answer(engine: Engine, parts: tuple[Part, ...], options: ReplyOptions = OPTIONS) -> str:
    """Return the engine's greedy answer to a single turn."""
    events = engine.reply([Turn("user", parts)], options)
    return "".join(event.text for event in events if isinstance(event, Text))


def trials(name: str, number: int, seed: int = SEED) -> Iterator[Trial]:
    """Yield the trials of a task; equal seeds give equal ones."""
    make, _ = TASKS[name]
    for index in range(number):
        yield make(random.Random(f"{seed} {name} {index}"))


def share_right(engine: Engine, some: Iterator[Trial], wrong: list[str]) -> tuple[int, int]:
    """Return right answers and trials; what was wrong goes to ``wrong``."""
    right = total = 0
    for trial in some:
        said = answer(engine, trial.parts)
        good = trial.right(said)
        right, total = right + good, total + 1
        if not good:
            wrong.append(f"{trial.expected!r} but {said!r}")
    return right, total


def open_engine(folder: Path) -> Engine:
    """Open the model, on two threads."""
    from inference.engine import Engine

    return Engine.open(folder, threads=2)


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="bars", description="Measure what the shipped model can do.")
    parser.add_argument("folder", nargs="?", type=Path, default=MODEL)
    parser.add_argument("--each", type=int, default=200, help="trials of each task")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", help="part of a task's name, or: hearing, drafter, times")
    parser.add_argument("--wrong", type=int, default=0, help="how many wrong answers to show of each task")
    options = parser.parse_args(arguments)
    engine = open_engine(options.folder)
    print("| task | at least | reached |\n|---|---|---|")
    for name, (_, least) in TASKS.items():
        if options.only and options.only not in name:
            continue
        wrong: list[str] = []
        start = time.monotonic()
        right, total = share_right(engine, trials(name, options.each, options.seed), wrong)
        print(f"| {name} | {least:.0%} | {right / total:.1%} ({right} of {total}) |", flush=True)
        if options.wrong:
            print(f"  {(time.monotonic() - start) / total:.2f} s a trial", *wrong[: options.wrong], sep="\n  - ")
    if "audio" in ModelFolder.open(options.folder).modalities and options.only in (None, "hearing"):
        for row in hearing(engine, options.each, options.wrong):
            print(row, flush=True)
    if options.only in (None, "drafter"):
        try:
            saved = f"{tokens_per_pass(engine, options.each, options.seed):.2f}"
        except ValueError as error:
            saved = str(error)
        print(f"| drafter: tokens per target pass at 4 drafts, greedy | 2.5 | {saved} |", flush=True)
    engine.close()
    if options.only in (None, "times"):
        print(*times(options.folder), sep="\n")


if __name__ == "__main__":
    main()
