"""The size of a chunk follows what chunks cost on the machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inference.prefill_pace import LARGEST, SMALLEST, PrefillPace


def settle(seconds: Callable[[int], float], runs: int = 12) -> list[int]:
    pace = PrefillPace()
    sizes = []
    for _ in range(runs):
        sizes.append(pace.size)
        pace.ran(pace.size, seconds(pace.size))
    return sizes


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (lambda size: size * 1e-5, 256),  # fast whatever the size: the largest
        (lambda size: size * 0.1 / 150, 128),  # the largest that shows progress often enough
        (lambda size: size * 0.02, 64),  # slow whatever the size: the smallest
        (lambda size: 2.0 + size * 0.01, 256),  # what a run costs anyway weighs more
        (lambda size: size * (0.01 if size < 256 else 0.007), 256),  # the kernels change their ways
        (lambda size: size * (0.01 if size < 128 else 0.007), 128),
    ],
)
def test_each_size_is_tried_once_then_one_is_taken(seconds: Callable[[int], float], expected: int) -> None:
    sizes = settle(seconds)
    assert sizes[:3] == [SMALLEST, 2 * SMALLEST, LARGEST]
    assert set(sizes[3:]) == {expected}


def test_the_end_of_a_prompt_says_nothing() -> None:
    pace = PrefillPace()
    pace.ran(3, 5.0)
    assert pace.size == SMALLEST


def test_a_disturbed_run_is_put_right_by_the_next() -> None:
    pace = PrefillPace()
    for seconds in (64.0, 1.28, 2.56):
        pace.ran(pace.size, seconds)
    assert pace.size == 128
    pace.ran(128, 1.2)
    assert pace.size == 128
