"""Second stage, beside the text: train the vision tower alone, with a target for each of its soft tokens.

``python -m resources.demo_model.training.eyes`` shows the tower small pictures, now and then large ones, and asks what
is where. What answers is thrown away afterwards; the tower is joined with the language model by ``joint``.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, smooth_l1_loss

from . import attention, clipping
from .architecture import new_media_model
from .checkpoint import load_state, save_state
from .joint import patches
from .pictures import scenes
from .pictures.heads import WEIGHTS, Heads, hits, losses
from .pictures.naming import naming_loss, word_tokens
from .pictures.scenes import Scene, canvas
from .pictures.targets import CELL, CHARS, stroke_targets
from .prepare import RUNS
from .workers import SharedGradients, run

WIDE = ((1, 5), (1, 7), (2, 5), (2, 6), (2, 8), (3, 5), (3, 7), (4, 6), (4, 4), (5, 4))
SMALL = ((4, 4), (3, 5), (5, 3), (4, 5), (5, 4), (2, 8), (5, 6), (6, 5))
TEXTS = ((scenes.sign, 1.5), (scenes.page, 1.0))
THINGS = (
    (partial(scenes.crowd, emoji_share=0.85), 4.0),
    (partial(scenes.one_thing, emoji_share=0.5), 1.0),
    (partial(scenes.two_things, emoji_share=0.2), 2.0),
    (partial(scenes.several, emoji_share=0.1), 3.0),
    (scenes.nothing, 0.1),
)
SHOWN = (
    (scenes.sign, 4.0),
    (scenes.page, 1.0),
    (partial(scenes.several, emoji_share=0.05), 3.0),
    (partial(scenes.two_things, emoji_share=0.1), 1.0),
    (partial(scenes.one_thing, emoji_share=0.85), 4.0),
    (partial(scenes.crowd, emoji_share=0.85), 2.0),
)
NAMING = 2.0
"""Weight of the loss of names, where the eyes already belong to a language model."""
STROKES = 1.5
"""Weight of the loss of what each patch knows of characters."""
WAYS = 6.0
"""Weight of the loss of how far from each patch of a character or thing its middle lies."""
MORE = {"chars": 3.0, "count": 2.0}
"""Weights of losses that differ from those of the joint training."""
COLUMNS, ROWS = 14, 12
"""Soft tokens across and down within which pictures lie."""

Maker = Callable[[random.Random, int, int], Scene]


def shape_and_makers(
    rng: random.Random, kinds: tuple[float, ...]
) -> tuple[tuple[int, int], tuple[tuple[Maker, float], ...]]:
    """Return rows and columns of a step's pictures, and what draws them.

    ``kinds`` weighs small pictures of text, small ones of things, and the size that the engine shows.
    """
    kind = rng.choices(range(3), kinds)[0]
    if kind == 2:
        height, width = canvas(rng)
        return (height // CELL, width // CELL), SHOWN
    return (rng.choice(WIDE), TEXTS) if kind == 0 else (rng.choice(SMALL), THINGS)


class Eyes(torch.nn.Module):
    """The vision tower with its projection, and what asks them.

    ``embeddings`` are those of the language model that the eyes belong to, [V, H], or None.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        inner = new_media_model(seed).model
        self.vision_tower, self.embed_vision = inner.vision_tower, inner.embed_vision
        clipping.switch(self, False)
        attention.use(self.vision_tower)
        size = self.vision_tower.config.hidden_size
        self.heads = Heads(size)
        self.strokes = torch.nn.Linear(size, len(CHARS) + 1)
        self.ways = torch.nn.Linear(size, 2)
        self.embeddings: torch.Tensor | None = None

    def loss(
        self, batch: list[Scene], rng: random.Random, names: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor | None]:
        """Return the loss of pictures of one shape, what the heads say, and the loss of names if there is one."""
        with torch.autocast("cpu", torch.bfloat16):
            patches_, tokens = soft_tokens(self.vision_tower, [scene.pixels for scene in batch], rng)
            soft = self.embed_vision(inputs_embeds=tokens)
        outputs = self.heads(tokens)
        loss = sum(
            (MORE.get(name, WEIGHTS[name]) * value for name, value in losses(outputs, batch).items()), torch.zeros(())
        )
        characters, ways = (
            torch.from_numpy(np.concatenate(parts))
            for parts in zip(*(stroke_targets(scene) for scene in batch), strict=True)
        )
        known, some, there = patches_.float().flatten(0, 1), characters > 0, ~ways[:, 0].isnan()
        if some.any():
            each = cross_entropy(self.strokes(known), characters, reduction="none")
            loss = loss + STROKES * (each[some].mean() + 0.3 * each[~some].mean())
        if there.any():
            loss = loss + WAYS * smooth_l1_loss(self.ways(known[there]), ways[there], beta=0.2)
        if self.embeddings is None:
            return loss, outputs, None
        naming = naming_loss(soft.flatten(0, -2), batch, names, self.embeddings)
        return loss + NAMING * naming, outputs, naming


