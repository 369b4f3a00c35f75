"""The media of a conversation to what the encoders and the prompt need, each of them once.

A part may become several items: a long recording is heard as clips of up to 30 seconds, and a video is seen and, where
the model hears, heard.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Final

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.isolation import CallCancelled
from inference.media import isolated
from inference.media.audio import AudioClip, AudioFeatures, audio_features, audio_prefixes
from inference.media.cache import ByteBoundedCache, content_key
from inference.media.image import DEFAULT_BUDGET, ImageFeatures, Layout
from inference.media.prompt import AudioItem, ImageItem, MediaItem, VideoItem
from inference.media.source import Source, name_of
from inference.media.video import FRAME_BUDGET
from inference.messages import Audio, Image, Video

MAX_SOUND_SECONDS: Final = 1800.0
"""Half an hour is 45,000 soft tokens; what is longer belongs into a transcript, not into a prompt."""


def audio_item(clip: AudioClip, layout: Layout, hears_ahead: bool = False) -> AudioItem:
    """Return what stands for a clip in :func:`inference.media.prompt.expand_prompt`."""
    prefixes = audio_prefixes(clip.samples, layout)
    return AudioItem(len(prefixes), prefixes[-1] if prefixes else "", () if hears_ahead else prefixes)


def check_length(clip: AudioClip, source: Source = b"") -> None:
    """Raise :class:`MediaError` if a recording is too long with this clip."""
    if clip.end > MAX_SOUND_SECONDS:
        raise MediaError(
            f"The sound of {name_of(source, 'recording')} is longer than {MAX_SOUND_SECONDS / 60:.0f} minutes, "
            "too long for one question. Cut it into parts."
        )


@dataclass(frozen=True)
class PreparedMedia:
    """One part of a turn, ready for the encoders."""

    items: tuple[MediaItem, ...]
    """For :func:`inference.media.prompt.expand_prompt`: the slot of this part's placeholder."""
    features: tuple[ImageFeatures | AudioFeatures, ...]
    """One for each run of soft tokens: a picture, each frame, each clip."""

    @property
    def nbytes(self) -> int:
        """Memory that the features take."""
        return sum(each.nbytes for each in self.features)


class MediaPreparation:
    """Prepares parts for one model, and remembers the last ones."""

    def __init__(
        self,
        layout: Layout = "tower",
        *,
        hears: bool = True,
        hears_ahead: bool = False,
        pad: bool = False,
        cache_bytes: int = 2**28,
    ) -> None:
        """Prepare for the encoders of ``layout``.

        Args:
            layout: which encoders the model has.
            hears: whether the sound of a video is added to its frames.
            hears_ahead: whether soft tokens of sound depend on what comes later; in no published model they do.
            pad: whether pictures are filled up to their budget; encoders of a free length need less without.
            cache_bytes: memory for what was prepared before.
        """
        self._layout: Layout = layout
        self._hears = hears
        self._hears_ahead = hears_ahead
        self._pad = pad
        self._cache: ByteBoundedCache[PreparedMedia] = ByteBoundedCache(cache_bytes)

    def prepare(self, part: Image | Audio | Video, cancel: CancelToken | None = None) -> PreparedMedia | None:
        """Decode a part and compute its features; ``None`` when cancelled meanwhile.

        Raises:
            MediaError: it cannot be used; the sentence says why.
        """
        cancel = cancel or CancelToken()
        kind = {Image: "picture", Audio: "recording", Video: "video"}[type(part)]
        key = f"{content_key(part.source, kind)} {kind}"
        budget = DEFAULT_BUDGET
        if isinstance(part, Image):
            budget = part.soft_tokens or DEFAULT_BUDGET
            key += f" {budget}"
        prepared = self._cache.get(key)
        if prepared is not None:
            return prepared
        try:
            prepared = self._prepared(part, key, budget, cancel)
        except CallCancelled:
            if not cancel.cancelled:  # the program ends
                cancel.cancel()
            return None
        if cancel.cancelled:
            return None
        self._cache.put(key, prepared)
        return prepared

    def _prepared(self, part: Image | Audio | Video, key: str, budget: int, cancel: CancelToken) -> PreparedMedia:
        if isinstance(part, Image):
            features = isolated.picture_features(part.source, budget, self._layout, pad=self._pad, cancel=cancel)
            return PreparedMedia((ImageItem(features.soft_tokens, key),), (features,))
        if isinstance(part, Audio):
            return self._sound(part.source, cancel)
        return self._video(part.source, key, cancel)

    def _sound(self, source: Source, cancel: CancelToken) -> PreparedMedia:
        features: list[AudioFeatures] = []
        items: list[AudioItem] = []
        with closing(isolated.load_clips(source, cancel=cancel)) as clips:
            for clip in clips:
                check_length(clip, source)
                features.append(audio_features(clip.samples, self._layout))
                items.append(audio_item(clip, self._layout, self._hears_ahead))
        return PreparedMedia(tuple(items), tuple(features))

    def _video(self, source: Source, key: str, cancel: CancelToken) -> PreparedMedia:
        frames: list[ImageFeatures] = []
        times: list[float] = []
        found = isolated.frames_features(source, FRAME_BUDGET, self._layout, pad=self._pad, cancel=cancel)
        with closing(found):
            for features, time in found:
                frames.append(features)
                times.append(time)
        item = VideoItem([frame.soft_tokens for frame in frames], times, key)
        seen = PreparedMedia((item,), tuple(frames))
        if not self._hears or not isolated.probe_video(source, cancel=cancel).has_sound:
            return seen
        heard = self._sound(source, cancel)
        return PreparedMedia(seen.items + heard.items, seen.features + heard.features)
