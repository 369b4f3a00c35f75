"""Embedder, decoder and KV cache as one thing: token ids in, logits out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ContextFullError
from inference.graphs.decoder import Decoder
from inference.graphs.embedder import Embedder
from inference.graphs.session import ProviderChoice, RunCancelled
from inference.model_folder import ModelFolder
from inference.prompt import Prompt

PREFILL_CHUNK = 256
"""Prompt tokens per run: large enough to keep the matrix kernels busy, small enough to show progress."""


class LanguageModel:
    """Gemma 4 without text: knows tokens, positions and the KV cache. Owned by one thread."""

    def __init__(self, embedder: Embedder, decoder: Decoder) -> None:
        self._embedder = embedder
        self._decoder = decoder
        self.logits: NDArray[np.float32] = np.zeros(decoder.vocab_size, np.float32)
        """Float32 [vocab_size], after the last token of the cache; set by :meth:`prefill` and :meth:`step`."""

    @classmethod
    def open(
        cls, folder: ModelFolder, *, provider: ProviderChoice = "auto", threads: int | None = None
    ) -> LanguageModel:
        """Load the graphs of a model folder.

        Raises:
            ModelFolderError: a graph is missing or damaged.
            RuntimeSetupError: ONNX Runtime is missing or cannot use ``provider``.
            OutOfMemoryError: the model does not fit into memory.
        """
        embedder = Embedder(folder.graph("embed_tokens"))
        decoder = Decoder(
            folder.graph("decoder_model_merged"), folder.context_length, folder.attention_windows, provider, threads
        )
        return cls(embedder, decoder)

    @property
    def provider(self) -> str:
        """What the decoder really runs on: "CPU" or "CUDA"."""
        return self._decoder.provider

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self._decoder.vocab_size

    @property
    def context_length(self) -> int:
        """Most tokens that the KV cache can hold."""
        return self._decoder.cache.context_length

    @property
    def cached_tokens(self) -> tuple[int, ...]:
        """The tokens whose keys and values are in the KV cache."""
        return self._decoder.cache.tokens

    def prefill(self, prompt: Prompt | Sequence[int], cancel: CancelToken) -> Iterator[int]:
        """Bring the KV cache to exactly ``prompt``, computing only what it does not hold already.

        Args:
            prompt: at least one token; a sequence is a prompt without media.
            cancel: ends the work between and inside chunks; the iterator then just ends, before its last value.

        Yields:
            Number of tokens done: first what was reused, then after each chunk, at last ``len(prompt)``.
            :attr:`logits` is valid after that.

        Raises:
            ContextFullError: the prompt is longer than the context.
        """
        if not isinstance(prompt, Prompt):
            prompt = Prompt.of(prompt)
        ids = prompt.reuse_ids
        if not ids:
            raise ValueError("a prompt needs at least one token")
        cache = self._decoder.cache
        if len(ids) > cache.context_length:
            raise ContextFullError(
                f"The conversation has {len(ids)} tokens, but this model can keep only {cache.context_length} in mind. "
                "Start a new chat, or shorten the last message."
            )
        # the last token is always computed: its logits are what is asked for
        cache.resume(ids[: len(ids) - 1])
        yield len(cache)
        while len(cache) < len(ids):
            start = len(cache)
            whole = self._decoder.takes_blocks
            end = prompt.chunk_end(start, PREFILL_CHUNK) if whole else min(start + PREFILL_CHUNK, len(ids))
            rows = self._embedder(prompt.ids[start:end])
            prompt.fill(rows["inputs_embeds"][0], start)
            blocks = None if prompt.block_ids is None else prompt.block_ids[start:end]
            if not self._append(rows, ids[start:end], cancel, blocks):
                return
            if len(cache) == len(ids):
                # where the next turn, another try, or an answer without its thoughts will go on from
                cache.mark()
            yield len(cache)

    def step(self, token: int, cancel: CancelToken) -> NDArray[np.float32] | None:
        """Append one token.

        Returns:
            Logits after it, float32 [vocab_size]; ``None`` when cancelled, the cache then being as before.

        Raises:
            ContextFullError: the context is full.
        """
        rows = self._embedder(np.array([token], np.int64))
        return self.logits if self._append(rows, (token,), cancel) else None

    def close(self) -> None:
        """Free the graphs and the cache. The object is of no use afterwards."""
        del self._embedder, self._decoder

    def _append(
        self,
        rows: dict[str, NDArray[np.floating]],
        ids: Sequence[int],
        cancel: CancelToken,
        block_ids: NDArray[np.int64] | None = None,
    ) -> bool:
        try:
            self.logits = self._decoder(rows, ids, cancel, block_ids)
        except RunCancelled:
            return False
        return True
