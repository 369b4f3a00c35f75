"""Placeholders to soft tokens: layout of the real checkpoints' runs, kinds, look-ups, blocks, reuse."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.media.audio import audio_soft_tokens
from inference.media.image import image_soft_tokens
from inference.media.prompt import (
    AudioItem,
    ExpandedPrompt,
    ImageItem,
    MediaItem,
    MediaTokens,
    VideoItem,
    expand_prompt,
    time_stamps,
    vision_blocks,
)

TOKENS = MediaTokens()
SPELLED = {
    "<|image|>": TOKENS.image,
    "<|video|>": TOKENS.video,
    "<|audio|>": TOKENS.audio,
    "<|image>": TOKENS.begin_image,
    "<image|>": TOKENS.end_image,
    "<|audio>": TOKENS.begin_audio,
    "<audio|>": TOKENS.end_audio,
}


def encode(text: str) -> list[int]:
    """A tokenizer of one token for each character."""
    return [ord(character) for character in text]


def encode_with_control(text: str) -> list[int]:
    pieces = re.split("(" + "|".join(re.escape(name) for name in SPELLED) + ")", text)
    return [token for piece in pieces for token in ([SPELLED[piece]] if piece in SPELLED else encode(piece))]


items = st.one_of(
    st.builds(ImageItem, st.integers(1, 40), st.text(max_size=3)),
    st.builds(AudioItem, st.integers(0, 40), st.text(max_size=3)),
    st.lists(st.tuples(st.integers(1, 9), st.floats(0, 6000)), min_size=1, max_size=5).map(
        lambda frames: VideoItem([n for n, _ in frames], sorted(t for _, t in frames), "v")
    ),
)
parts = st.lists(st.one_of(items, st.lists(st.integers(5, 999), max_size=6)), max_size=8)


def prompt_of(given_parts: Sequence[MediaItem | list[int]]) -> tuple[list[int], list[MediaItem]]:
    placeholder = {ImageItem: TOKENS.image, AudioItem: TOKENS.audio, VideoItem: TOKENS.video}
    ids: list[int] = []
    for part in given_parts:
        ids += part if isinstance(part, list) else [placeholder[type(part)]]
    return ids, [part for part in given_parts if not isinstance(part, list)]


@settings(max_examples=200, deadline=None, database=None)
@given(parts)
def test_every_part_is_where_it_belongs(given_parts: list[MediaItem | list[int]]) -> None:
    ids, media = prompt_of(given_parts)
    made = expand_prompt(ids, media, TOKENS, encode)
    assert len(made.ids) == len(made.types) == len(made.reuse_ids)
    # text stays as it is, and in order
    spelled = list(made.ids[made.types == 0])
    added = {TOKENS.begin_image, TOKENS.end_image, TOKENS.begin_audio, TOKENS.end_audio}
    stamps = {ord(character) for character in "0123456789: "}
    originals = [token for token in ids if token not in SPELLED.values() and token not in stamps]
    assert [token for token in spelled if token not in added | stamps] == originals
    # each run has the right length, kind and neighbours
    counts = [
        (index, frame, count)
        for index, item in enumerate(media)
        for frame, count in enumerate([item.soft_tokens] if not isinstance(item, VideoItem) else item.soft_tokens)
    ]
    assert [(run.item, run.frame, run.stop - run.start) for run in made.runs] == counts
    for run in made.runs:
        kind = {ImageItem: 1, VideoItem: 2, AudioItem: 3}[type(media[run.item])]
        assert (made.types[run.start : run.stop] == kind).all()
        around = (TOKENS.begin_audio, TOKENS.end_audio) if kind == 3 else (TOKENS.begin_image, TOKENS.end_image)
        assert (made.ids[run.start - 1], made.ids[run.stop]) == around
    assert (made.types != 0).sum() == sum(count for *_, count in counts)
    np.testing.assert_array_equal(made.lookup_ids, np.where(made.types == 0, made.ids, 0))


def test_a_video_is_frames_with_their_times() -> None:
    made = expand_prompt([7, TOKENS.video, 8], [VideoItem([2, 3], [0.0, 61.5], "v")], TOKENS, encode)
    text = "00:00 <|image><|video|><|video|><image|> 01:01 <|image><|video|><|video|><|video|><image|>"
    assert made.ids.tolist() == [7, *encode_with_control(text), 8]
    assert [(run.start, run.stop) for run in made.runs] == [(8, 10), (19, 22)]


def test_time_stamps() -> None:
    assert time_stamps([0, 0.99, 1.0, 59.99, 60, 754.2, 6000]) == [
        "00:00",
        "00:00",
        "00:01",
        "00:59",
        "01:00",
        "12:34",
        "100:00",
    ]


def test_positions_of_one_frame_see_one_another() -> None:
    media: list[MediaItem] = [ImageItem(2, "i"), AudioItem(2, "a"), VideoItem([1, 1], [0, 1], "v")]
    made = expand_prompt([5, TOKENS.image, TOKENS.audio, TOKENS.video], media, TOKENS, lambda text: [9])
    assert made.types.tolist() == [0, 0, 1, 1, 0, 0, 3, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0]
    assert made.block_ids.tolist() == [-1, -1, 0, 0, -1, -1, -1, -1, -1, -1, -1, 1, -1, -1, -1, 2, -1]


def test_the_cache_is_reused_up_to_the_first_other_picture() -> None:
    def expanded(*contents: str) -> ExpandedPrompt:
        ids = [5, *(token for _ in contents for token in (TOKENS.image, 6))]
        return expand_prompt(ids, [ImageItem(4, content) for content in contents], TOKENS)

    one, same, other = expanded("cat", "dog"), expanded("cat", "dog"), expanded("cat", "fox")
    assert one.reuse_ids == same.reuse_ids
    assert one.ids.tolist() == other.ids.tolist()
    agreeing = [a == b for a, b in zip(one.reuse_ids, other.reuse_ids, strict=True)]
    assert agreeing.index(False) == other.runs[1].start
    assert all(token < 0 for token in np.array(one.reuse_ids)[one.types != 0])
    assert all(token >= 0 for token in np.array(one.reuse_ids)[one.types == 0])


@pytest.mark.parametrize(
    ("ids", "media", "message"),
    [
        ([TOKENS.image], [], "placeholder 1 of the prompt asks for an ImageItem, but none is left"),
        ([TOKENS.image], [AudioItem(1, "a")], "but an AudioItem is next"),
        ([5], [ImageItem(1, "i")], "0 placeholders for 1 slots"),
        ([TOKENS.image], [()], "none is left"),
        ([TOKENS.video], [VideoItem([1], [0.0], "v")], "needs an encoder"),
    ],
)
def test_mismatches(ids: list[int], media: list[MediaItem], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand_prompt(ids, media, TOKENS)


def test_frames_without_times() -> None:
    with pytest.raises(ValueError, match="a time for each"):
        expand_prompt([TOKENS.video], [VideoItem([1, 2], [0.0], "v")], TOKENS, encode)


def test_a_placeholder_for_several_items() -> None:
    """The clips of a long recording; a video and its sound."""
    clips = (AudioItem(2, "a"), AudioItem(1, "b"))
    film = (VideoItem([1], [0.0], "v"), AudioItem(1, "c"))
    made = expand_prompt([TOKENS.audio, 9, TOKENS.video], [clips, film], TOKENS, lambda text: [8])
    audio = (TOKENS.begin_audio, TOKENS.audio, TOKENS.end_audio)
    assert made.ids.tolist() == [
        *audio[:2], *audio[1:], *audio, 9, 8, TOKENS.begin_image, TOKENS.video, TOKENS.end_image, *audio,
    ]  # fmt: skip
    assert [run.item for run in made.runs] == [0, 1, 2, 3]


def test_ids_of_a_config() -> None:
    assert MediaTokens.from_config({}) == TOKENS
    made = MediaTokens.from_config(
        {"image_token_id": 1, "boi_token_id": 2, "eoa_token_index": 3, "audio_token_id": None, "vocab_size": 9}
    )
    assert (made.image, made.begin_image, made.end_audio, made.audio) == (1, 2, 3, TOKENS.audio)


# How large the inputs of the published runs were.
GOLDEN_INPUTS = {"pipeline-cat-chonk.jpeg": (686, 960), "652-129742-0006.flac": 145_840}


@pytest.mark.parametrize(
    "name",
    [
        *(f"vision-language__gemma-4-{size}" for size in ("e2b-it", "e4b-it", "26b-a4b-it", "31b-it", "12b")),
        *(f"speech__gemma-4-{size}" for size in ("e2b-it-audio", "e4b-it-audio", "12b-audio")),
    ],
)
def test_layout_of_real_runs(name: str, shared_data: Path) -> None:
    """Take the soft tokens out of a published prompt, and put them in again."""
    golden = json.loads((shared_data / "golden" / f"{name}.json").read_text())["input_ids"]
    golden = golden[0] if isinstance(golden[0], list) else golden
    media = [ImageItem(image_soft_tokens(*GOLDEN_INPUTS["pipeline-cat-chonk.jpeg"]), "cat")]  # type: ignore[misc]
    if name.startswith("speech"):
        layout = "unified" if "12b" in name else "tower"
        media = [AudioItem(audio_soft_tokens(GOLDEN_INPUTS["652-129742-0006.flac"], layout), "poem")]  # type: ignore
    around = {TOKENS.begin_image, TOKENS.end_image, TOKENS.begin_audio, TOKENS.end_audio}
    short = [
        token
        for before, token in zip([None, *golden], golden, strict=False)
        if token not in around and not (token == before and token in (TOKENS.image, TOKENS.audio))
    ]
    assert len(short) < 30
    assert expand_prompt(short, media, TOKENS).ids.tolist() == golden


@pytest.mark.parity
def test_text_of_transformers_processor() -> None:
    pytest.importorskip("transformers", reason="the parity tests need the export extra")
    from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
    from transformers.video_utils import VideoMetadata

    names = SimpleNamespace(
        boi_token="<|image>", image_token="<|image|>", eoi_token="<image|>", video_token="<|video|>",
        boa_token="<|audio>", audio_token="<|audio|>", eoa_token="<audio|>",
    )  # fmt: skip
    metadata = VideoMetadata(total_num_frames=2000, fps=23.976, frames_indices=[0, 24, 999, 1998])
    mask = np.arange(305) < 304
    texts = [
        Gemma4Processor.replace_image_token(names, {"num_soft_tokens_per_image": [5]}, 0),
        Gemma4Processor.replace_video_token(names, {"num_soft_tokens_per_video": [3], "video_metadata": [metadata]}, 0),
        Gemma4Processor.replace_audio_token(names, {"input_features_mask": [mask]}, 0),
    ]
    made = expand_prompt(
        [33, TOKENS.image, 34, TOKENS.video, 35, TOKENS.audio],
        [
            ImageItem(5, "i"),
            VideoItem([3] * 4, list(metadata.timestamps), "v"),
            AudioItem(audio_soft_tokens(48_800), "a"),
        ],
        TOKENS,
        encode,
    )
    expected = [token for mark, text in zip('!"#', texts, strict=True) for token in encode_with_control(mark + text)]
    assert made.ids.tolist() == expected


@pytest.mark.parity
@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.integers(0, 3), max_size=40))
def test_blocks_of_transformers(types: list[int]) -> None:
    torch = pytest.importorskip("torch", reason="the parity tests need the export extra")
    from transformers.models.gemma4.modeling_gemma4 import get_block_sequence_ids_for_mask

    made = vision_blocks(np.array(types, np.int64))
    if types:
        expected = get_block_sequence_ids_for_mask(torch.tensor([types]), device=torch.device("cpu"))[0]
        assert made.tolist() == expected.tolist()
    else:
        assert made.tolist() == []
