"""Several processes with one thread each train one model together.

Between two processes that share the work of a step there is one exchange a step; between the threads of one process
there are thousands, and on a busy machine each of them waits for the slowest.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing


class SharedGradients:
    """The gradients of a model in one flat buffer, summed over all workers."""

    def __init__(self, model: torch.nn.Module) -> None:
        parameters = list(model.parameters())
        self._flat = torch.zeros(sum(parameter.numel() for parameter in parameters) + 2)
        start = 0
        for parameter in parameters:
            parameter.grad = self._flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()

    def average(self, loss: float, tokens: int) -> float:
        """Turn gradients of this worker's loss, summed over its tokens, into the mean over all tokens everywhere.

        Returns the mean loss of all workers.
        """
        self._flat[-2], self._flat[-1] = loss, tokens
        if distributed.is_initialized():
            distributed.all_reduce(self._flat)
        self._flat /= self._flat[-1].clone()
        return float(self._flat[-2])

    def agree(self, value: float) -> float:
        """Return the first worker's value everywhere."""
        if not distributed.is_initialized():
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)

    def clear(self) -> None:
        """Set all gradients to zero."""
        self._flat.zero_()


def run(workers: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call ``work(worker, *arguments)`` in ``workers`` processes, the first of which is this one."""
    if workers == 1:
        work(0, *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        others = multiprocessing.spawn(
            _other, (workers, meeting, work, arguments), nprocs=workers - 1, join=False, daemon=True
        )
        _join(0, workers, meeting)
        try:
            work(0, *arguments)
        finally:
            distributed.destroy_process_group()
        while not others.join():
            pass


def _other(index: int, workers: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    _join(index + 1, workers, meeting)
    work(index + 1, *arguments)
    distributed.destroy_process_group()


def _join(worker: int, workers: int, meeting: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=worker, world_size=workers)
