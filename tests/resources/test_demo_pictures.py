"""The pictures that the demo model learns from, what is asked about them, and what their soft tokens should know."""

from __future__ import annotations

import random
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import features
from tokenizers import Tokenizer

from inference.media.image import aspect_preserving_size
from inference.media.prompt import ImageItem, MediaTokens, VideoItem, expand_prompt
from resources.demo_model.training import tokenizer as tokenizers_
from resources.demo_model.training.pictures import drawing, emoji, questions, scenes
from resources.demo_model.training.pictures.conversations import encode_text, expand, picture_sample, video_sample
from resources.demo_model.training.pictures.targets import CELL, CHARS, THINGS, stroke_targets, targets

SEEDS = st.integers(0, 2**32)
MAKERS = (
    scenes.one_thing, scenes.two_things, scenes.several, scenes.sign, scenes.page, scenes.crowd, scenes.window,
    scenes.nothing, scenes.static,
)  # fmt: skip

needs_emoji = pytest.mark.skipif(emoji.font_path() is None, reason="needs the font Noto Color Emoji")


def plain(make: object, seed: int, height: int = 192, width: int = 240) -> scenes.Scene:
    """Return a scene without emoji, whose font not every machine has."""
    rng = random.Random(seed)
    extra = {"emoji_share": 0.0} if make is scenes.crowd else {}
    return make(rng, height, width, **extra)  # type: ignore[operator,no-any-return]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tokenizers_.train(["I see a red circle to the left of a blue square. First it says 00:01."] * 50, 1024)


# --- scenes


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_equal_seeds_give_equal_scenes(make: object) -> None:
    first, again, other = plain(make, 1), plain(make, 1), plain(make, 2)
    assert first.pixels.shape == (192, 240, 3)
    assert first.pixels.dtype == np.uint8
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert (first.things, first.text, first.ground) == (again.things, again.text, again.ground)
    assert not np.array_equal(first.pixels, other.pixels)


@given(SEEDS)
@settings(max_examples=40)
def test_a_shape_has_its_colour_where_it_is_said_to_be(seed: int) -> None:
    rng = random.Random(seed)
    scene = scenes.one_thing(rng, 240, 240)
    (thing,) = scene.things
    if thing.name == "ring":
        return  # its middle is empty
    found = scene.pixels[round(thing.y) - 2 : round(thing.y) + 3, round(thing.x) - 2 : round(thing.x) + 3]
    distance = {name: float(np.abs(found.mean((0, 1)) - rgb).sum()) for name, rgb in drawing.COLOURS.items()}
    assert distance[thing.colour] < distance[scene.ground]


@given(SEEDS)
@settings(max_examples=60)
def test_two_things_are_clearly_beside_or_above_one_another(seed: int) -> None:
    rng = random.Random(seed)
    scene = scenes.two_things(rng, *scenes.canvas(rng))
    first, second = scene.things
    assert first.phrase() != second.phrase()
    dx, dy = abs(first.x - second.x), abs(first.y - second.y)
    assert max(dx, dy) > 1.4 * min(dx, dy)
    for thing in scene.things:
        assert 0 < thing.x < scene.width
        assert 0 < thing.y < scene.height


@given(SEEDS)
@settings(max_examples=60)
def test_several_things_do_not_cover_one_another(seed: int) -> None:
    scene = plain(scenes.several, seed)
    assert 1 <= len(scene.things) <= scenes.MOST_THINGS
    for index, one in enumerate(scene.things):
        for other in scene.things[:index]:
            assert (one.x - other.x) ** 2 + (one.y - other.y) ** 2 > (0.5 * (one.size + other.size)) ** 2


@given(SEEDS, st.sampled_from([70, 140, 280]))
def test_pictures_have_the_size_that_the_engine_gives_them(seed: int, budget: int) -> None:
    height, width = scenes.canvas(random.Random(seed), budget)
    assert any(
        aspect_preserving_size(down * 120, across * 120, budget) == (height, width) for across, down in scenes.ASPECTS
    )
    assert 0.6 * budget < height * width // CELL**2 <= budget


def test_text_and_its_background_differ_in_light() -> None:
    for ground in drawing.NAMES:
        for seed in range(20):
            assert drawing.legible(ground, random.Random(seed)) != ground


@needs_emoji
def test_there_are_200_things_with_names_of_their_own() -> None:
    assert len(set(emoji.NAMES)) == len(emoji.GLYPHS) >= 200
    assert not set(emoji.NAMES) & set(drawing.SHAPES)
    for glyph in emoji.GLYPHS[::20]:
        assert min(emoji.picture(glyph).size) > 20


