"""The decoder graph with its KV cache bound in place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.graphs.attention_nodes import without_unread_presents
from inference.graphs.folded_attention import with_folded_attention
from inference.graphs.foreign_graph import read_graph
from inference.graphs.half_cache import with_half_cache
from inference.graphs.hidden_state import HIDDEN_STATE, hidden_state_name, with_hidden_state
from inference.graphs.loading import MappedWeights
from inference.graphs.native_attention import with_native_attention
from inference.graphs.native_rows import with_native_rows
from inference.graphs.providers import CPU, built_for_cuda, wanted_providers, why_not_cuda
from inference.graphs.session import ProviderChoice, cancellable, dimension, open_session, provider_name
from inference.kv_cache import CacheSpec, KVCache

_DTYPES: dict[str, Any] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_MOST_TOKENS, _MOST_HEADS, _MOST_SIZE = 2**24, 2**12, 2**17
_PAST, _PRESENT = "past_key_values.", "present."
_KEEP = "num_logits_to_keep"
_SLIDING_LENGTH = "sliding_length"
_BLOCKS = "vision_block_ids"


class Decoder:
    """Runs the decoder over rows of embeddings; owns the KV cache.

    Args:
        path: the ``.onnx`` file.
        context_length: most positions.
        windows: by layer, how many positions it looks back at, its own included; None for all. Graphs of others cannot
            take windowed caches and get whole ones.
        provider: see :func:`inference.graphs.session.open_session`.
        threads: of one operator; ``None`` takes one per physical core.
        cancel: ends the loading early.
        half_cache: keep keys and values in float16 though the graph has float32, where the graph allows it.

    Raises:
        ModelFolderError: the graph is missing, damaged, or not a decoder of the expected form.
        LoadCancelledError: ``cancel`` was set.
    """

    def __init__(
        self,
        path: Path,
        context_length: int,
        windows: Sequence[int | None] = (),
        provider: ProviderChoice = "auto",
        threads: int | None = None,
        cancel: CancelToken | None = None,
        half_cache: bool = False,
    ) -> None:
        self.hidden_state = hidden_state_name(path)
        """Name of the output with the hidden state after the final norm, [1, S, H]: what a drafter goes on from."""
        content = None if self.hidden_state == HIDDEN_STATE else with_hidden_state(path)
        if half_cache:
            content = with_half_cache(read_graph(path) if content is None else content) or content
        self._binds_parts = False
        """Whether attention goes through all that is bound of a buffer, seen or not."""
        original = read_graph(path) if content is None else content
        native = folded = None
        if not half_cache and wanted_providers(provider) == [CPU]:
            native = with_native_attention(original)
            if native is not None:
                native = with_native_rows(native) or native
            folded = None if native else with_folded_attention(original)
            self._binds_parts = folded is not None
        content = native or folded or without_unread_presents(original) or content
        self._session = open_session(path, provider, threads, content, cancel)
        self._weights = MappedWeights(path)
        self.provider = provider_name(self._session)
        missed = self.provider == "CPU" and provider == "auto" and built_for_cuda()
        self.provider_reason = why_not_cuda() if missed else ""
        """Why that is not CUDA, where the runtime was made for it; empty otherwise."""
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        # an input with a default is not among the inputs proper
        known = {node.name for node in self._session.get_overridable_initializers()} | set(inputs)
        self._keeps_rows = _KEEP in known
        self._windowed = _SLIDING_LENGTH in known
        self.takes_blocks = _BLOCKS in known
        """Whether the soft tokens of a picture see one another; a picture must then come in one call."""
        past = [name for name in inputs if name.startswith(_PAST)]
        if not past or "inputs_embeds" not in inputs or "logits" not in outputs:
            raise ModelFolderError(f"{path} is not a decoder graph with a KV cache. Convert or download it again.")
        self._takes = frozenset(inputs)
        try:
            self._row_dtype = _DTYPES[inputs["inputs_embeds"].type]
            self.vocab_size = dimension(outputs["logits"], -1, _MOST_TOKENS)
            specs = {
                name: CacheSpec(
                    heads=dimension(inputs[name], 1, _MOST_HEADS),
                    size=dimension(inputs[name], 3, _MOST_SIZE),
                    dtype=_DTYPES[inputs[name].type],
                    window=windows[int(name.split(".")[1])] if self._windowed and windows else None,
                )
                for name in past
            }
            self._logits_dtype = _DTYPES[outputs["logits"].type]
            self._hidden_dtype = _DTYPES[outputs[self.hidden_state].type]
            self._hidden_size = dimension(inputs["inputs_embeds"], -1, _MOST_SIZE)
        except (LookupError, TypeError, ValueError) as error:
            raise ModelFolderError(
                f"{path} is not a decoder graph of the usual form, or config.json belongs to another model. Convert or "
                "download the model again."
            ) from error
        self.cache = KVCache(specs, context_length, "cuda" if self.provider == "CUDA" else "cpu")
        self._binding = self._session.io_binding()
        self._bound: dict[str, onnxruntime.OrtValue] = {}
        self.cache.before_replacing.append(self._release_cache)

    def __call__(
        self,
        rows: dict[str, NDArray[np.floating]],
        ids: Sequence[int],
        cancel: CancelToken,
        block_ids: NDArray[np.int64] | None = None,
        keep: int = 1,
        expected: int = 0,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Append rows to the cache.

        Args:
            rows: what the embedder gave, soft tokens filled in: ``inputs_embeds`` [1, S, H], perhaps
                ``per_layer_inputs``.
            ids: what stands for the rows in the cache, S ≥ 1 of them: see :attr:`Prompt.reuse_ids`.
            cancel: ends the run early.
            block_ids: int64 [S], number of the picture that a row belongs to, -1 for none; None without pictures.
            keep: how many of the last rows to return something for, 1 to S.
            expected: how many tokens the cache will hold before long: see :meth:`KVCache.reserve`.

        Returns:
            Logits after each of the last ``keep`` rows, float32 [keep, V], and the hidden states after the final norm
            that they come from, float32 [keep, H].

        Raises:
            RunCancelled: the run was ended; the cache holds what it held before.
            ContextFullError: the context is full.
            OutOfMemoryError: the cache cannot grow; it holds what it held before.
        """
        self.cache.reserve(len(ids), expected)
        self._bind_cache(len(ids))
        start, stop = len(self.cache), len(self.cache) + len(ids)
        feeds: dict[str, NDArray[Any]] = {
            **{name: np.ascontiguousarray(value, self._row_dtype) for name, value in rows.items()},
            "attention_mask": np.ones((1, stop), np.int64),
            "position_ids": np.arange(start, stop, dtype=np.int64)[None],
        }
        feeds = {name: value for name, value in feeds.items() if name in self._takes}
        if self._keeps_rows:
            feeds[_KEEP] = np.array(keep, np.int64)
        if self._windowed:
            feeds[_SLIDING_LENGTH] = np.array(self.cache.sliding_length + len(ids), np.int64)
        if self.takes_blocks:
            none = block_ids is None or (block_ids < 0).all()
            feeds[_BLOCKS] = np.zeros((1, 0), np.int64) if none else np.ascontiguousarray(block_ids[None])  # type: ignore[index]
        kept = keep if self._keeps_rows else len(ids)
        logits = np.empty((1, kept, self.vocab_size), self._logits_dtype)
        hidden = np.empty((1, kept, self._hidden_size), self._hidden_dtype)
        with cancellable(cancel) as options:
            self._run(feeds, {"logits": logits, self.hidden_state: hidden}, options)
        self._weights.let_go()
        self.cache.append(ids)
        return (
            logits[0, -keep:].astype(np.float32, copy=False),
            hidden[0, -keep:].astype(np.float32, copy=False),
        )

    def _run(
        self, feeds: dict[str, NDArray[Any]], results: dict[str, NDArray[Any]], options: onnxruntime.RunOptions
    ) -> None:
        """Run once, writing into ``results`` and, in place, into the cache."""
        for name, array in feeds.items():
            # not bind_cpu_input, which refuses inputs that have a default, as num_logits_to_keep has
            self._binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for name, array in results.items():
            self._binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        self._session.run_with_iobinding(self._binding, options)

    def _release_cache(self) -> None:
        """Let the buffers go, which a binding would keep alive."""
        self._bound.clear()
        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()

    def _bind_cache(self, count: int) -> None:
        """Bind past inputs and present outputs to the same buffers: attention then appends ``count`` rows in place."""
        for name, buffer in self.cache.buffers.items():
            part = self.cache.view(name, count) if self._binds_parts else buffer
            if self._bound.get(name) is not part:
                self._bound[name] = part
                self._binding.bind_ortvalue_input(name, part)
                self._binding.bind_ortvalue_output(name.replace(_PAST, _PRESENT), part)
