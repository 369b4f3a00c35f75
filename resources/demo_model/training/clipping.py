"""The bounds that the towers' linear layers clip to, measured on media, as in Gemma 4's own checkpoints."""

from __future__ import annotations

from typing import Any

import torch

MARGIN = 1.5
"""How far beyond what was seen the bounds lie."""


def switch(model: torch.nn.Module, on: bool) -> None:
    """Let the linear layers of the towers clip, or not: in training they do not."""
    for module in model.modules():
        if hasattr(module, "use_clipped_linears"):
            module.use_clipped_linears = on


@torch.no_grad()
def measure(model: torch.nn.Module, look: Any) -> None:
    """Set the bounds to what the layers meet while ``look()`` runs the towers, with a margin."""
    seen: dict[torch.nn.Module, list[float]] = {}

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        found = [-float(inputs[0].min()), float(inputs[0].max()), -float(output.min()), float(output.max())]
        before = seen.get(module, [1e-3] * 4)
        seen[module] = [max(pair) for pair in zip(before, found, strict=True)]

    clipping = [module for module in model.modules() if hasattr(module, "input_min") and hasattr(module, "linear")]
    switch(model, False)
    hooks = [module.register_forward_hook(note) for module in clipping]
    try:
        look()
    finally:
        for hook in hooks:
            hook.remove()
    for module, (least_in, most_in, least_out, most_out) in seen.items():
        module.input_min.fill_(-MARGIN * least_in)
        module.input_max.fill_(MARGIN * most_in)
        module.output_min.fill_(-MARGIN * least_out)
        module.output_max.fill_(MARGIN * most_out)