@pytest.mark.parametrize(
    ("name", "one", "many"),
    [
        ("dog", "a dog", "dogs"),
        ("apple", "an apple", "apples"), ("cup of coffee", "a cup of coffee", "cups of coffee"),
        ("cherries", "cherries", "cherries"), ("french fries", "french fries", "french fries"),
        ("fox", "a fox", "foxes"),
        ("mouse", "a mouse", "mice"), ("unicorn", "a unicorn", "unicorns"), ("butterfly", "a butterfly", "butterflies"),
        ("leaf", "a leaf", "leaves"), ("key", "a key", "keys"),
        ("drink with a straw", "a drink with a straw", "drinks with a straw"),
    ],
)  # fmt: skip
def test_names_in_sentences(name: str, one: str, many: str) -> None:
    assert emoji.article(name) == one
    assert emoji.plural(name) == many


# --- targets


@given(SEEDS)
@settings(max_examples=40)
def test_every_thing_and_letter_is_a_target(seed: int) -> None:
    scene = plain(scenes.crowd, seed)
    found = targets(scene)
    assert found.things.shape == (4, 5)
    for thing in scene.things:
        assert THINGS[thing.name] in found.things
    assert int(found.centres.sum()) <= len(scene.things)
    said = plain(scenes.sign, seed)
    chars = targets(said).chars
    assert sorted(chars[chars > 0]) == sorted(CHARS[letter.char] for letter in said.letters) or (chars > 0).sum() < len(
        said.letters
    )


