"""Text in, events out: the one object that the rest of the program uses to talk to a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from inference.cancellation import CancelToken
from inference.chat_template import ChatTemplate
from inference.constraints import ConstraintCompiler
from inference.context_fitting import fit_into_context, without
from inference.errors import (
    EngineBusyError,
    ModelFolderError,
    OutOfMemoryError,
    RuntimeSetupError,
    UnsupportedInputError,
)
from inference.generation import DecodeCounts, Finished, LanguageModelLike, SpeculationLike, Token, generate_tokens
from inference.generation_config import GenerationConfig
from inference.graphs import native_operators
from inference.graphs.session import RunCancelled
from inference.messages import (
    Done,
    Prefill,
    ReplyEvent,
    ReplyOptions,
    ReplyStats,
    ToolCall,
    Turn,
)
from inference.model_folder import ModelFolder, default_model_folder
from inference.prompt import Prompt, common_prefix
from inference.prompt_writer import EncodersLike, PromptWriter, chat_template
from inference.reply_parser import ReplyPart
from inference.reply_reader import ReplyClock, ReplyReader
from inference.stop_strings import StopStrings
from inference.tokenizer import Tokenizer
from inference.unfinished import continuations

if TYPE_CHECKING:
    from inference.graphs.loading import LoadProgress
    from inference.graphs.session import ProviderChoice
    from inference.media_encoders import MediaEncoders
    from inference.streaming_audio import StreamingAudioEncoder

_AGAIN: Final = "Convert or download the model again, or choose another folder."


class ModelLike(LanguageModelLike, Protocol):
    """What the engine needs of :class:`inference.language_model.LanguageModel`."""

    @property
    def provider(self) -> str:
        """What the model really runs on."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""

    def prefill(self, prompt: Prompt | Sequence[int], cancel: CancelToken, *, ahead: bool = False) -> Iterator[int]:
        """Bring the KV cache to exactly ``prompt``, or, ``ahead``, at least to it."""

    def keep(self) -> None:
        """Write the conversation to disk, where that was asked for and pays."""

    def close(self) -> None:
        """Give the memory back."""


class SpeculatorLike(Protocol):
    """What the engine needs of :class:`inference.speculation.Speculator`."""

    def start(self, prompt: Sequence[int], stop_ids: Collection[int], most: int | None = None) -> SpeculationLike:
        """Begin a reply."""


