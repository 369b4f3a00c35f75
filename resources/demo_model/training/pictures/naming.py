"""Help for the language model to say what the eyes tell apart: soft tokens that resemble the words' own tokens.

The eyes alone learn to tell hundreds of things apart, but what a soft token then looks like means nothing yet to the
language model, which would have to meet every thing many times. With this loss, the soft tokens of a thing come to
point where the embeddings of its name do, which the language model knows well how to say again; likewise its colour and
on which side of another thing it lies, the characters whose centres they hold, the first of them most, on the
ground between things how many there are, and between characters the colour of the ground.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, normalize

from .questions import NUMBERS
from .scenes import Scene
from .targets import CHARS, COLOURS, THINGS, targets

SHARPNESS: Final = 16.0
"""What cosines are multiplied by."""
FIRST: Final = 0.5
"""Weight of a word's first token; the others share the rest."""
_WAYS: Final = (" left", " right", " ab", " bel")
"""What tells the four relations apart in an answer, in the order of :class:`.targets.Targets`."""
_PARTS: Final = {"things": 0.5, "colours": 0.3, "relations": 0.35, "count": 0.5, "chars": 0.5}
"""How much each word weighs where a soft token stands for several."""
BETWEEN: Final = 0.25
"""How much a soft token beside characters weighs, of which there are many."""
_NEXT: Final = 0.55
"""How much each further character of a soft token weighs, compared with the one to its left."""


def word_tokens(tokenizer: Tokenizer) -> dict[str, torch.Tensor]:
    """Return how the words of each kind are spread over the vocabulary, float32 [words + 1, V] each; row 0 is none."""

    def table(words: Iterable[str]) -> torch.Tensor:
        rows = [torch.zeros(tokenizer.get_vocab_size())]
        for word in words:
            tokens = tokenizer.encode(word, add_special_tokens=False).ids
            weights = [1.0] if len(tokens) == 1 else [FIRST, *[(1 - FIRST) / (len(tokens) - 1)] * (len(tokens) - 1)]
            row = torch.zeros_like(rows[0])
            for token, weight in zip(tokens, weights, strict=True):
                row[token] += weight
            rows.append(row)
        return torch.stack(rows)

    found = {
        "things": table(f" {name}" for name in THINGS),
        "colours": table(f" {name}" for name in COLOURS),
        "relations": table(_WAYS),
        "count": table(tokenizer.decode(tokenizer.encode(f" {word}").ids[:1]) for word in NUMBERS[1:]),
        "chars": table(CHARS),
    }
    return {kind: _PARTS[kind] * rows for kind, rows in found.items()}


def naming_loss(
    soft: torch.Tensor, shown: list[Scene], tables: dict[str, torch.Tensor], embeddings: torch.Tensor
) -> torch.Tensor:
    """Return the mean cross entropy of the words that soft tokens stand for, from which embeddings they resemble.

    Args:
        soft: soft tokens as the language model gets them, [pictures × cells, H], all pictures of one size.
        shown: the pictures.
        tables: of :func:`word_tokens`.
        embeddings: of the vocabulary, [V, H]; not trained by this.
    """
    wanted = torch.zeros(len(soft), len(embeddings))
    each = [targets(scene) for scene in shown]
    for kind in ("things", "colours", "relations"):
        wanted += tables[kind][torch.from_numpy(np.stack([getattr(one, kind) for one in each])).flatten().clamp_min(0)]
    chars = torch.from_numpy(np.stack([one.chars for one in each])).flatten(0, -2).clamp_min(0)
    weights = torch.ones(len(chars))
    for slot in chars.unbind(-1):
        wanted += weights.unsqueeze(-1) * tables["chars"][slot]
        weights = torch.where(slot > 0, weights * _NEXT, weights)
    for one, scene, rows in zip(each, shown, wanted.view(len(shown), -1, len(embeddings)), strict=True):
        if scene.kind == "several":
            rows[torch.from_numpy(one.things == 0).flatten()] += tables["count"][one.count]
        elif scene.kind in ("text", "page"):
            rows[torch.from_numpy((one.chars == 0).all(-1)).flatten()] += BETWEEN * tables["colours"][one.ground]
    named = wanted.sum(-1) > 0
    if not named.any():
        return soft.new_zeros((), dtype=torch.float32)
    alike = normalize(soft[named].float(), dim=-1) @ normalize(embeddings.detach().float(), dim=-1).T
    goal = wanted[named]
    weights = goal.sum(-1)
    each = cross_entropy(SHARPNESS * alike, goal / weights.unsqueeze(-1), reduction="none")
    weights = weights.clamp_max(_PARTS["colours"])
    return (weights * each).sum() / weights.sum()
