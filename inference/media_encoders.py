"""Media of a conversation to soft tokens; each piece of content is worked on once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import UnsupportedInputError
from inference.graphs.audio import AudioEncoder
from inference.graphs.session import ProviderChoice, RunCancelled
from inference.graphs.vision import VisionEncoder
from inference.media.audio import AudioFeatures
from inference.media.cache import ByteBoundedCache, content_key
from inference.media.image import BUDGETS, ImageFeatures, Layout
from inference.media.preparation import MediaPreparation
from inference.media.prompt import MediaItem
from inference.messages import Audio, Image, Video
from inference.model_folder import ModelFolder

_CACHE_BYTES: Final = 256 << 20
_UNIFIED_TYPES: Final = ("gemma4_unified", "gemma4_unified_text")


@dataclass(frozen=True)
class EncodedMedia:
    """One part of a turn, encoded."""

    items: tuple[MediaItem, ...]
    """What its placeholder stands for; see :func:`inference.media.prompt.expand_prompt`."""
    embeddings: tuple[NDArray[np.float32], ...]
    """[n, H] for each run of soft tokens: a picture, each frame, each clip."""

    @property
    def nbytes(self) -> int:
        """Memory that the soft tokens take."""
        return sum(embeddings.nbytes for embeddings in self.embeddings)


class MediaEncoders:
    """The encoders of a model folder, opened when the first medium needs them.

    Args:
        folder: the model folder.
        provider: see :func:`inference.graphs.session.open_session`.
        threads: of one operator; ``None`` takes one per physical core.
    """

    def __init__(self, folder: ModelFolder, provider: ProviderChoice = "auto", threads: int | None = None) -> None:
        self._folder = folder
        self._provider: ProviderChoice = provider
        self._threads = threads
        self.layout: Layout = "unified" if folder.config.get("model_type") in _UNIFIED_TYPES else "tower"
        """What the encoders take."""
        # as in the modelling code, 1 lets a token see itself and no later one
        self.hears_ahead: bool = (folder.config.get("audio_config") or {}).get("attention_context_right", 0) > 1
        """Whether soft tokens of sound depend on what comes later; in no published model they do."""
        self._preparation = MediaPreparation(
            self.layout,
            hears="audio" in folder.modalities,
            hears_ahead=self.hears_ahead,
            cache_bytes=0,  # what is prepared is kept no longer than until it is encoded
        )
        self._most_soft_tokens = folder.most_image_soft_tokens
        self._cache: ByteBoundedCache[EncodedMedia] = ByteBoundedCache(_CACHE_BYTES)

    def encode(self, part: Image | Audio | Video, cancel: CancelToken) -> EncodedMedia:
        """Return the soft tokens of a medium, from the cache if the same content was encoded before.

        A picture gets no more of them than the model was trained for, see :attr:`ModelFolder.most_image_soft_tokens`.

        Raises:
            MediaError: the file cannot be used.
            RunCancelled: the work was stopped.
            UnsupportedInputError: a picture asks for a number of soft tokens that no model knows.
        """
        detail = part.soft_tokens if isinstance(part, Image) else None
        if detail is not None and detail not in BUDGETS:
            raise UnsupportedInputError(
                f"A picture can be seen with {', '.join(map(str, BUDGETS[:-1]))} or {BUDGETS[-1]} soft tokens, "
                f"not with {detail}."
            )
        if isinstance(part, Image):
            part = replace(part, soft_tokens=min(detail or self._folder.image_soft_tokens, self._most_soft_tokens))
        key = _key(part)
        encoded = self._cache.get(key)
        if encoded is None:
            prepared = self._preparation.prepare(part, cancel)
            if prepared is None:
                raise RunCancelled
            embeddings = tuple(self._embed(features, cancel) for features in prepared.features)
            encoded = EncodedMedia(prepared.items, embeddings)
            self._cache.put(key, encoded)
        return encoded

    def keep(self, part: Image | Audio | Video, encoded: EncodedMedia) -> None:
        """Remember soft tokens that were made elsewhere, for :meth:`encode` to find."""
        self._cache.put(_key(part), encoded)

    @cached_property
    def _vision(self) -> VisionEncoder:
        return VisionEncoder(self._folder.graph("vision_encoder"), self._provider, self._threads)

    @cached_property
    def audio(self) -> AudioEncoder:
        """The audio encoder. Raises as :class:`AudioEncoder` does."""
        return AudioEncoder(self._folder.graph("audio_encoder"), self._provider, self._threads)

    def _embed(self, features: ImageFeatures | AudioFeatures, cancel: CancelToken) -> NDArray[np.float32]:
        if isinstance(features, ImageFeatures):
            (embeddings,) = self._vision(features.pixel_values[None], features.position_ids[None], cancel)
        else:
            (embeddings,) = self.audio(features.values[None], features.mask[None], cancel)
        return embeddings


def _key(part: Image | Audio | Video) -> tuple[type, str, int | None]:
    return type(part), content_key(part.source), part.soft_tokens if isinstance(part, Image) else None
