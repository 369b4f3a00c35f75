"""Media placeholders in a prompt to soft tokens: pure functions on token ids, which know no text and no pixels.

A prompt arrives with one placeholder id for each item, in order. Each becomes the run of positions that the encoder's
embeddings fill, between its begin and end tokens; a video becomes one run for each frame, with the time before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TEXT, IMAGE, VIDEO, AUDIO = 0, 1, 2, 3
"""Kinds of a position."""
PAD_ID: Final = 0
"""What the token and per-layer embeddings look up at soft tokens."""


@dataclass(frozen=True)
class MediaTokens:
    """The ids that a model uses around media."""

    image: int = 258_880
    audio: int = 258_881
    video: int = 258_884
    begin_image: int = 255_999
    end_image: int = 258_882
    begin_audio: int = 256_000
    end_audio: int = 258_883

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MediaTokens:
        """Read them from a model's ``config.json``; what it leaves out is as in all Gemma 4 models so far."""
        keys = {
            "image": ("image_token_id",),
            "audio": ("audio_token_id",),
            "video": ("video_token_id",),
            "begin_image": ("boi_token_id",),
            "end_image": ("eoi_token_id",),
            "begin_audio": ("boa_token_id",),
            "end_audio": ("eoa_token_id", "eoa_token_index"),
        }
        found = {
            name: next((int(config[key]) for key in aliases if config.get(key) is not None), None)
            for name, aliases in keys.items()
        }
        return cls(**{name: value for name, value in found.items() if value is not None})


@dataclass(frozen=True)
class ImageItem:
    """A picture of the prompt."""

    soft_tokens: int
    content: str
    """What tells it from others (:func:`inference.media.cache.content_key`), for the reuse of the KV cache."""


@dataclass(frozen=True)
class AudioItem:
    """A clip of sound."""

    soft_tokens: int
    content: str
    prefixes: Sequence[str] = ()
    """For each soft token, what tells the sound up to there from other sound; so a recording that goes on shares the
    KV cache with its beginning. Empty: ``content`` stands for all of them."""


@dataclass(frozen=True)
class VideoItem:
    """A video: soft tokens and time, in seconds, of each frame."""

    soft_tokens: Sequence[int]
    times: Sequence[float]
    content: str


MediaItem = ImageItem | AudioItem | VideoItem
MediaSlot = MediaItem | tuple[MediaItem, ...]
"""What one placeholder stands for: an item, or several in a row (a long recording's clips, a video and its sound)."""


@dataclass(frozen=True)
class SoftTokenRun:
    """Where the embeddings of a picture, a frame or a clip go: positions ``start`` to ``stop`` − 1."""

    item: int
    """Index of the item, over all slots."""
    frame: int
    """Index of the frame; 0 for pictures and sound."""
    start: int
    stop: int


@dataclass(frozen=True)
class ExpandedPrompt:
    """A prompt with room for its media; all arrays are [S]."""

    ids: NDArray[np.int64]
    """Token ids; the placeholder id at each soft token."""
    types: NDArray[np.int64]
    """0 text (begin and end tokens too), 1 image, 2 video, 3 audio."""
    runs: tuple[SoftTokenRun, ...] = field(default=())
    """In the order of the prompt."""
    reuse_ids: tuple[int, ...] = field(default=())
    """As ``ids``, but soft tokens of different content differ (and are negative): two prompts may share the KV cache
    as far as these agree."""

    @property
    def lookup_ids(self) -> NDArray[np.int64]:
        """Ids for the token and the per-layer embeddings: the pad id at each soft token."""
        return np.where(self.types == TEXT, self.ids, PAD_ID)

    @property
    def block_ids(self) -> NDArray[np.int64]:
        """Number of the vision block that a position belongs to, from 0; −1 outside.

        Positions of one block see one another in the sliding layers of 12B, 26B and 31B.
        """
        return vision_blocks(self.types)


