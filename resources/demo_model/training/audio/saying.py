"""Help for the language model to write down what the ears tell apart: soft tokens that resemble what is said."""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.nn.functional import ctc_loss, log_softmax, normalize

SHARPNESS = 16.0
"""What cosines are multiplied by."""
NOTHING = 0.6
"""What resembles no token more than this says nothing new."""
WEIGHT = 0.3


def similarities(soft: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """Return how much each soft token, [B, T, H], resembles each token and nothing: float32 [B, T, V + 1]."""
    scores = SHARPNESS * normalize(soft.float(), dim=-1) @ normalize(embeddings.detach().float(), dim=-1).T
    return functional.pad(scores, (0, 1), value=SHARPNESS * NOTHING)


def saying_loss(
    soft: torch.Tensor, lengths: torch.Tensor, said: list[tuple[int, ...]], embeddings: torch.Tensor
) -> torch.Tensor:
    """Return the mean loss (nats for each token said, weighted) of connectionist temporal classification.

    What a soft token says is told from which embeddings it resembles, so that the language model finds in the sound,
    between blanks, the very tokens that it is to write.

    Args:
        soft: soft tokens as the language model gets them, [B, T, H].
        lengths: how many of them count, int64 [B].
        said: the tokens of each sound; sounds that say more tokens than they have soft tokens are left out.
        embeddings: of the vocabulary, [V, H]; not trained by this.
    """
    scores = similarities(soft, embeddings)
    targets = torch.tensor([token for tokens in said for token in tokens])
    wanted = torch.tensor([len(tokens) for tokens in said])
    each = ctc_loss(
        log_softmax(scores, dim=-1).transpose(0, 1), targets, lengths, wanted,
        blank=len(embeddings), reduction="sum", zero_infinity=True,
    )  # fmt: skip
    return WEIGHT * each / wanted.sum().clamp_min(1)
