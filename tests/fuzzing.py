"""How many inputs a fuzz test makes: a fast share as a rule, more with ``LARIMAR_FUZZ`` = a factor."""

import os


def examples(count: int) -> int:
    return max(1, round(count * float(os.environ.get("LARIMAR_FUZZ", "1"))))
