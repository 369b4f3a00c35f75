"""Media of a conversation to soft tokens: decode, cut into features, run the encoder; each piece of content once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import UnsupportedInputError
from inference.graphs.audio import AudioEncoder
from inference.graphs.session import ProviderChoice
from inference.graphs.vision import VisionEncoder
from inference.media.audio import audio_features, load_clips
from inference.media.cache import ByteBoundedCache, content_key
from inference.media.image import BUDGETS, DEFAULT_BUDGET, Layout, image_features
from inference.media.image_decoding import load_image
from inference.media.prompt import AudioItem, ImageItem, MediaItem, VideoItem
from inference.media.video import FRAME_BUDGET, sampled_frames
from inference.messages import Audio, Image, Video
from inference.model_folder import ModelFolder

MediaPart = Image | Audio | Video

_CACHE_BYTES: Final = 256 << 20
_UNIFIED_TYPES: Final = ("gemma4_unified", "gemma4_unified_text")


@dataclass(frozen=True)
class EncodedItem:
    """One placeholder of a prompt, encoded."""

    item: MediaItem
    embeddings: tuple[NDArray[np.float32], ...]
    """[n, H] for each frame of a video; one for a picture or a clip."""


@dataclass(frozen=True)
class EncodedMedia:
    """A medium, encoded: one item, or the clips of a long recording."""

    items: tuple[EncodedItem, ...]

    @property
    def nbytes(self) -> int:
        """Memory that the soft tokens take."""
        return sum(embeddings.nbytes for item in self.items for embeddings in item.embeddings)


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
        self._layout: Layout = "unified" if folder.config.get("model_type") in _UNIFIED_TYPES else "tower"
        self._cache: ByteBoundedCache[EncodedMedia] = ByteBoundedCache(_CACHE_BYTES)

    def encode(self, part: MediaPart, cancel: CancelToken) -> EncodedMedia:
        """Return the soft tokens of a medium, from the cache if the same content was encoded before.

        Raises:
            MediaError: the file cannot be read.
            RunCancelled: the encoder was stopped.
            UnsupportedInputError: a picture asks for a number of soft tokens that no model knows.
        """
        detail = _budget(part) if isinstance(part, Image) else None
        key = (type(part), content_key(part.source), detail)
        encoded = self._cache.get(key)
        if encoded is None:
            encoded = EncodedMedia(tuple(self._items(part, f"{key[1]} {detail}", cancel)))
            self._cache.put(key, encoded)
        return encoded

    @cached_property
    def _vision(self) -> VisionEncoder:
        return VisionEncoder(self._folder.graph("vision_encoder"), self._provider, self._threads)

    @cached_property
    def _audio(self) -> AudioEncoder:
        return AudioEncoder(self._folder.graph("audio_encoder"), self._provider, self._threads)

    def _items(self, part: MediaPart, content: str, cancel: CancelToken) -> Sequence[EncodedItem]:
        match part:
            case Image():
                embeddings = self._picture(load_image(part.source), _budget(part), cancel)
                return [EncodedItem(ImageItem(len(embeddings), content), (embeddings,))]
            case Audio():
                return [
                    self._clip(clip.samples, f"{content} {number}", cancel)
                    for number, clip in enumerate(load_clips(part.source))
                ]
            case Video():
                frames, times = [], []
                for frame in sampled_frames(part.source):
                    frames.append(self._picture(frame.pixels, FRAME_BUDGET, cancel))
                    times.append(frame.time)
                return [EncodedItem(VideoItem([len(frame) for frame in frames], times, content), tuple(frames))]

    def _picture(self, pixels: NDArray[np.uint8], budget: int, cancel: CancelToken) -> NDArray[np.float32]:
        features = image_features(pixels, budget, self._layout, pad=False)
        (embeddings,) = self._vision(features.pixel_values[None], features.position_ids[None], cancel)
        return embeddings

    def _clip(self, samples: NDArray[np.float32], content: str, cancel: CancelToken) -> EncodedItem:
        features = audio_features(samples, self._layout)
        (embeddings,) = self._audio(features.values[None], features.mask[None], cancel)
        return EncodedItem(AudioItem(len(embeddings), content), (embeddings,))


def _budget(image: Image) -> int:
    budget = image.soft_tokens or DEFAULT_BUDGET
    if budget not in BUDGETS:
        raise UnsupportedInputError(
            f"A picture can be seen with {', '.join(map(str, BUDGETS[:-1]))} or {BUDGETS[-1]} soft tokens, "
            f"not with {budget}."
        )
    return budget
