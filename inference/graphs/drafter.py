"""The drafter graph: guesses tokens ahead of the decoder, which then checks several in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.graphs.attention_nodes import without_unread_presents
from inference.graphs.folded_attention import with_folded_attention
from inference.graphs.foreign_graph import read_graph
from inference.graphs.graph_file import check_graph_file
from inference.graphs.half_cache import with_half_cache
from inference.graphs.loading import MappedWeights
from inference.graphs.native_attention import with_native_attention
from inference.graphs.native_rows import with_native_rows
from inference.graphs.providers import CPU, wanted_providers
from inference.graphs.session import ProviderChoice, cancellable, open_session, provider_name
from inference.kv_cache import KVCache
from inference.model_folder import ModelFolder

GRAPH = "drafter"
"""Stem of the graph's file."""

_DTYPES: dict[str, Any] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_SHARED = "shared_kv."
_FULL = "full_attention"
_MOST_TRIED = 16
"""Likeliest tokens among which one is looked for that a grammar admits."""
_NO_FIT = "{path} is not a drafter for this model. Convert the model together with its own drafter again."


@dataclass(frozen=True, slots=True)
class Draft:
    """A guess at the token that follows."""

    token: int
    probability: float
    """That the drafter gives the token."""
    state: NDArray[np.float32]
    """Float32 [1, 1, T], stands in for the target's hidden state in the next guess."""


def has_drafter(folder: ModelFolder) -> bool:
    """Return whether a model folder holds a drafter."""
    return (folder.path / "onnx" / f"{GRAPH}{folder.suffix}.onnx").is_file()


def donor_layers(text_config: Mapping[str, Any]) -> dict[str, int]:
    """Return, by layer type, the target's layer whose keys and values the drafter reads.

    That is the last layer of the type that has keys and values of its own.

    Args:
        text_config: the target's, as in ``config.json``.
    """
    layer_types = text_config.get("layer_types") or []
    owners = len(layer_types) - int(text_config.get("num_kv_shared_layers") or 0)
    return {layer_type: index for index, layer_type in enumerate(layer_types[:owners])}


class Drafter:
    """Runs the drafter, which reads the decoder's KV cache in place and adds nothing to it.

    Args:
        folder: the model folder; see :func:`has_drafter`.
        cache: the decoder's.
        provider: see :func:`inference.graphs.session.open_session`; the same as the decoder's.
        threads: of one operator; ``None`` takes one per physical core.

    Raises:
        ModelFolderError: the graph is missing, damaged, or was made for another model.
        RuntimeSetupError: ONNX Runtime is missing or cannot use ``provider``.
        OutOfMemoryError: the drafter does not fit into memory.
    """

    def __init__(
        self,
        folder: ModelFolder,
        cache: KVCache,
        *,
        provider: ProviderChoice = "auto",
        threads: int | None = None,
    ) -> None:
        path = folder.graph(GRAPH)
        check_graph_file(path)
        halved = any(spec.dtype == np.float16 for spec in cache.specs.values())
        content = with_half_cache(read_graph(path)) if halved else None
        self._binds_parts = False
        original = read_graph(path) if content is None else content
        native = folded = None
        if not halved and wanted_providers(provider) == [CPU]:
            native = with_native_attention(original)
            if native is not None:
                native = with_native_rows(native) or native
            folded = None if native else with_folded_attention(original)
            self._binds_parts = folded is not None
        content = native or folded or without_unread_presents(original) or content
        self._session = open_session(path, provider, threads, content)
        self._weights = MappedWeights(path)
        self.provider = provider_name(self._session)
        self._cache = cache
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        try:
            self._sources = _sources(folder, cache, inputs)
            self._size = int(inputs["inputs_embeds"].shape[-1]) // 2
            fits = (self._size, int(outputs["logits"].shape[-1])) == (
                folder.text_config.get("hidden_size"),
                folder.text_config.get("vocab_size"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFolderError(_NO_FIT.format(path=path)) from error
        if not fits:
            raise ModelFolderError(_NO_FIT.format(path=path))
        self._vocab_size = int(outputs["logits"].shape[-1])

        # what is small keeps its place in memory from run to run, so that a run binds nothing anew
        self._binding = self._session.io_binding()
        lengths = [name for name in inputs if name.endswith(".length")]
        self._inputs: dict[str, NDArray[Any]] = {
            "inputs_embeds": np.zeros((1, 1, 2 * self._size), _DTYPES[inputs["inputs_embeds"].type]),
            "position_ids": np.zeros((1, 1), np.int64),
            **{name: np.zeros(1, np.int64) for name in lengths},
        }
        for name, array in self._inputs.items():
            self._binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        self._outputs: dict[str, NDArray[Any]] = {}
        for name in (
            "projected_state",
            *(("candidate_ids", "candidate_logits") if "candidate_ids" in outputs else ("logits",)),
        ):
            node = outputs[name]
            self._outputs[name] = np.zeros(node.shape, _DTYPES.get(node.type, np.int64))
            self._binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(self._outputs[name]))
        self._bound: dict[str, onnxruntime.OrtValue] = {}
        cache.before_replacing.append(self._release_cache)

    def __call__(
        self,
        embedding: NDArray[np.floating],
        state: NDArray[np.floating],
        cancel: CancelToken,
        permits: Callable[[int], bool] | None = None,
    ) -> Draft:
        """Guess the token after one that is not in the cache yet.

        Args:
            embedding: of that token, as the embedder gives it, [1, 1, T].
            state: [1, 1, T]: for the first guess the decoder's ``last_hidden_state`` of the row that led to the token,
                then :attr:`Draft.state` of the guess before.
            cancel: ends the run early.
            permits: whether a grammar admits a token here; None: all are admitted.

        Returns:
            The likeliest token that is admitted, with its probability among those; the likeliest of all where none of
            the likeliest few is.

        Raises:
            RunCancelled: the run was ended.
            OutOfMemoryError: the run needed more memory than there is.
        """
        joined = self._inputs["inputs_embeds"]
        joined[..., : self._size], joined[..., self._size :] = embedding, state
        self._inputs["position_ids"][:] = len(self._cache)
        for layer_type, length in ((_FULL, len(self._cache)), ("sliding_attention", self._cache.sliding_length)):
            if (name := f"{_SHARED}{layer_type}.length") in self._inputs:
                self._inputs[name][:] = length
        self._bind_cache()
        with cancellable(cancel) as options:
            options.only_execute_path_to_fetches = True  # the full logits of ordered embeddings are for others
            self._session.run_with_iobinding(self._binding, options)
        self._weights.let_go()
        token, probability = self._likeliest(permits)
        return Draft(token, probability, self._outputs["projected_state"].astype(np.float32))

    def _likeliest(self, permits: Callable[[int], bool] | None) -> tuple[int, float]:
        ids = self._outputs.get("candidate_ids")
        logits = (
            self._outputs["logits" if ids is None else "candidate_logits"].reshape(-1).astype(np.float32, copy=False)
        )
        return likeliest_token(logits, None if ids is None else ids.reshape(-1), self._vocab_size, permits)

    def _release_cache(self) -> None:
        """Let the buffers go that the cache is about to replace, which a binding would keep alive."""
        self._bound.clear()
        self._binding.clear_binding_inputs()
        for name, array in self._inputs.items():
            self._binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))

    def _bind_cache(self) -> None:
        """Bind the donors' buffers, where the cache has replaced them since the last run."""
        for name, source in self._sources.items():
            buffer = self._cache.view(source) if self._binds_parts else self._cache.buffers[source]
            if self._bound.get(name) is not buffer:
                self._binding.bind_ortvalue_input(name, buffer)
                self._bound[name] = buffer


