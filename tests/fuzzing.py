"""How many inputs the fuzz tests make: a fast share as a rule, ``LARIMAR_FUZZ`` times as many where it is set."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """Return ``count`` times the factor in ``LARIMAR_FUZZ``, which is 1 where it is not set."""
    return max(1, round(count * float(os.environ.get("LARIMAR_FUZZ", "1"))))
