"""What the drafter says where a grammar forbids its first guess."""

from __future__ import annotations

import numpy as np
import pytest

from inference.graphs.drafter import likeliest_token


def test_the_likeliest_of_the_whole_vocabulary() -> None:
    logits = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    assert likeliest_token(logits, None, 3) == (1, pytest.approx(0.6))


def test_what_is_refused_no_longer_counts() -> None:
    logits = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    assert likeliest_token(logits, None, 3, lambda token: token != 1) == (2, pytest.approx(0.75))
    assert likeliest_token(logits, None, 3, lambda token: token == 0) == (0, pytest.approx(1.0))


def test_candidates_share_with_all_the_others() -> None:
    logits, ids = np.array([2.0, 3.0], np.float32), np.array([70, 40])
    weights = np.exp([2.0, 3.0, *[1.0] * 98])
    assert likeliest_token(logits, ids, 100) == (40, pytest.approx(weights[1] / weights.sum()))
    left = weights.sum() - weights[1]
    assert likeliest_token(logits, ids, 100, lambda token: token == 70) == (70, pytest.approx(weights[0] / left))


@pytest.mark.filterwarnings("error")
def test_a_drafter_that_is_sure_of_what_is_forbidden() -> None:
    logits = np.array([300.0, 0.0, -200.0, -1.0], np.float32)
    token, probability = likeliest_token(logits, None, 4, lambda token: token != 0)
    assert (token, probability) == (1, pytest.approx(1 / (1 + np.exp(-1))))


def test_where_nothing_is_admitted_the_first_guess_stays() -> None:
    logits = np.zeros(40, np.float32)
    logits[7] = 1.0
    token, probability = likeliest_token(logits, None, 40, lambda token: False)
    assert token == 7
    assert probability == pytest.approx(np.e / (np.e + 39))