def _sources(folder: ModelFolder, cache: KVCache, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each input that takes keys or values, the name of the cache's buffer.

    Raises:
        KeyError: the model has no such layer.
        ValueError: the buffer has another shape or dtype.
    """
    donors = donor_layers(folder.text_config)
    sources = {}
    for name, node in inputs.items():
        if not name.startswith(_SHARED) or name.endswith(".length"):
            continue
        _, layer_type, part = name.split(".")
        sources[name] = f"past_key_values.{donors[layer_type]}.{part}"
        buffer = cache.buffers[sources[name]]
        _, heads, _, size = buffer.shape()
        if (heads, size) != (node.shape[1], node.shape[3]) or buffer.data_type() != node.type:
            raise ValueError(f"{name} does not fit {sources[name]}")
    if not sources:
        raise KeyError(_SHARED)
    return sources


def likeliest_token(
    logits: NDArray[np.float32],
    ids: NDArray[np.int64] | None,
    vocab_size: int,
    permits: Callable[[int], bool] | None = None,
) -> tuple[int, float]:
    """Return the likeliest token that a grammar admits, and its probability once what it refused is left out.

    Where none of the likeliest few is admitted, it is the likeliest of all, for the caller to refuse.

    Args:
        logits: float32 [n], of the whole vocabulary or of candidates.
        ids: int64 [n], the candidates of ordered embeddings; None: the whole vocabulary.
        vocab_size: tokens in all; each that is no candidate has the least logit less 1, as in transformers.
        permits: whether a grammar admits a token; None: all are admitted.
    """
    others, floor = vocab_size - logits.size, float(logits.min()) - 1

    def token_at(place: int) -> int:
        return place if ids is None else int(ids[place])

    def probability(left: NDArray[np.float32], place: int) -> float:
        best = float(left[place])  # the greatest that is left, so that nothing overflows
        return 1 / (float(np.exp(left - best).sum()) + others * float(np.exp(floor - best)))

    first = int(logits.argmax())
    if permits is None or permits(token_at(first)):
        return token_at(first), probability(logits, first)
    tried = np.argpartition(logits, -min(_MOST_TRIED, logits.size))[-_MOST_TRIED:]
    left = logits.copy()
    for place in map(int, tried[np.argsort(-logits[tried])]):
        if place != first and permits(token_at(place)):
            return token_at(place), probability(left, place)
        left[place] = -np.inf
    return token_at(first), probability(logits, first)