@given(SEEDS)
@settings(max_examples=40)
def test_relations_are_what_answers_say(seed: int) -> None:
    scene = plain(scenes.two_things, seed)
    ways = targets(scene).relations
    names = ("left", "right", "above", "below")
    said = questions.relation(scene)
    opposite = {"left": "right", "right": "left", "above": "below", "below": "above"}[said]
    for thing, way in zip(scene.things, (said, opposite), strict=True):
        row, column = int(thing.y // CELL), int(thing.x // CELL)
        assert names[ways[row, column] - 1] == way
    assert {names[way - 1] for way in np.unique(ways[ways > 0])} == {said, opposite}


@given(SEEDS)
@settings(max_examples=20)
def test_patches_point_at_the_middle_of_their_character(seed: int) -> None:
    scene = plain(scenes.page, seed)
    chars, ways = stroke_targets(scene)
    assert chars.shape == (12 * 15,)
    ys, xs = (np.mgrid[0:12, 0:15] + 0.5) * (CELL / 3)
    for index in np.flatnonzero(chars):
        x, y = xs.flat[index] + ways[index, 0] * CELL, ys.flat[index] + ways[index, 1] * CELL
        letter = min(scene.letters, key=lambda one: abs(one.x - x) + abs(one.y - y))
        assert abs(letter.x - x) + abs(letter.y - y) < 0.1
        assert CHARS[letter.char] == chars[index]


def test_what_is_read_is_learned_character_by_character(tokenizer: Tokenizer) -> None:
    text = '<|turn>user\nred red?<turn|>\n<|turn>model\nred<turn|>\n<|turn>model\nI see the text "red".<turn|>'
    tokens = [tokenizer.id_to_token(i) for i in encode_text(text, "red", tokenizer)]
    usual = tokenizer.encode(text, add_special_tokens=False).tokens
    spelt = [at for at in range(len(tokens)) if tokens[at : at + 3] == ["r", "e", "d"]]
    assert len(spelt) == 2
    assert tokens[: spelt[0]] == usual[: spelt[0]]
    assert tokenizer.decode(encode_text(text, "red", tokenizer), skip_special_tokens=False) == text


# --- questions


@pytest.mark.parametrize("kind", questions.QUESTIONS)
def test_every_question_has_an_answer(kind: str) -> None:
    makers = {"one": scenes.one_thing, "two": scenes.two_things, "several": scenes.several, "text": scenes.sign,
              "window": scenes.window, "nothing": scenes.nothing, "static": scenes.static,
              "crowd": scenes.crowd}  # fmt: skip
    if kind == "emoji":
        pytest.skip("needs a font")
    for seed in range(12):
        scene = plain(makers[kind], seed)
        assert scene.kind == kind
        for exchange in questions.ask(scene, random.Random(seed), 3):
            assert exchange.answer in exchange.accepted
            for text in (exchange.question, exchange.answer):
                assert text.strip()
                assert not any(mark in text for mark in "[]{}|"), text


def test_what_is_said_about_a_scene() -> None:
    ground = np.zeros((480, 480, 3), np.uint8)
    star, heart = scenes.Thing("star", "red", 60, 60, 60), scenes.Thing("heart", "orange", 60, 400, 80)
    two = scenes.Scene("two", ground, "blue", (star, heart))
    rng = random.Random(0)
    assert questions.see(two, rng).answer == "I see a red star to the left of an orange heart."
    assert questions.zone(star, two) == "at the top left"
    assert questions.zone(heart, two) == "at the top right"
    three = scenes.Scene("several", ground, "blue", (star,) * 3)
    assert questions.count(three, rng).answer == "There are three red stars."
    assert questions.count(scenes.Scene("one", ground, "blue", (star,)), rng).answer == "There is one red star."
    assert questions.read(scenes.Scene("text", ground, "blue", text="Hi"), rng).answer == "Hi"


@given(SEEDS)
@settings(max_examples=60)
def test_what_tells_two_things_apart_is_asked_and_never_what_they_share(seed: int) -> None:
    rng = random.Random(seed)
    scene = scenes.two_things(rng, 192, 240)
    exchange = questions.tell_apart(scene, rng)
    about = {"colour": lambda thing: thing.name, "shape": lambda thing: thing.colour}[exchange.intent]
    meant = [thing for thing in scene.things if exchange.answer == f"The {thing.name} is {thing.colour}."]
    assert len(meant) == 1
    assert about(scene.things[0]) != about(scene.things[1])


@given(SEEDS)
@settings(max_examples=60)
def test_answers_say_on_which_side_things_are_and_then_whether_that_was_said(seed: int) -> None:
    rng = random.Random(seed)
    scene = scenes.two_things(rng, 192, 240)
    with mock.patch.object(questions, "vary", lambda text, rng, literal: text):
        exchange = questions.relate(scene, rng)
    answer = exchange.answer
    first, second = (thing.definite() for thing in scene.things)
    side = {"left": "to the left of", "above": "above"}[questions.relation(scene)]  # as they are drawn
    back = {"to the left of": "to the right of", "above": "below"}[side]
    so = {f"The {one[4:]} is {way} {other}" for one, way, other in ((first, side, second), (second, back, first))}
    phrases = {f"{thing.phrase()[:1].upper()}{thing.phrase()[1:]}." for thing in scene.things}
    assert answer in {f"{text}{end}" for text in so for end in (".", ", so yes.", ", so no.")} | phrases
    statement, so_it_is, verdict = answer.partition(", so ")
    if so_it_is:
        way = next(way for way in ("to the left of", "to the right of", "above", "below") if f" {way} " in statement)
        assert (f" {way} " in exchange.question) == (verdict == "yes.")


# --- prompts


def test_pictures_are_expanded_as_by_the_engine(tokenizer: Tokenizer) -> None:
    tokens = _media_tokens(tokenizer)
    scene = plain(scenes.one_thing, 3)
    ids = tokenizer.encode("see <|image|>what?", add_special_tokens=False).ids
    expected = expand_prompt(ids, [ImageItem(20, "")], tokens)
    assert expand(ids, [scene], tokenizer) == expected.ids.tolist()
    ids = tokenizer.encode("see <|video|>what?", add_special_tokens=False).ids
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    expected = expand_prompt(ids, [VideoItem([20, 20], [0.0, 2.0], "")], tokens, encode)
    assert expand(ids, [scene, scene], tokenizer, pace=2) == expected.ids.tolist()


def _media_tokens(tokenizer: Tokenizer) -> MediaTokens:
    ids = {
        text: tokenizer.token_to_id(text) for text in ("<|image|>", "<|audio|>", "<|video|>", "<|image>", "<image|>")
    }
    return MediaTokens(ids["<|image|>"], ids["<|audio|>"], ids["<|video|>"], ids["<|image>"], ids["<image|>"])


@needs_emoji
@pytest.mark.skipif(not features.check("freetype2"), reason="needs FreeType")
def test_samples_have_a_soft_token_for_each_cell(tokenizer: Tokenizer) -> None:
    rng = random.Random(5)
    for make, mark in ((picture_sample, "<|image|>"), (video_sample, "<|video|>")):
        mark_id = tokenizer.token_to_id(mark)
        for _ in range(8):
            sample = make(rng, tokenizer)
            cells = sum(scene.height * scene.width // CELL**2 for scene in sample.pictures)
            assert sample.ids.count(mark_id) == cells
            assert any(sample.learned)
            soft = [
                flag
                for token, flag in zip(sample.ids, sample.learned, strict=True)
                if token == tokenizer.token_to_id(mark)
            ]
            assert not any(soft)
