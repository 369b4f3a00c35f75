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
from torch.nn.functional import cross_entropy

from .architecture import new_media_model
from .checkpoint import load_state, save_state
from .joint import patches
from .pictures import scenes
from .pictures.scenes import MOST_THINGS, Scene
from .pictures.targets import CELL, CHARS, COLOURS, SLOTS, THINGS, UNKNOWN, targets
from .prepare import RUNS

SMALL = ((4, 4), (3, 5), (5, 3), (4, 5), (5, 4), (2, 8))
LARGE = ((8, 8), (7, 9), (6, 11), (9, 7), (5, 12))
MAKERS = (
    (partial(scenes.crowd, emoji_share=0.75), 4.0),
    (partial(scenes.one_thing, emoji_share=0.5), 1.0),
    (partial(scenes.two_things, emoji_share=0.3), 1.5),
    (partial(scenes.several, emoji_share=0.3), 2.0),
    (scenes.sign, 2.5),
    (scenes.nothing, 0.1),
)


class Heads(torch.nn.Module):
    """What answers during this stage: linear maps of the normed soft tokens."""

    def __init__(self, size: int) -> None:
        super().__init__()
        outputs = {
            "things": len(THINGS) + 1, "colours": len(COLOURS) + 1, "centres": 2, "relations": 5,
            "chars": SLOTS * (len(CHARS) + 1), "count": MOST_THINGS + 1, "ground": len(COLOURS) + 1,
        }  # fmt: skip
        self.maps = torch.nn.ModuleDict({name: torch.nn.Linear(size, count) for name, count in outputs.items()})

    def forward(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        tokens = torch.nn.functional.rms_norm(tokens.float(), tokens.shape[-1:])
        return {name: layer(tokens) for name, layer in self.maps.items()}


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


def losses(outputs: dict[str, torch.Tensor], batch: list[Scene]) -> dict[str, torch.Tensor]:
    """Return the loss of each head; where most cells hold nothing, these weigh no more than the others."""
    wanted = [targets(scene) for scene in batch]
    found = {}
    for name in ("things", "colours", "centres", "chars", "relations"):
        target = torch.from_numpy(np.stack([getattr(one, name) for one in wanted])).flatten()
        logits = outputs[name].flatten(0, 1)
        logits = logits.reshape(len(target), -1)
        each = cross_entropy(logits, target, ignore_index=UNKNOWN, reduction="none")
        some, none = target > 0, target == 0
        found[name] = each[some].sum() / (some.sum() + 1) + (each[none].sum() / (none.sum() + 1))
    for name in ("count", "ground"):
        target = torch.tensor([getattr(one, name) for one in wanted]).unsqueeze(1).expand(-1, outputs[name].shape[1])
        each = cross_entropy(outputs[name].flatten(0, 1), target.flatten(), ignore_index=UNKNOWN, reduction="none")
        found[name] = each.sum() / ((target != UNKNOWN).sum() + 1)
    return found


WEIGHTS = {"things": 1.0, "colours": 0.5, "centres": 0.5, "relations": 0.5, "chars": 1.0, "count": 0.5, "ground": 0.25}


@torch.no_grad()
def hits(outputs: dict[str, torch.Tensor], batch: list[Scene]) -> dict[str, tuple[int, int]]:
    """Return right answers and questions by head, of the cells that hold something."""
    wanted = [targets(scene) for scene in batch]
    found = {}
    for name in WEIGHTS:
        if name in ("count", "ground"):
            target = torch.tensor([getattr(one, name) for one in wanted])
            answer = outputs[name].mean(1).argmax(-1)
        else:
            target = torch.from_numpy(np.stack([getattr(one, name) for one in wanted])).flatten()
            answer = outputs[name].reshape(len(target), -1).argmax(-1)
        asked = target > 0
        found[name] = (int((answer[asked] == target[asked]).sum()), int(asked.sum()))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="eyes", description="Train the vision tower before it is joined.")
    parser.add_argument("--run", default="eyes", help="name of the folder under training/runs")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--peak", type=float, default=1.5e-3)
    parser.add_argument("--fall", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=512, help="soft tokens of a step, about")
    parser.add_argument("--large", type=float, default=0.15, help="share of the steps with large pictures")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=200)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    folder = RUNS / options.run
    folder.mkdir(parents=True, exist_ok=True)
    tower = new_media_model(options.seed).model.vision_tower.train()
    for module in tower.modules():
        if hasattr(module, "use_clipped_linears"):
            module.use_clipped_linears = False
    heads = Heads(tower.config.hidden_size)
    parameters = [*tower.parameters(), *heads.parameters()]
    adam = torch.optim.AdamW(parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    step = _resume(folder / "state.pt", tower, heads, adam)
    makers, weights = zip(*MAKERS, strict=True)
    shown_at, shown, counts, seen = time.monotonic(), {name: 0.0 for name in WEIGHTS}, dict.fromkeys(WEIGHTS, (0, 0)), 0
    while step < options.steps:
        rng = random.Random(f"{options.seed} {step}")
        rows, columns = rng.choice(LARGE if rng.random() < options.large else SMALL)
        batch = [
            make(rng, rows * CELL, columns * CELL)
            for make in rng.choices(makers, weights, k=max(1, options.cells // (rows * columns)))
        ]
        with torch.autocast("cpu", torch.bfloat16):
            tokens = soft_tokens(tower, [scene.pixels for scene in batch], rng)
        outputs = heads(tokens)
        found = losses(outputs, batch)
        loss = sum((WEIGHTS[name] * value for name, value in found.items()), torch.zeros(()))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        rate = options.peak * min(1.0, (step + 1) / 200, max(options.steps - step, 1) / options.fall)
        for group in adam.param_groups:
            group["lr"] = rate
        adam.step()
        step += 1
        seen += len(batch)
        for name, (right, asked) in hits(outputs, batch).items():
            counts[name] = (counts[name][0] + right, counts[name][1] + asked)
            shown[name] += float(found[name].detach()) / options.show_every
        if step % options.show_every == 0:
            seconds = time.monotonic() - shown_at
            parts = "  ".join(f"{name} {right / max(asked, 1):.0%}" for name, (right, asked) in counts.items())
            print(f"step {step}/{options.steps}  loss {sum(shown.values()):.3f}  {parts}  {seen / seconds:.0f} pictures/s", flush=True)
            shown_at, shown, counts, seen = time.monotonic(), {name: 0.0 for name in WEIGHTS}, dict.fromkeys(WEIGHTS, (0, 0)), 0
        if step % options.save_every == 0 or step == options.steps:
            save_state(folder / "state.pt", model=tower.state_dict(), heads=heads.state_dict(), optimiser=adam.state_dict(), step=step)


def _resume(path: Path, tower: torch.nn.Module, heads: torch.nn.Module, adam: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    state = load_state(path)
    tower.load_state_dict(state["model"])
    heads.load_state_dict(state["heads"])
    adam.load_state_dict(state["optimiser"])
    return int(state["step"])


if __name__ == "__main__":
    main()
