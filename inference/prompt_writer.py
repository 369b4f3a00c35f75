"""From the turns of a conversation to the prompt that the language model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from inference.cancellation import CancelToken
from inference.chat_template import ChatTemplate
from inference.errors import ModelFolderError, UnsupportedInputError
from inference.media.prompt import MediaTokens, expand_prompt
from inference.messages import Audio, Image, ReplyOptions, Turn, Video
from inference.model_folder import ModelFolder
from inference.prompt import Prompt, SoftTokens
from inference.template_messages import media_of
from inference.tokenizer import Tokenizer

if TYPE_CHECKING:
    from inference.media_encoders import EncodedMedia

_AGAIN: Final = "Convert or download the model again, or choose another folder."
_MEDIA: Final = ((Image, "image", "an image"), (Audio, "audio", "a recording"), (Video, "video", "a video"))
_PLURAL: Final = {"image": "images", "audio": "sound", "video": "videos"}


class EncodersLike(Protocol):
    """What writing prompts needs of :class:`inference.media_encoders.MediaEncoders`."""

    def encode(self, part: Image | Audio | Video, cancel: CancelToken) -> EncodedMedia:
        """Return the soft tokens of a medium."""


class PromptWriter:
    """Writes conversations with the model's own chat template and tokenizer.

    Args:
        folder: of the model.
        tokenizer: the model's.
        template: the model's.
        encoders: of its media; None for a model that takes only text.
    """

    def __init__(
        self, folder: ModelFolder, tokenizer: Tokenizer, template: ChatTemplate, encoders: EncodersLike | None
    ) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._template = template
        self._encoders = encoders
        self._media_tokens = MediaTokens.from_config(folder.config)
        self._turn_id = tokenizer.optional_control_id("<|turn>")

    def write(self, turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Prompt:
        """Return the prompt of a conversation, its media encoded.

        Raises:
            RunCancelled: ``cancel`` was set while media were encoded.
            ModelFolderError: the chat template cannot write the conversation.
        """
        encoded = self._encode(turns, cancel)
        written = self._template.render(turns, options.tools, thinking=options.thinking)
        ids = self._tokenizer.encode_prompt(written.text, written.typed)
        if not ids:
            raise ModelFolderError("The model's chat template wrote an empty prompt; choose another model.")
        if not encoded:
            return replace(Prompt.of(ids), marks=self._marks(ids, turns, options))
        slots = [media.items for media in encoded]
        try:
            expanded = expand_prompt(ids, slots, self._media_tokens, self._tokenizer.encode_literally)
        except ValueError as error:
            raise ModelFolderError(
                f"The model's chat template does not say where pictures and sound belong. {_AGAIN}"
            ) from error
        embeddings = (embeddings for media in encoded for embeddings in media.embeddings)
        soft_tokens = tuple(SoftTokens(run.start, each) for run, each in zip(expanded.runs, embeddings, strict=True))
        marks = self._marks(expanded.reuse_ids, turns, options)
        return Prompt(expanded.lookup_ids, expanded.reuse_ids, soft_tokens, expanded.block_ids, marks)

    def close(self) -> None:
        """Let go of the encoders."""
        self._encoders = None

    def _marks(self, ids: Sequence[int], turns: Sequence[Turn], options: ReplyOptions) -> tuple[int, ...]:
        """Return where another conversation, or another version of this one, is likely to part from this prompt."""
        begins = [position for position, token in enumerate(ids) if token == self._turn_id]
        shared = begins[1:2] if options.thinking or options.tools or (turns and turns[0].role == "system") else []
        return tuple(sorted({*shared, *begins[-2:]}))

    def _encode(self, turns: Sequence[Turn], cancel: CancelToken) -> list[EncodedMedia]:
        """Return the media of a conversation, encoded, in the order in which the template writes their places."""
        return [] if self._encoders is None else [self._encoders.encode(part, cancel) for part in media_of(turns)]

    def check(self, turns: Sequence[Turn], modalities: frozenset[str]) -> None:
        """Raise :class:`UnsupportedInputError` for media of other modalities than the model's."""
        for part in (part for turn in turns for part in turn.parts):
            for kind, modality, name in _MEDIA:
                if isinstance(part, kind) and modality not in modalities:
                    takes = ["text", *(_PLURAL[other] for other in _PLURAL if other in modalities)]
                    listed = " and ".join([", ".join(takes[:-1]), takes[-1]]) if len(takes) > 1 else "only text"
                    raise UnsupportedInputError(
                        f"{self._folder.name} cannot take {name}: it understands {listed}. "
                        "Remove it from the conversation, or choose another model."
                    )


def chat_template(folder: ModelFolder, tokenizer: Tokenizer) -> ChatTemplate:
    """Return the folder's own chat template. Raises :class:`ModelFolderError` when it has none, or a damaged one."""
    if not folder.chat_template.strip():
        raise ModelFolderError(
            f"The model in {folder.path} has no chat template: it continues texts but does not chat. "
            "Choose an instruction-tuned model, whose name ends in -it."
        )
    return ChatTemplate(
        folder.chat_template,
        bos_token=_token(folder, tokenizer, "bos_token_id", "<bos>"),
        eos_token=_token(folder, tokenizer, "eos_token_id", "<eos>"),
        guarded=tokenizer.guarded_characters,
    )


def _token(folder: ModelFolder, tokenizer: Tokenizer, key: str, default: str) -> str:
    """Return how the token is spelt whose id, or first id, the folder gives under ``key``."""
    index = folder.generation_config.get(key, folder.text_config.get(key))
    if isinstance(index, list):
        index = index[0] if index else None
    name = tokenizer.token_name(index) if isinstance(index, int) and index >= 0 else None
    return default if name is None else name
