"""Embedder, decoder and KV cache as one thing: token ids in, logits out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ContextFullError, LarimarError, ModelFolderError, OutOfMemoryError
from inference.graphs.decoder import Decoder
from inference.graphs.drafter import GRAPH as DRAFTER
from inference.graphs.drafter import Draft, Drafter, has_drafter
from inference.graphs.embedder import Embedder
from inference.graphs.loading import Loading, LoadProgress
from inference.graphs.session import ProviderChoice, RunCancelled
from inference.kv_cache import ROLLBACK_MARGIN
from inference.memory import release_unused
from inference.model_folder import ModelFolder
from inference.prefill_pace import PrefillPace
from inference.prefix_pool import PrefixPool
from inference.prefix_store import DEFAULT_BYTES, PrefixStore
from inference.prompt import Prompt
from inference.run_costs import MOST_ROWS

ASIDE_BYTES = 256 << 20
"""Memory for conversations that are not worked on, unless the caller says otherwise."""

_MOST_SECONDS = 300.0
"""For the first token: with a cold disk the largest model takes a minute."""

_LOG = logging.getLogger(__name__)


class LanguageModel:
    """Gemma 4 without text: knows tokens, positions and the KV cache. Owned by one thread."""

    def __init__(
        self,
        embedder: Embedder,
        decoder: Decoder,
        drafter: Drafter | None = None,
        *,
        store: PrefixStore | None = None,
        aside_bytes: int = ASIDE_BYTES,
    ) -> None:
        self._embedder = embedder
        self._decoder = decoder
        self._drafter = drafter
        self._prefixes = PrefixPool(decoder.cache, aside_bytes, store)
        self._pace = PrefillPace()
        self.logits: NDArray[np.float32] = np.zeros(decoder.vocab_size, np.float32)
        """Float32 [vocab_size], after the last token of the cache; set by :meth:`prefill`, :meth:`step`,
        :meth:`verify` and, as far as the last of these went, :meth:`roll_back`."""
        self._last_run: tuple[int, NDArray[np.float32], NDArray[np.float32]] | None = None
        """Number of cached tokens before the rows that were kept of the last run, logits and hidden states of these."""

    @classmethod
    def open(
        cls,
        folder: ModelFolder,
        *,
        provider: ProviderChoice = "auto",
        threads: int | None = None,
        prefix_cache: Path | None = None,
        prefix_cache_bytes: int = DEFAULT_BYTES,
        prefix_cache_allowed: Callable[[], bool] | None = None,
        aside_bytes: int = ASIDE_BYTES,
        half_cache: bool = False,
        progress: LoadProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> LanguageModel:
        """Load the graphs of a model folder.

        Args:
            folder: the model folder.
            provider: see :func:`inference.graphs.session.open_session`.
            threads: of one operator; ``None`` takes one per physical core.
            prefix_cache: folder in which conversations' keys and values are kept for the next start of the program;
                ``None``: none are.
            prefix_cache_bytes: most bytes in that folder.
            prefix_cache_allowed: whether anything may still be written there, asked each time.
            aside_bytes: most memory for conversations that are not worked on.
            half_cache: keep keys and values in float16 though the model computes in float32.
            progress: called with what is done and how much of the loading lies behind.
            cancel: ends the loading early.

        Raises:
            ModelFolderError: a graph is missing or damaged.
            RuntimeSetupError: ONNX Runtime is missing or cannot use ``provider``.
            OutOfMemoryError: the model does not fit into memory.
            LoadCancelledError: ``cancel`` was set.
        """
        loading = Loading(progress, cancel)
        path = folder.graph("decoder_model_merged")
        loading.read_ahead([path, *([folder.graph(DRAFTER)] if has_drafter(folder) else [])])
        loading.report("Preparing the model", 0.6)
        embedder = Embedder(folder.graph("embed_tokens"))
        decoder = Decoder(
            path, folder.context_length, folder.attention_windows, provider, threads, loading.cancel, half_cache
        )
        loading.report("Preparing the model", 0.9)
        drafter = None
        if has_drafter(folder):
            try:
                drafter = Drafter(folder, decoder.cache, provider=provider, threads=threads)
            except LarimarError as error:
                # answers are the same without it, only slower
                _LOG.warning("going on without the drafter: %s", error)
        store = None
        if prefix_cache is not None:
            window = max((each for each in folder.attention_windows if each is not None), default=0)
            cache = decoder.cache
            windowed = any(spec.window is not None for spec in cache.specs.values())
            identity = f"{folder.fingerprint()} {decoder.provider} {onnxruntime.__version__} {cache.specs}"
            window = window if windowed else 0
            store = PrefixStore(prefix_cache, identity, window, prefix_cache_bytes, prefix_cache_allowed)
        model = cls(embedder, decoder, drafter, store=store, aside_bytes=aside_bytes)
        loading.report("Warming up", 0.97)
        model._warm_up(loading.cancel)
        loading.report("Ready", 1.0)
        return model

    @property
    def provider(self) -> str:
        """What the decoder really runs on: "CPU" or "CUDA"."""
        return self._decoder.provider

    @property
    def provider_reason(self) -> str:
        """Why that is not CUDA, as the second half of a sentence; empty where it is, or where the CPU is right."""
        return self._decoder.provider_reason

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self._decoder.vocab_size

    @property
    def context_length(self) -> int:
        """Most tokens that the KV cache can hold."""
        return self._decoder.cache.context_length

    @property
    def cache_bytes(self) -> int:
        """Bytes of the KV cache, used or not yet."""
        return self._decoder.cache.nbytes

    @property
    def cached_tokens(self) -> tuple[int, ...]:
        """The tokens whose keys and values are in the KV cache."""
        return self._decoder.cache.tokens

    def prefill(self, prompt: Prompt | Sequence[int], cancel: CancelToken, *, ahead: bool = False) -> Iterator[int]:
        """Bring the KV cache to exactly ``prompt``, computing only what is not known already.

        Args:
            prompt: at least one token; a sequence is a prompt without media.
            cancel: ends the work between and inside chunks; the iterator then just ends, before its last value.
            ahead: the prompt is only the beginning of one that is yet to come. :attr:`logits` are then not made, and
                the cache may hold more than the prompt.

        Yields:
            Number of tokens done: first what was reused, then after each chunk, at last ``len(prompt)``.
            :attr:`logits` is valid after that, unless ``ahead``.

        Raises:
            ContextFullError: the prompt is longer than the context.
            OutOfMemoryError: the cache cannot grow.
        """
        if not isinstance(prompt, Prompt):
            prompt = Prompt.of(prompt)
        ids = prompt.reuse_ids
        if not ids:
            raise ValueError("a prompt needs at least one token")
        cache = self._decoder.cache
        if prompt.ids.max() >= self.vocab_size or prompt.ids.min() < 0:
            raise ModelFolderError(
                "The model's tokenizer does not belong to its graphs, which have fewer tokens. Convert or download the "
                "model again, or choose another."
            )
        if len(ids) > cache.context_length:
            raise ContextFullError(
                f"The conversation has {len(ids)} tokens, but this model can keep only {cache.context_length} in mind. "
                "Start a new chat, or shorten the last message."
            )
        if ahead and cache.reach(ids) == len(ids):
            yield len(ids)
            return
        self._last_run = None
        # the last token of a whole prompt is always computed: its logits are what is asked for
        self._prefixes.resume(ids if ahead else ids[: len(ids) - 1])
        self._mark(prompt, 0)
        yield len(cache)
        while len(cache) < len(ids):
            start = len(cache)
            whole = self._decoder.takes_blocks
            size = self._pace.size
            end = prompt.chunk_end(start, size) if whole else min(start + size, len(ids))
            began = time.perf_counter()
            rows = self._embedder(prompt.ids[start:end])
            try:
                prompt.fill(rows["inputs_embeds"][0], start)
            except ValueError as error:
                raise ModelFolderError(
                    "The model's encoders do not belong to its language model: their soft tokens are of another size. "
                    "Convert or download the model again."
                ) from error
            blocks = None if prompt.block_ids is None else prompt.block_ids[start:end]
            if not self._append(rows, ids[start:end], cancel, blocks, expected=len(ids)):
                return
            self._pace.ran(end - start, time.perf_counter() - began)
            self._mark(prompt, start)
            if len(cache) == len(ids) and not ahead:
                # where the next turn, another try, or an answer without its thoughts will go on from
                cache.mark()
            yield len(cache)

    def keep(self) -> None:
        """Write the conversation's keys and values to disk, where that was asked for and pays."""
        self._prefixes.keep()

    def _mark(self, prompt: Prompt, start: int) -> None:
        """Mark the places of a prompt that lie behind ``start`` and were read just now."""
        cache = self._decoder.cache
        for mark in prompt.marks:
            # a mark serves the positions before it as well: a little further on it also serves what begins alike
            place = min(mark + ROLLBACK_MARGIN // 2, len(prompt))
            if start < place <= len(cache):
                cache.mark(place)

    def step(self, token: int, cancel: CancelToken) -> NDArray[np.float32] | None:
        """Append one token.

        Returns:
            Logits after it, float32 [vocab_size]; ``None`` when cancelled, the cache then being as before.

        Raises:
            ContextFullError: the context is full.
        """
        rows = self._embedder(np.array([token], np.int64))
        return self.logits if self._append(rows, (token,), cancel) else None

    @property
    def has_drafter(self) -> bool:
        """Whether :meth:`draft` can be called."""
        return self._drafter is not None

    @property
    def hidden_state(self) -> NDArray[np.float32] | None:
        """What :attr:`logits` were computed from, float32 [1, 1, hidden_size]; None before the first run.

        None, too, after a roll-back to before the last run: these hidden states are gone.
        """
        row = self._row_of_last_run(len(self._decoder.cache))
        return None if self._last_run is None or row is None else self._last_run[2][None, row : row + 1]

    @property
    def most_rows(self) -> int:
        """How many tokens :meth:`verify` may take, at least one, so that the logits are what :meth:`step` gives.

        To the same bits, where attention is written out; elsewhere but for rounding.
        """
        # the run that finds no room moves the windows before it begins, however many rows it has
        return min(self._decoder.cache.room or MOST_ROWS, MOST_ROWS)

    def verify(self, tokens: Sequence[int], cancel: CancelToken) -> NDArray[np.float32] | None:
        """Append tokens in one run; :meth:`roll_back` takes back those that turn out to be wrong.

        Args:
            tokens: at least one.
            cancel: ends the run early.

        Returns:
            Logits after each, float32 [len(tokens), vocab_size]; ``None`` when cancelled, the cache then being as
            before.

        Raises:
            ContextFullError: the context has fewer positions left; the cache is as before.
        """
        rows = self._embedder(np.array(tokens, np.int64))
        if not self._append(rows, tokens, cancel, keep=len(tokens)) or self._last_run is None:
            return None
        return self._last_run[1]

    def roll_back(self, length: int) -> None:
        """Forget all but the first ``length`` cached tokens, without moving anything.

        :attr:`logits` and :attr:`hidden_state` become those after the last token that is left, if it was part of the
        last run of :meth:`verify`.

        Raises:
            ValueError: there are fewer tokens, or what the sliding layers need has been overwritten.
        """
        self._decoder.cache.roll_back(length)
        row = self._row_of_last_run(length)
        if self._last_run is not None and row is not None:
            self.logits = self._last_run[1][row]

    def draft(
        self,
        token: int,
        state: NDArray[np.float32] | None,
        cancel: CancelToken,
        permits: Callable[[int], bool] | None = None,
    ) -> Draft | None:
        """Let the drafter guess the token after ``token``, which is not in the cache yet. The cache stays as it is.

        Args:
            token: for the first guess the one that was drawn from :attr:`logits`, then the guess before.
            state: None for the first guess, then :attr:`Draft.state` of the guess before.
            cancel: ends the run early.
            permits: whether a grammar admits a token as the guess; None: all are admitted.

        Returns:
            ``None`` when cancelled, and when there is no drafter or no hidden state to go on from.
        """
        state = self.hidden_state if state is None else state
        if self._drafter is None or state is None:
            return None
        embedding = self._embedder(np.array([token], np.int64))["inputs_embeds"]
        try:
            return self._drafter(embedding, state, cancel, permits)
        except RunCancelled:
            return None
        except OutOfMemoryError as error:
            # answers are the same without it, only slower
            _LOG.warning("going on without the drafter: %s", error)
            self._drafter = None
            return None

    def close(self) -> None:
        """Free the graphs and the cache. The object is of no use afterwards."""
        self._prefixes.flush()
        self._last_run = None
        # these refer to one another
        self._decoder.cache.before_replacing.clear()
        del self._embedder, self._drafter, self._decoder, self._prefixes
        release_unused()

    def _warm_up(self, cancel: CancelToken) -> None:
        """Run every graph once, so that the first word does not wait for memory, kernels and threads."""
        limit = CancelToken()
        timer = threading.Timer(_MOST_SECONDS, limit.cancel)
        timer.daemon = True
        timer.start()
        try:
            with cancel.terminating(limit.cancel):
                if self.step(0, limit) is not None:
                    self.draft(0, None, limit)
        finally:
            timer.cancel()
        if limit.cancelled and not cancel.cancelled:
            raise ModelFolderError(
                "The model does not come to the end of a single word: its graphs are damaged, or much too large for "
                "this machine. Choose another model."
            )
        self._decoder.cache.roll_back(0)
        self._last_run = None
        self.logits = np.zeros(self.vocab_size, np.float32)

    def _append(
        self,
        rows: dict[str, NDArray[np.floating]],
        ids: Sequence[int],
        cancel: CancelToken,
        block_ids: NDArray[np.int64] | None = None,
        keep: int = 1,
        expected: int = 0,
    ) -> bool:
        try:
            logits, hidden = self._decoder(rows, ids, cancel, block_ids, keep, expected)
        except RunCancelled:
            return False
        self._last_run = len(self._decoder.cache) - keep, logits, hidden
        self.logits = logits[-1]
        return True

    def _row_of_last_run(self, length: int) -> int | None:
        """Return which row of the last run came from the last of ``length`` tokens."""
        if self._last_run is None:
            return None
        first, logits, _ = self._last_run
        return length - 1 - first if 0 <= length - 1 - first < len(logits) else None