def expand_prompt(
    ids: Sequence[int],
    slots: Sequence[MediaSlot],
    tokens: MediaTokens,
    encode: Callable[[str], Sequence[int]] | None = None,
) -> ExpandedPrompt:
    """Replace each placeholder by begin token, soft tokens and end token.

    Args:
        ids: token ids with one placeholder for each slot.
        slots: what the placeholders stand for, in order; a placeholder's kind is that of its first item.
        tokens: the model's ids.
        encode: turns text into ids without control tokens; needed for videos, whose frames follow their times.

    Raises:
        ValueError: placeholders and slots do not match, or a video came without ``encode``.
    """
    placeholders = {tokens.image: ImageItem, tokens.audio: AudioItem, tokens.video: VideoItem}
    prompt = _Builder(tokens, encode)
    used = items = 0
    for token in ids:
        kind = placeholders.get(token)
        if kind is None:
            prompt.text([token])
            continue
        slot: MediaSlot = slots[used] if used < len(slots) else ()
        group = slot if isinstance(slot, tuple) else (slot,)
        if not group or not isinstance(group[0], kind):
            given = f"an {type(group[0]).__name__} is next" if group else "none is left"
            raise ValueError(f"placeholder {used + 1} of the prompt asks for an {kind.__name__}, but {given}")
        for item in group:
            prompt.item(items, item)
            items += 1
        used += 1
    if used < len(slots):
        raise ValueError(f"the prompt has {used} placeholders for {len(slots)} slots")
    return prompt.done()


def time_stamps(times: Sequence[float]) -> list[str]:
    """Return the texts that stand before the frames: ``mm:ss``, minutes beyond 99 as they are."""
    return [f"{int(time // 60):02d}:{int(time % 60):02d}" for time in times]


def vision_blocks(types: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the runs of image and video positions of int64 [S] from 0; −1 elsewhere."""
    vision = (types == IMAGE) | (types == VIDEO)
    starts = vision & ~np.concatenate([[False], vision[:-1]])
    return np.where(vision, np.cumsum(starts) - 1, -1)


class _Builder:
    def __init__(self, tokens: MediaTokens, encode: Callable[[str], Sequence[int]] | None) -> None:
        self._tokens = tokens
        self._encode = encode
        self._ids: list[int] = []
        self._types: list[int] = []
        self._reuse: list[int] = []
        self._runs: list[SoftTokenRun] = []

    def text(self, ids: Sequence[int]) -> None:
        self._ids.extend(ids)
        self._types.extend([TEXT] * len(ids))
        self._reuse.extend(ids)

    def item(self, index: int, item: MediaItem) -> None:
        tokens = self._tokens
        if isinstance(item, ImageItem):
            self._run(index, 0, item, item.soft_tokens, IMAGE, (tokens.begin_image, tokens.image, tokens.end_image))
        elif isinstance(item, AudioItem):
            if len(item.prefixes) not in (0, item.soft_tokens):
                raise ValueError("a clip needs a prefix for each of its soft tokens, or none")
            self._run(index, 0, item, item.soft_tokens, AUDIO, (tokens.begin_audio, tokens.audio, tokens.end_audio))
            if item.prefixes:
                run = self._runs[-1]
                self._reuse[run.start : run.stop] = [_identity(prefix, 0) for prefix in item.prefixes]
        else:
            if self._encode is None:
                raise ValueError("a video needs an encoder for the times of its frames")
            if len(item.times) != len(item.soft_tokens):
                raise ValueError("a video needs a time for each of its frames")
            for frame, (stamp, count) in enumerate(zip(time_stamps(item.times), item.soft_tokens, strict=True)):
                self.text(self._encode(f"{' ' if frame else ''}{stamp} "))
                self._run(index, frame, item, count, VIDEO, (tokens.begin_image, tokens.video, tokens.end_image))

    def _run(
        self, index: int, frame: int, item: MediaItem, count: int, kind: int, around: tuple[int, int, int]
    ) -> None:
        begin, soft, end = around
        self.text([begin])
        self._runs.append(SoftTokenRun(index, frame, len(self._ids), len(self._ids) + count))
        self._ids.extend([soft] * count)
        self._types.extend([kind] * count)
        self._reuse.extend([_identity(item.content, frame)] * count)
        self.text([end])

    def done(self) -> ExpandedPrompt:
        return ExpandedPrompt(
            np.array(self._ids, np.int64), np.array(self._types, np.int64), tuple(self._runs), tuple(self._reuse)
        )


def _identity(content: str, frame: int) -> int:
    digest = blake2b(f"{frame} {content}".encode(), digest_size=7).digest()
    return -1 - int.from_bytes(digest, "big")
