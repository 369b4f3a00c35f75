"""What asks the soft tokens of a picture about it during training, and is thrown away afterwards."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from .scenes import MOST_THINGS, Scene
from .targets import CHARS, COLOURS, SLOTS, THINGS, UNKNOWN, targets


class Heads(torch.nn.Module):
    """Linear maps of the normed soft tokens, [B, cells, size]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        outputs = {
            "things": len(THINGS) + 1, "colours": len(COLOURS) + 1, "centres": 2, "relations": 5,
            "chars": SLOTS * (len(CHARS) + 1), "count": MOST_THINGS + 1, "ground": len(COLOURS) + 1,
        }  # fmt: skip
        self.maps = torch.nn.ModuleDict({name: torch.nn.Linear(size, count) for name, count in outputs.items()})

    def forward(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of each head, [B, cells, ...]."""
        tokens = torch.nn.functional.rms_norm(tokens.float(), tokens.shape[-1:])
        return {name: layer(tokens) for name, layer in self.maps.items()}


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
        if name == "chars":
            # beside the middle of a letter nothing is to be read, although a part of it is there
            found[name] = (each[some].sum() + 0.5 * each[none].sum()) / max(float(some.sum()), 0.03 * len(target))
        else:
            found[name] = each[some].sum() / (some.sum() + 1) + (each[none].sum() / (none.sum() + 1))
    for name in ("count", "ground"):
        target = torch.tensor([getattr(one, name) for one in wanted]).unsqueeze(1).expand(-1, outputs[name].shape[1])
        each = cross_entropy(outputs[name].flatten(0, 1), target.flatten(), ignore_index=UNKNOWN, reduction="none")
        found[name] = each.sum() / ((target != UNKNOWN).sum() + 1)
    return found


WEIGHTS = {"things": 1.0, "colours": 0.5, "centres": 0.5, "relations": 0.5, "chars": 1.5, "count": 0.7, "ground": 0.25}


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
