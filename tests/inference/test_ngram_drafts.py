"""The index of pairs against a plain search."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from inference.ngram_drafts import Continuation, NgramIndex

TOKENS = st.lists(st.integers(-2, 4), max_size=40)


def search(text: Sequence[int], count: int) -> Continuation | None:
    """Look at the last eight places where the last two tokens stood before, the latest first."""
    last = len(text) - 1
    if last < 2 or min(text[-2:]) < 0:
        return None
    places = [at for at in range(last - 1, 0, -1) if list(text[at - 1 : at + 1]) == list(text[-2:])][:8]
    best, agreement = -1, 0
    for place in places:
        agree = 0
        while agree < 16 and agree <= place and text[place - agree] == text[last - agree] >= 0:
            agree += 1
        if agree > agreement:
            best, agreement = place, agree
    if best < 0:
        return None
    longer, guess = list(text), []
    for offset in range(count):
        token = longer[best + 1 + offset]
        if token < 0:
            break
        guess.append(token)
        longer.append(token)
    return Continuation(tuple(guess), agreement) if guess else None


@given(texts=st.lists(TOKENS, min_size=1, max_size=4), count=st.integers(1, 9))
def test_what_followed_last_time(texts: list[list[int]], count: int) -> None:
    index = NgramIndex()
    for text in texts:
        index.reset(text[: len(text) // 2])
        for token in text[len(text) // 2 :]:
            index.append(token)
        assert len(index) == len(text)
        assert index.guess(count) == search(text, count)


def test_a_quote_and_a_repetition() -> None:
    index = NgramIndex()
    index.reset([5, 6, 7, 8, 9, 1, 5, 6, 7])
    assert index.guess(3) == Continuation((8, 9, 1), 3)
    index.reset([1, 2, 1, 2, 1, 2])
    assert index.guess(5) == Continuation((1, 2, 1, 2, 1), 4)


def test_nothing_to_go_by() -> None:
    index = NgramIndex()
    assert index.guess(4) is None
    index.reset([1, 2])
    assert index.guess(4) is None
    index.reset([1, 2, 3])
    assert index.guess(4) is None
    index.reset([1, 2, -1, 1, 2])
    assert index.guess(4) is None, "only a soft token followed"
    index.reset([-1, -1, 7, -1, -1])
    assert index.guess(4) is None, "soft tokens say nothing"
