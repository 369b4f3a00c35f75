"""Second stage, beside the text: train the vision tower alone, with a target for each of its soft tokens.

``python -m resources.demo_model.training.eyes`` shows the tower small pictures, now and then large ones, and asks what
is where. What answers is thrown away afterwards; the tower is joined with the language model by ``joint``.
"""

from __future__ import annotations

import argparse
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import clipping
from .architecture import new_media_model
from .checkpoint import load_state, save_state
from .joint import patches
from .pictures import scenes
from .pictures.heads import WEIGHTS, Heads, hits, losses
from .pictures.targets import CELL
from .prepare import RUNS
from .workers import SharedGradients, run

SMALL = ((4, 4), (3, 5), (5, 3), (4, 5), (5, 4), (2, 8))
LARGE = ((8, 8), (7, 9), (6, 11), (9, 7), (5, 12))
MAKERS = (
    (partial(scenes.crowd, emoji_share=0.75), 4.0),
    (partial(scenes.one_thing, emoji_share=0.5), 1.0),
    (partial(scenes.two_things, emoji_share=0.3), 1.5),
    (partial(scenes.several, emoji_share=0.3), 2.0),
    (scenes.sign, 4.0),
    (scenes.nothing, 0.1),
)


def soft_tokens(tower: Any, pictures: list[np.ndarray], rng: random.Random) -> torch.Tensor:
    """Return [B, cells, size] of pictures of one shape, which may lie anywhere on a larger one."""
    values, positions = patches(pictures)
    rows, columns = pictures[0].shape[0] // CELL, pictures[0].shape[1] // CELL
    limits = (22, 16) if rng.random() < 0.9 else (60, 60)
    shift = [3 * rng.randint(0, max(0, limit - side)) for limit, side in zip(limits, (columns, rows), strict=True)]
    padding = torch.zeros(values.shape[:2], dtype=torch.bool)
    moved = positions + torch.tensor(shift)
    hidden = tower.patch_embedder(values, moved, padding)
    hidden = tower.encoder(inputs_embeds=hidden, attention_mask=None, pixel_position_ids=moved).last_hidden_state
    grid = hidden.view(len(pictures), rows, 3, columns, 3, -1)
    return grid.mean((2, 4)).flatten(1, 2) * tower.config.hidden_size**0.5


def train(worker: int, folder: Path, options: argparse.Namespace) -> None:
    """Train from the newest state in ``folder`` (or from nothing), as one of the workers."""
    torch.set_num_threads(options.threads)
    tower = new_media_model(options.seed).model.vision_tower.train()
    clipping.switch(tower, False)
    heads = Heads(tower.config.hidden_size)
    both = torch.nn.ModuleList([tower, heads])
    optimisers = optimisers_of(both)
    gradients = SharedGradients(both)
    step = _resume(folder / "state.pt", tower, heads, optimisers)
    makers, weights = zip(*MAKERS, strict=True)
    shown = _Shown()
    while step < options.steps:
        rng = random.Random(f"{options.seed} {step}")
        rows, columns = rng.choice(LARGE if rng.random() < options.large else SMALL)
        rng = random.Random(f"{options.seed} {step} {worker}")
        number = max(1, options.cells // (rows * columns) // options.workers)
        batch = [make(rng, rows * CELL, columns * CELL) for make in rng.choices(makers, weights, k=number)]
        with torch.autocast("cpu", torch.bfloat16):
            tokens = soft_tokens(tower, [scene.pixels for scene in batch], rng)
        outputs = heads(tokens)
        found = losses(outputs, batch)
        loss = sum((WEIGHTS[name] * value for name, value in found.items()), torch.zeros(()))
        gradients.clear()
        (loss * number).backward()
        mean = gradients.average(loss.item() * number, number)
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        rate = options.peak * min(1.0, (step + 1) / 200, max(options.steps - step, 1) / options.fall)
        for each in optimisers:
            for group in each.param_groups:
                group["lr"] = rate
            each.step()
        step += 1
        shown.add(mean, number * options.workers, hits(outputs, batch))
        if worker == 0 and step % options.show_every == 0:
            print(f"step {step}/{options.steps}  {shown.line()}", flush=True)
            shown = _Shown()
        if worker == 0 and (step % options.save_every == 0 or step == options.steps):
            states = {"model": tower.state_dict(), "heads": heads.state_dict()}
            save_state(folder / "state.pt", step=step, optimisers=[each.state_dict() for each in optimisers], **states)


class _Shown:
    """What is shown of some steps."""

    def __init__(self) -> None:
        self.start, self.steps, self.loss, self.pictures = time.monotonic(), 0, 0.0, 0
        self.counts = dict.fromkeys(WEIGHTS, (0, 0))

    def add(self, loss: float, pictures: int, found: dict[str, tuple[int, int]]) -> None:
        self.steps, self.loss, self.pictures = self.steps + 1, self.loss + loss, self.pictures + pictures
        for name, (right, asked) in found.items():
            self.counts[name] = (self.counts[name][0] + right, self.counts[name][1] + asked)

    def line(self) -> str:
        parts = "  ".join(f"{name} {right / max(asked, 1):.0%}" for name, (right, asked) in self.counts.items())
        rate = self.pictures / (time.monotonic() - self.start)
        return f"loss {self.loss / self.steps:.3f}  {parts}  {rate:.0f} pictures/s"


def optimisers_of(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers, which learns in fewer steps, and AdamW for everything else."""
    inner = [p for name, p in model.named_parameters() if ".layers." in name and p.ndim == 2]
    outer = [p for name, p in model.named_parameters() if not (".layers." in name and p.ndim == 2)]
    return [
        torch.optim.Muon(inner, lr=0.0, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=0.0, betas=(0.9, 0.98), weight_decay=0.02, fused=True),
    ]


def _resume(path: Path, tower: torch.nn.Module, heads: torch.nn.Module, optimisers: list[torch.optim.Optimizer]) -> int:
    if not path.exists():
        return 0
    state = load_state(path)
    tower.load_state_dict(state["model"])
    heads.load_state_dict(state["heads"])
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
    parser.add_argument("--large", type=float, default=0.15, help="share of the steps with large pictures")
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
