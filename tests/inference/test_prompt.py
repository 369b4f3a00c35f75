"""Prompts and their beginnings."""

from __future__ import annotations

import numpy as np
import pytest

from inference.prompt import Prompt, SoftTokens, common_prefix


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (2, 2), (3, 2), (4, 2), (5, 5), (6, 6), (7, 7)])
def test_a_beginning_never_cuts_a_picture(length: int, kept: int) -> None:
    ids = (5, 6, -1, -1, -1, 7, 8)
    blocks = np.array([-1, -1, 0, 0, 0, -1, -1])
    soft = (SoftTokens(2, np.ones((3, 4), np.float32)),)
    prompt = Prompt(np.array([5, 6, 0, 0, 0, 7, 8]), ids, soft, blocks, marks=(1, 4, 6))
    prefix = prompt.prefix(length)
    assert prefix.reuse_ids == ids[:kept]
    assert len(prefix.ids) == kept
    assert prefix.block_ids is not None
    assert len(prefix.block_ids) == kept
    assert prefix.soft_tokens == (soft if kept > 2 else ())
    assert prefix.marks == tuple(mark for mark in (1, 4, 6) if mark <= kept)


def test_common_prefix() -> None:
    assert common_prefix([1, 2, 3], (1, 2, 4, 5)) == 2
    assert common_prefix([], [1]) == 0
    long = list(range(5000))
    for at in (0, 1, 2499, 4999):
        assert common_prefix(long, [*long[:at], -1, *long[at + 1 :]]) == at
    assert common_prefix(long, long[:300]) == 300
