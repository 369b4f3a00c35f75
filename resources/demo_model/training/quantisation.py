"""Training with int4 weights in view, so that the shipped int4 model answers like the trained one.

The rule is the one of the conversion (and of Google's QAT checkpoints): blocks of 32 weights along a row share a scale,
which is the entry of largest magnitude over -8. Weights rounded by it once stay as they are when rounded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

BLOCK_SIZE = 32


def round_to_int4(weights: torch.Tensor) -> torch.Tensor:
    """Return ``weights``, [rows, columns], each on the nearest of the 16 values of its block; same shape and dtype.

    Raises ``ValueError`` when the columns are not a multiple of 32.
    """
    if weights.shape[-1] % BLOCK_SIZE:
        raise ValueError(f"{weights.shape[-1]} columns are not a multiple of {BLOCK_SIZE}")
    blocks = weights.reshape(-1, BLOCK_SIZE)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scales = largest / -8
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    return ((blocks / scales).round_().clamp_(-8, 7) * scales).reshape(weights.shape)


def matrices(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return every weight matrix of the model, the embeddings among them."""
    return [parameter for parameter in model.parameters() if parameter.ndim == 2]


@torch.no_grad()
def round_model(model: torch.nn.Module) -> None:
    """Round every weight matrix for good."""
    for weights in matrices(model):
        weights.copy_(round_to_int4(weights))


@contextmanager
def rounded(model: torch.nn.Module) -> Iterator[None]:
    """Round the weight matrices within the block and restore them after it.

    A backward pass inside gives the gradients at the rounded weights, which the optimiser afterwards applies to the
    unrounded ones: the straight-through estimate.
    """
    exact = [(weights, weights.detach().clone()) for weights in matrices(model)]
    round_model(model)
    try:
        yield
    finally:
        with torch.no_grad():
            for weights, values in exact:
                weights.copy_(values)
