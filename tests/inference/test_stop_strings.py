"""An answer ends before a stop string, however the text was cut into pieces, and shows no part of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.stop_strings import StopStrings

TEXTS = st.text("abc🙂é", max_size=30)
STOPS = st.lists(st.text("abc🙂é", min_size=1, max_size=5), min_size=1, max_size=3)


def expected(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Letter by letter: the first stop string that is complete ends the text, the longest of several."""
    for end in range(1, len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(len(stop) for stop in ending)], True
    return text, False


@given(text=TEXTS, stops=STOPS, cuts=st.lists(st.integers(0, 30), max_size=10))
def test_pieces_make_no_difference(text: str, stops: list[str], cuts: list[int]) -> None:
    stop_strings = StopStrings(stops)
    answer, found = expected(text, stops)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown = ""
    for start, end in pairwise(edges):
        shown += stop_strings.feed(text[start:end])
        assert answer.startswith(shown), "no part of a stop string was ever shown"
    assert stop_strings.found == found
    assert shown + stop_strings.flush() == answer


@given(text=TEXTS, stops=STOPS)
def test_no_more_is_held_back_than_could_begin_a_stop_string(text: str, stops: list[str]) -> None:
    stop_strings = StopStrings(stops)
    shown = stop_strings.feed(text)
    if not stop_strings.found:
        held = text[len(shown) :]
        assert held == "" or any(stop.startswith(held) for stop in stops)
        assert all(not stop.startswith(text[at:]) for stop in stops for at in range(len(shown)))


def test_nothing_follows_a_stop_string() -> None:
    stop_strings = StopStrings(["\n\n"])
    assert stop_strings.feed("a\n") == "a"
    assert stop_strings.feed("b\n") == "\nb"
    assert stop_strings.feed("\nc") == ""
    assert stop_strings.found
    assert stop_strings.feed("d") == stop_strings.flush() == ""


@pytest.mark.parametrize("stops", [[""], ["a", ""], "text"])
def test_an_empty_stop_string_is_refused(stops: Any) -> None:
    with pytest.raises(ValueError, match="stop"):
        StopStrings(stops)


def test_without_stop_strings_nothing_is_held_back() -> None:
    assert StopStrings(()).feed("abc") == "abc"