class Engine:
    """A loaded model that answers one conversation at a time.

    It keeps the last conversation in its KV cache, so that the next turn of the same one only reads what is new.
    One reply at a time; the thread may change between replies.
    """

    def __init__(
        self,
        folder: ModelFolder,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        generation_config: GenerationConfig,
        model: ModelLike,
        encoders: EncodersLike | None = None,
        speculator: SpeculatorLike | None = None,
    ) -> None:
        self.name: str = folder.name
        self.demo: bool = folder.demo
        """Whether this is the small model that ships with the program."""
        self.modalities: frozenset[str] = folder.modalities
        """What the model takes besides text: of "image", "audio", "video"."""
        self.context_length: int = model.context_length
        """Most tokens that a conversation can have."""
        self.provider: str = model.provider
        """What the model really runs on: "CPU" or "CUDA"."""
        self.provider_reason: str = getattr(model, "provider_reason", "")
        """Why that is not CUDA, as the second half of a sentence; empty where it is, or where the CPU is right."""
        self._tokenizer = tokenizer
        self._generation_config = generation_config
        self._constraints = ConstraintCompiler(tokenizer, model.vocab_size, generation_config.stop_ids)
        self._model = model
        self._encoders = encoders
        self._speculator = speculator
        self._writer = PromptWriter(folder, tokenizer, template, encoders)
        self._folder = folder
        self._fingerprint = folder.fingerprint()
        self._busy = threading.Lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | str | None = None,
        *,
        provider: ProviderChoice = "auto",
        threads: int | None = None,
        prefix_cache: Path | None = None,
        prefix_cache_bytes: int | None = None,
        prefix_cache_allowed: Callable[[], bool] | None = None,
        aside_bytes: int | None = None,
        half_cache: bool = False,
        progress: LoadProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> Engine:
        """Load a model folder.

        Args:
            path: the folder; ``None`` is the one that ships with the program, or that ``LARIMAR_MODEL`` names.
            provider: "cpu", "cuda", or "auto" for CUDA where it can be had.
            threads: of one operator; ``None`` takes one per physical core.
            prefix_cache: folder in which what was computed for conversations is kept for the next start of the
                program. From it can be made out what was said; ``None``, the default, keeps nothing.
            prefix_cache_bytes: most bytes in that folder; ``None``: 2 GB.
            prefix_cache_allowed: whether anything may still be written there, asked each time, on any thread.
            half_cache: keep keys and values in float16 even where the model computes in float32: half the memory for
                long conversations, but each word takes longer, and answers may differ in the last digits.
            aside_bytes: most memory for conversations besides the one that was answered last; ``None``: 256 MB.
            progress: called on this thread with what is done ("Reading the model") and how much of the loading lies
                behind, 0 to 1.
            cancel: ends the loading early, from any thread.

        Raises:
            ModelFolderError: the folder is missing, incomplete or damaged, or was changed while it was loaded.
            UnsupportedModelError: it holds a model that is not Gemma 4.
            RuntimeSetupError: ONNX Runtime is missing or cannot use ``provider``.
            OutOfMemoryError: the model does not fit into memory.
            LoadCancelledError: ``cancel`` was set.
        """
        folder = ModelFolder.open(default_model_folder() if path is None else path)
        fingerprint = folder.fingerprint()
        bounds = {"prefix_cache_bytes": prefix_cache_bytes, "aside_bytes": aside_bytes}
        kept = {name: value for name, value in bounds.items() if value is not None}
        try:
            tokenizer = Tokenizer.open(folder.tokenizer_path)
            template = chat_template(folder, tokenizer)
            generation_config = GenerationConfig.of(folder, tokenizer)
            try:
                from inference.language_model import LanguageModel  # brings ONNX Runtime
                from inference.media_encoders import MediaEncoders
                from inference.speculation import Speculator
            except ImportError as error:
                raise RuntimeSetupError(
                    "ONNX Runtime is missing or broken. Install exactly one of the extras “cpu” and “gpu”; "
                    "“main.py doctor” says what it finds."
                ) from error
            model = LanguageModel.open(
                folder,
                provider=provider,
                threads=threads,
                prefix_cache=prefix_cache,
                prefix_cache_allowed=prefix_cache_allowed,
                half_cache=half_cache,
                progress=progress,
                cancel=cancel,
                **kept,
            )
            encoders = MediaEncoders(folder, provider, threads)
            operators = "native" if native_operators.library() else "runtime"
            speculator = Speculator.open(model, folder, f"{model.provider} {threads} {operators}")
            engine = cls(folder, tokenizer, template, generation_config, model, encoders, speculator)
        except MemoryError as error:
            raise OutOfMemoryError(
                "There is not enough memory for this model. Close other programs, or choose a smaller model."
            ) from error
        if tokenizer.vocab_size > model.vocab_size:
            engine.close()
            raise ModelFolderError(
                f"In the model folder {folder.path} the tokenizer and the graphs do not belong together. {_AGAIN}"
            )
        if engine._fingerprint != fingerprint:
            engine.close()
            raise ModelFolderError(
                f"The model folder {folder.path} was changed while it was loaded: wait for what writes to it to end, "
                "then load the model again."
            )
        return engine

    def reply(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Generator[ReplyEvent]:
        """Answer a conversation.

        Yields :class:`Prefill` while the conversation is read, then thoughts, text and tool calls as they come, and
        last exactly one :class:`Done`. Work is done only while the next event is asked for. Whether the iterator is
        read to its end, cancelled or closed early: the next reply goes on from what the KV cache then holds.

        Raises, from the iterator:
            EngineBusyError: another reply has not ended, or the engine was closed.
            UnsupportedInputError: a turn holds media that the model cannot take; nothing was computed.
            ContextFullError: the last exchange alone is longer than the context, or the whole conversation is and
                ``options.when_full`` is "stop"; nothing was computed.
            OutOfMemoryError: the conversation has become too long for the machine's memory.
            ModelFolderError: the model's chat template cannot write the conversation, or the folder's files are no
                longer those that were loaded.
            SchemaError: the JSON schema, or a tool's declaration, cannot be followed.
            ValueError: an option is out of range.
        """
        with self._working():
            yield from self._reply(turns, options or ReplyOptions(), cancel or CancelToken())

    def prepare(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Generator[Prefill]:
        """Do what can be done for a reply before its question is complete.

        Media are encoded, and of the prompt is read what no longer depends on how the question goes on. A later reply
        to these turns, longer ones or others is the same as without it; it only comes sooner. Calling this again with
        a longer text goes on from where the last call ended.

        Args:
            turns: the conversation; the text of a user turn at its end may be half a text, or missing yet. After a
                turn of the model, what is certain of the next question's prompt is read: an answer without its
                thoughts, say.
            options: those of the reply to come.
            cancel: ends the work at once; nothing that was done is lost.

        Yields:
            :class:`Prefill` as the certain part of the prompt is read; nothing when all of it was known. Work is done
            only while the next event is asked for.

        Raises, from the iterator: as :meth:`reply`, but never ContextFullError.
        """
        with self._working():
            yield from self._prepare(turns, options or ReplyOptions(), cancel or CancelToken())

    def schema_notes(self, options: ReplyOptions) -> tuple[str, ...]:
        """Return what replies are not held to though a JSON schema in ``options`` asks for it, a sentence each.

        Keywords such as ``not`` or ``uniqueItems`` are beyond what decides about one token at a time: replies are
        taken as they come there. Belongs to the thread of the engine.

        Raises:
            SchemaError: a schema, or a tool's declaration, cannot be followed at all.
        """
        rules = self._constraints.rules(options)
        return () if rules is None else rules.notes

    def listen(self) -> StreamingAudioEncoder:
        """Return what encodes a recording while it is being made; its first use opens the audio encoder.

        Feed it the microphone's sound, then finish it: a turn with its recording is then encoded already. Meanwhile
        :meth:`prepare` may be given turns that end with what was heard so far. Belongs to the thread of the engine.

        Raises:
            EngineBusyError: the engine was closed.
            UnsupportedInputError: the model takes no sound.
        """
        if self._closed:
            raise EngineBusyError("The model was closed; load it again.")
        if "audio" not in self.modalities or self._encoders is None:
            raise UnsupportedInputError(f"{self.name} does not understand sound. Choose another model.")
        from inference.streaming_audio import StreamingAudioEncoder

        return StreamingAudioEncoder(cast("MediaEncoders", self._encoders))

    def close(self) -> None:
        """Give the model's memory back. Raises :class:`EngineBusyError` while a reply is under way; idempotent."""
        if not self._busy.acquire(blocking=False):
            raise EngineBusyError("The model is still answering; stop the answer before closing the model.")
        try:
            if not self._closed:
                self._closed = True
                self._encoders = self._speculator = None
                self._writer.close()
                self._model.close()
        finally:
            self._busy.release()

    @contextmanager
    def _working(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise EngineBusyError("The model is still answering; wait for the end of the answer, or stop it.")
        try:
            if self._closed:
                raise EngineBusyError("The model was closed; load it again.")
            if self._folder.fingerprint() != self._fingerprint:
                raise ModelFolderError(
                    f"The files of the model in {self._folder.path} were changed or removed since it was loaded. "
                    "Load it again, or choose another model."
                )
            yield
        finally:
            self._busy.release()

    def _prepare(self, turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Generator[Prefill]:
        self._writer.check(turns, self.modalities)
        first, *others = continuations(turns)
        try:
            prompt, dropped = self._fitted(first, options, cancel)
            certain = len(prompt)
            for other in others:
                known = self._writer.write(without(other, dropped) if dropped else other, options, cancel)
                certain = min(certain, common_prefix(prompt.reuse_ids, known.reuse_ids))
        except RunCancelled:
            return
        prefix = prompt.prefix(certain)
        if not len(prefix) or len(prefix) >= self.context_length or cancel.cancelled:
            return
        for done in self._model.prefill(prefix, cancel, ahead=True):
            yield Prefill(done, len(prefix))

    def _fitted(self, turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> tuple[Prompt, int]:
        """Return the prompt, and how many turns were left out of it. Raises :class:`RunCancelled`."""
        if options.when_full == "stop":
            return self._writer.write(turns, options, cancel), 0
        return fit_into_context(
            turns, lambda some: self._writer.write(some, options, cancel), self.context_length, options.max_tokens
        )

    def _reply(self, turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Generator[ReplyEvent]:
        clock = ReplyClock()
        self._writer.check(turns, self.modalities)
        sampler = self._generation_config.sampler(options)
        stop_ids = self._generation_config.stop_ids
        stop_strings = StopStrings(options.stop)
        rules = self._constraints.rules(options)
        try:
            prompt, dropped = self._fitted(turns, options, cancel)
        except RunCancelled:
            yield Done("cancelled", ReplyStats(context_length=self.context_length))
            return
        reader = ReplyReader(self._tokenizer, prompt.ids.tolist(), stop_strings)
        if rules is not None:
            sampler.constraint = rules.constraint(inside_thought=reader.inside_thought)
        reused = None
        calls = 0
        speculation = None
        if self._speculator is not None and options.drafts != 0:
            speculation = self._speculator.start(prompt.reuse_ids, stop_ids, options.drafts)
        counts = DecodeCounts()
        events = generate_tokens(
            self._model, prompt, sampler, stop_ids, options.max_tokens, cancel, speculation, counts
        )
        for event in events:
            parts: list[ReplyPart] = []
            match event:
                case Prefill(done, _):
                    reused = done if reused is None else reused
                    yield event
                case Token(token):
                    clock.tick()
                    if token not in stop_ids:
                        parts = reader.read(token)
                case Finished():
                    parts = reader.finish()
            for part in parts:
                calls += isinstance(part, ToolCall)
                yield part
            if stop_strings.found:
                events.close()
                event = Finished("stop")
            if isinstance(event, Finished):
                reason = "tool_calls" if event.reason == "stop" and calls else event.reason
                yield Done(
                    reason,
                    ReplyStats(
                        prompt_tokens=len(prompt),
                        reused_tokens=reused or 0,
                        generated_tokens=clock.ticks,
                        time_to_first_token=clock.first,
                        decode_seconds=clock.between,
                        drafted_tokens=counts.drafted,
                        accepted_tokens=counts.accepted,
                        target_passes=counts.runs,
                        context_length=self.context_length,
                        dropped_turns=dropped,
                    ),
                )
                # whoever asked has all of the answer by now
                self._model.keep()
                return