def soft_tokens(tower: Any, pictures: list[np.ndarray], rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the tower knows of pictures of one shape, which may lie anywhere on a larger one.

    That is [B, patches, size], and pooled [B, cells, size].
    """
    values, positions = patches(pictures)
    rows, columns = pictures[0].shape[0] // CELL, pictures[0].shape[1] // CELL
    shift = [
        3 * rng.randint(0, max(0, limit - side)) for limit, side in zip((COLUMNS, ROWS), (columns, rows), strict=True)
    ]
    if rng.random() < 0.3:
        shift = [0, 0]
    padding = torch.zeros(values.shape[:2], dtype=torch.bool)
    moved = positions + torch.tensor(shift)
    hidden = tower.patch_embedder(values, moved, padding)
    hidden = tower.encoder(inputs_embeds=hidden, attention_mask=None, pixel_position_ids=moved).last_hidden_state
    grid = hidden.view(len(pictures), rows, 3, columns, 3, -1)
    return hidden, grid.mean((2, 4)).flatten(1, 2) * tower.config.hidden_size**0.5


def train(worker: int, folder: Path, options: argparse.Namespace) -> None:
    """Train from the newest state in ``folder`` (or from ``--start``, or from nothing), as one of the workers."""
    torch.set_num_threads(options.threads)
    eyes = Eyes(options.seed).train()
    optimisers = optimisers_of(eyes)
    gradients = SharedGradients(eyes)
    names = word_tokens(Tokenizer.from_file(str(options.tokenizer)))
    step = resume(folder / "state.pt", options.start, eyes, optimisers)
    shown = _Shown()
    started = time.monotonic()
    while step < options.steps:
        left = max(options.steps - step, 1) / options.fall
        if options.minutes:
            left = gradients.agree((options.minutes * 60 - time.monotonic() + started) / (options.fall_minutes * 60))
            if left <= 0:
                break
        rng = random.Random(f"{options.seed} {step}")
        (rows, columns), makers = shape_and_makers(rng, options.kinds)
        rng = random.Random(f"{options.seed} {step} {worker}")
        number = max(1, options.cells // (rows * columns) // options.workers)
        makers, weights = zip(*makers, strict=True)
        batch = [make(rng, rows * CELL, columns * CELL) for make in rng.choices(makers, weights, k=number)]
        loss, outputs, naming = eyes.loss(batch, rng, names)
        gradients.clear()
        (loss * number).backward()
        mean = gradients.average(loss.item() * number, number)
        torch.nn.utils.clip_grad_norm_(eyes.parameters(), 1.0)
        rate = options.peak * min(1.0, (step + 1) / options.rise, left)
        for each in optimisers:
            for group in each.param_groups:
                group["lr"] = rate
            each.step()
        step += 1
        shown.add(mean, naming, number * options.workers, hits(outputs, batch))
        if worker == 0 and step % options.show_every == 0:
            print(f"step {step}/{options.steps}  {shown.line()}", flush=True)
            shown = _Shown()
        if worker == 0 and (step % options.save_every == 0 or step == options.steps):
            save(folder / "state.pt", step, eyes, optimisers)
    if worker == 0:
        save(folder / "state.pt", step, eyes, optimisers)


class _Shown:
    """What is shown of some steps."""

    def __init__(self) -> None:
        self.start, self.steps, self.loss, self.pictures = time.monotonic(), 0, 0.0, 0
        self.names, self.named = 0.0, 0
        self.counts = dict.fromkeys(WEIGHTS, (0, 0))

    def add(self, loss: float, naming: torch.Tensor | None, pictures: int, found: dict[str, tuple[int, int]]) -> None:
        if naming is not None:
            self.names, self.named = self.names + naming.item(), self.named + 1
        self.steps, self.loss, self.pictures = self.steps + 1, self.loss + loss, self.pictures + pictures
        for name, (right, asked) in found.items():
            self.counts[name] = (self.counts[name][0] + right, self.counts[name][1] + asked)

    def line(self) -> str:
        parts = "  ".join(f"{name} {right / max(asked, 1):.0%}" for name, (right, asked) in self.counts.items())
        rate = self.pictures / (time.monotonic() - self.start)
        names = self.names / max(self.named, 1)
        return f"loss {self.loss / self.steps:.3f}  names {names:.3f}  {parts}  {rate:.0f} pictures/s"


def optimisers_of(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers, which learns in fewer steps, and AdamW for everything else."""
    inner = [p for name, p in model.named_parameters() if ".layers." in name and p.ndim == 2]
    outer = [p for name, p in model.named_parameters() if not (".layers." in name and p.ndim == 2)]
    return [
        torch.optim.Muon(inner, lr=0.0, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=0.0, betas=(0.9, 0.98), weight_decay=0.02, fused=True),
    ]


def save(path: Path, step: int, eyes: Eyes, optimisers: list[torch.optim.Optimizer]) -> None:
    """Write the state from which training goes on, and which ``joint`` takes with ``--start eyes:``."""
    model = {
        name: value for name, value in eyes.state_dict().items() if name.startswith(("vision_tower.", "embed_vision."))
    }
    states = {"model": model, "heads": eyes.heads.state_dict(), "strokes": eyes.strokes.state_dict()}
    states["ways"] = eyes.ways.state_dict()
    if eyes.embeddings is not None:
        states["embeddings"] = {"weight": eyes.embeddings}
    save_state(path, step=step, optimisers=[each.state_dict() for each in optimisers], **states)


def resume(path: Path, start: Path | None, eyes: Eyes, optimisers: list[torch.optim.Optimizer]) -> int:
    """Take over the state at ``path`` or else the eyes of a joint run; return the steps that were made."""
    if not path.exists():
        if start is not None:
            state = load_state(start)
            weights = {name.removeprefix("model."): value for name, value in state["model"].items()}
            eyes.embeddings = weights["language_model.embed_tokens.weight"]
            heads, own = state["heads"], set(eyes.state_dict())
            eyes.load_state_dict({name: value for name, value in weights.items() if name in own}, strict=False)
            eyes.heads.load_state_dict(heads)
        return 0
    state = load_state(path)
    eyes.load_state_dict(state["model"], strict=False)
    eyes.heads.load_state_dict(state["heads"])
    eyes.strokes.load_state_dict(state["strokes"])
    eyes.ways.load_state_dict(state["ways"])
    eyes.embeddings = state.get("embeddings", {}).get("weight")
    for each, before in zip(optimisers, state.get("optimisers", []), strict=False):
        each.load_state_dict(before)
    return int(state["step"])


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="eyes", description="Train the vision tower before it is joined.")
    parser.add_argument("--run", default="eyes", help="name of the folder under training/runs")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--peak", type=float, default=1.5e-3)
    parser.add_argument("--fall", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=512, help="soft tokens of a step, about")
    parser.add_argument(
        "--kinds",
        type=lambda text: tuple(float(part) for part in text.split(",")),
        default=(0.35, 0.25, 0.4),
        help="shares of the steps with small pictures of text, small ones of things, and ones as the engine shows them",
    )
    parser.add_argument("--start", type=Path, help="state of a joint run whose eyes are trained further")
    parser.add_argument("--tokenizer", type=Path, default=RUNS / "v0" / "tokenizer.json")
    parser.add_argument("--rise", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=0, help="end by the clock")
    parser.add_argument("--fall-minutes", type=float, default=10, help="the last of them, with a falling rate")
    parser.add_argument("--workers", type=int, default=2, help="processes that share each step")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=200)
    options = parser.parse_args(arguments)
    folder = RUNS / options.run
    folder.mkdir(parents=True, exist_ok=True)
    run(options.workers, train, folder, options)


if __name__ == "__main__":
    main()
