"""The language model's forward pass without what nobody looks at: half the work of training on short answers.

Layers that share keys and values write none, so that in training they need to run only where a token is learned; with a
picture or a long question before a short answer that is a small part of the places.
"""

from __future__ import annotations

from typing import Any

import torch


def hidden_states_at(
    language_model: Any, embeddings: torch.Tensor, per_layer: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """Return the last hidden states at some places, as ``language_model``'s own forward pass would.

    Args:
        language_model: ``Gemma4TextModel``; not changed.
        embeddings: [B, S, H].
        per_layer: the token's part of the per-layer inputs, [B, S, layers, P].
        wanted: which places, int64 [B, K].

    Returns:
        [B, K, H].
    """
    rows, length, _ = embeddings.shape
    per_layer = language_model.project_per_layer_inputs(embeddings, per_layer)
    places = torch.arange(length)
    types = language_model.config.layer_types
    rotary = {kind: language_model.rotary_emb(embeddings, places[None], kind) for kind in set(types)}
    behind = places[:, None] - places[None]
    seen = {
        "full_attention": behind >= 0,
        "sliding_attention": (behind >= 0) & (behind < language_model.config.sliding_window),
    }
    # None is plain causal attention, which has a faster kernel
    short = length <= language_model.config.sliding_window
    masks: dict[str, Any] = {
        kind: None if short or kind == "full_attention" else mask[None, None] for kind, mask in seen.items()
    }
    shared: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    hidden = embeddings
    for index, layer in enumerate(language_model.layers):
        if index == language_model.first_kv_shared_layer_idx:
            each = torch.arange(rows)[:, None]
            hidden, per_layer = hidden[each, wanted], per_layer[each, wanted]
            rotary = {kind: tuple(table[0][wanted] for table in tables) for kind, tables in rotary.items()}
            masks = {kind: mask[wanted][:, None] for kind, mask in seen.items()}
        kind = types[index]
        hidden = layer(
            hidden, per_layer[:, :, index, :], shared_kv_states=shared, position_embeddings=rotary[kind],
            attention_mask=masks[kind], position_ids=places[None],
        )  # fmt: skip
    output: torch.Tensor = language_model.norm(hidden)
    return output


def places_of(learned: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the places of true entries of bool [B, S] as int64 [B, K], and which of these are real, bool [B, K].

    K is a multiple of 8, because products of shapes seen before run faster than of new ones.
    """
    most = -(-max(1, int(learned.sum(1).max())) // 8) * 8
    order = torch.argsort(learned.to(torch.int8), dim=1, descending=True, stable=True)[:, :most]
    return order, learned.gather(1, order)
