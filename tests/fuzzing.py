"""How many inputs fuzz tests make: a share that takes seconds, times the factor ``LARIMAR_FUZZ``."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    return max(1, round(count * float(os.environ.get("LARIMAR_FUZZ", "1"))))
