"""Attention for training on a CPU as plain products, in bfloat16 where autocast is on.

PyTorch's fused kernel saves memory; on CPUs with bfloat16 products its backward pass takes three to eight times as long
as these, at the few hundred places that training here attends to.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME: Final = "plain_products"


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float = 1.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers' other implementations do.

    Args:
        module: the attention layer; causal where it says so and there is no mask.
        query: [B, heads, Q, D].
        key: [B, key heads, K, D].
        value: [B, key heads, K, D].
        attention_mask: bool (true is seen) or float (added), as wide as [B, heads, Q, K], or None.
        scaling: of the products of query and key.

    Returns:
        [B, Q, heads, D], and no weights.
    """
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (part.to(torch.bfloat16) for part in (query, key, value))
    batch, heads, length, size = query.shape
    groups = key.shape[1]
    together = query.reshape(batch, groups, -1, size) * scaling
    scores = (together @ key.transpose(-1, -2)).view(batch, heads, length, -1)
    if attention_mask is None and module.is_causal and length > 1:
        attention_mask = torch.ones(length, key.shape[2], dtype=torch.bool).tril(key.shape[2] - length)
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        else:
            scores = scores + attention_mask.to(scores.dtype)
    weights = torch.softmax(scores, -1)
    mixed = weights.view(batch, groups, -1, weights.shape[-1]) @ value
    return mixed.view(batch, heads, length, size).transpose(1, 2), None


def use(model: Any) -> None:
    """Let a model of transformers, and the models within it, attend like this."""
    ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
    for module in model.modules():
        config = getattr(module, "config", None)
        if getattr(config, "_attn_implementation", None) == "sdpa":
            config._attn_implementation = NAME
