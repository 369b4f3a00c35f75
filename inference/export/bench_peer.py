"""transformers as a peer of ``main.py bench``: the checkpoint that a model folder came from, in torch."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference import processor
from inference.bench_peers import PeerError
from inference.export.check_media import reference_encoder
from inference.export.checkpoint import Checkpoint
from inference.export.families import CACHE_ARGUMENT

_FASTEST = {"vision_encoder": "sdpa", "audio_encoder": "eager"}
"""transformers' quickest attention for each encoder; the one for sound knows no other."""


class Transformers:
    """transformers' own generation loop, in the checkpoint's dtype, on the CPU.

    Args:
        checkpoint: folder in Hugging Face layout.
        threads: as ours; None takes one per physical core.

    Raises:
        PeerError: transformers cannot load it.
    """

    name = "transformers"

    def __init__(self, checkpoint: Path, threads: int | None = None) -> None:
        from transformers import AutoModelForCausalLM

        if count := threads or processor.threads():
            torch.set_num_threads(count)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._model: Any = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="auto").eval()
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise PeerError(f"transformers cannot load {checkpoint}: {error}") from error
        self._generator = torch.Generator().manual_seed(0)

    def prefill(self, tokens: int) -> float:
        """See :class:`inference.bench_peers.Peer`."""
        ids = self._prompt(tokens)
        started = time.perf_counter()
        with torch.no_grad():
            self._model(input_ids=ids, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - started

    def decode(self, depth: int, tokens: int) -> float:
        """See :class:`inference.bench_peers.Peer`."""
        with torch.no_grad():
            done = self._model(input_ids=self._prompt(depth), use_cache=True, logits_to_keep=1)
            started = time.perf_counter()
            for _ in range(tokens):
                token = done.logits[:, -1:].argmax(-1)
                cache = {CACHE_ARGUMENT: done[CACHE_ARGUMENT]}
                done = self._model(input_ids=token, use_cache=True, logits_to_keep=1, **cache)
        return (time.perf_counter() - started) / tokens

    def _prompt(self, tokens: int) -> torch.Tensor:
        vocab_size = self._model.get_input_embeddings().num_embeddings
        return torch.randint(min(300, vocab_size // 2), vocab_size, (1, tokens), generator=self._generator)


class TransformersEncoders:
    """transformers' encoders of a checkpoint, in float32, each loaded when it is first asked for.

    Args:
        checkpoint: folder in Hugging Face layout.
        threads: as ours; None takes one per physical core.

    Raises:
        CheckpointError: it is missing or damaged.
        UnsupportedModelError: it is not a Gemma 4.
    """

    name = "transformers, float32"

    def __init__(self, checkpoint: Path, threads: int | None = None) -> None:
        if count := threads or processor.threads():
            torch.set_num_threads(count)
        self._source = Checkpoint(checkpoint)
        self._loaded: dict[str, Any] = {}

    def encode(self, graph: str, inputs: dict[str, NDArray[Any]]) -> float:
        """Return the seconds that an encoder takes.

        Args:
            graph: "vision_encoder" or "audio_encoder".
            inputs: as the graph of that name takes them, in its order.
        """
        if graph not in self._loaded:
            self._loaded[graph] = reference_encoder(self._source, graph, _FASTEST[graph])
        encode = self._loaded[graph]
        tensors = [torch.from_numpy(np.ascontiguousarray(value)) for value in inputs.values()]
        started = time.perf_counter()
        with torch.no_grad():
            encode(*tensors)
        return time.perf_counter() - started
