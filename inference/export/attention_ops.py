"""Gemma 4's attention and its companions as custom torch operators, and the hooks that put them into transformers.

The modelling code stays transformers' own: its attention interface calls :func:`_attention_forward`, and within
:func:`custom_ops` its rotary embedding and RMS norm call the operators below. Each operator has exact reference
semantics in torch, so that a hooked model can be compared with eager attention before anything is exported. When a
module is exported, the operators arrive in the graph as nodes of the domain ``larimar``, which know nothing of any
runtime; :mod:`inference.export.lowering` then writes them in the operators of ONNX Runtime.

Three operators of attention, because layers come in three kinds:

* ``attention`` appends its own keys and values to the cache and attends to it;
* ``block_attention`` (sliding layers of 12B, 26B, 31B) does the same, but the soft tokens of one image see each other
  in both directions;
* ``shared_attention`` (E2B, E4B: the last layers; every layer of a drafter) reads a donor's cache and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnxscript import values
from transformers import AttentionInterface

from inference.export.families import TOWERS, UNIFIED

IMPLEMENTATION = "larimar"
"""Name under which the operators are registered with transformers' attention interface."""

DOMAIN = "larimar"
"""ONNX domain of the operators before they are lowered."""


def _attend(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    total: int,
    scale: float,
    window: int,
    block_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the attention output, [B, H, S, D], of queries that are the last S of ``total`` positions."""
    groups = query.shape[1] // key_cache.shape[1]
    keys = key_cache[:, :, :total].repeat_interleave(groups, dim=1)
    values_ = value_cache[:, :, :total].repeat_interleave(groups, dim=1)
    positions = torch.arange(total - query.shape[2], total)[:, None]
    distance = positions - torch.arange(total)[None, :]
    visible = distance >= 0
    if block_ids is not None and block_ids.shape[1]:
        ids = torch.full((total,), -1)
        ids[total - query.shape[2] :] = block_ids[0]
        visible = visible | ((ids[None, :] == block_ids[0, :, None]) & (ids[None, :] >= 0))
    if window > 0:
        visible = visible & (distance < window)
    scores = (query @ keys.transpose(-1, -2)) * scale
    scores = scores.masked_fill(~visible, float("-inf"))
    return scores.softmax(-1, dtype=torch.float32).to(query.dtype) @ values_


@torch.library.custom_op("larimar::attention", mutates_args=())
def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    past_key: torch.Tensor,
    past_value: torch.Tensor,
    last_index: torch.Tensor,
    total_length: torch.Tensor,
    scale: float,
    window: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Causal grouped-query attention over a KV cache that this call extends.

    Args:
        query: [B, H, S, D], normed and rotated.
        key: [B, Hkv, S, D], normed and rotated; H is a multiple of Hkv.
        value: [B, Hkv, S, D].
        past_key: [B, Hkv, P, D], the cache so far.
        past_value: [B, Hkv, P, D].
        last_index: int32 [B], index of the last valid position after this call, P + S - 1.
        total_length: int32 scalar, P + S.
        scale: factor on the scores (1.0 in Gemma 4).
        window: number of positions a query sees, itself included; -1 for all.

    Returns:
        Output [B, S, H·D], and the extended cache, two tensors [B, Hkv, P + S, D].
    """
    key_cache = torch.cat([past_key, key], dim=2)
    value_cache = torch.cat([past_value, value], dim=2)
    output = _attend(query, key_cache, value_cache, int(total_length), scale, window)
    return output.transpose(1, 2).flatten(2), key_cache, value_cache


@attention.register_fake
def _(query, key, value, past_key, past_value, last_index, total_length, scale, window):  # type: ignore[no-untyped-def]
    batch, heads, length, size = query.shape
    cache = [past_key.shape[0], past_key.shape[1], past_key.shape[2] + length, size]
    return query.new_empty(batch, length, heads * size), past_key.new_empty(cache), past_value.new_empty(cache)


@torch.library.custom_op("larimar::block_attention", mutates_args=())
def block_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    past_key: torch.Tensor,
    past_value: torch.Tensor,
    last_index: torch.Tensor,
    total_length: torch.Tensor,
    block_ids: torch.Tensor,
    scale: float,
    window: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Grouped-query attention in which the soft tokens of one image see one another, backwards and forwards.

    A query sees a key if it lies in the window and comes earlier, is the query itself, or belongs to the same image
    (transformers: AND(window, OR(causal, same block))).

    Args:
        query: see :func:`attention`, as for all arguments but one; B is 1.
        key: see there.
        value: see there.
        past_key: see there.
        past_value: see there.
        last_index: see there.
        total_length: see there.
        block_ids: int64 [1, S], number of the image that a row belongs to, -1 for none; or [1, 0]: no images. All soft
            tokens of an image must come in one call.
        scale: see there.
        window: see there; positive.

    Returns:
        See :func:`attention`.
    """
    key_cache = torch.cat([past_key, key], dim=2)
    value_cache = torch.cat([past_value, value], dim=2)
    output = _attend(query, key_cache, value_cache, int(total_length), scale, window, block_ids)
    return output.transpose(1, 2).flatten(2), key_cache, value_cache


@block_attention.register_fake
def _(query, key, value, past_key, past_value, last_index, total_length, block_ids, scale, window):  # type: ignore[no-untyped-def]
    batch, heads, length, size = query.shape
    cache = [past_key.shape[0], past_key.shape[1], past_key.shape[2] + length, size]
    return query.new_empty(batch, length, heads * size), past_key.new_empty(cache), past_value.new_empty(cache)


@torch.library.custom_op("larimar::shared_attention", mutates_args=())
def shared_attention(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    last_index: torch.Tensor,
    total_length: torch.Tensor,
    scale: float,
    window: int,
) -> torch.Tensor:
    """Causal grouped-query attention over a cache that another layer has filled.

    Args:
        query: [B, H, S, D], normed and rotated; the last S of ``total_length`` positions.
        key_cache: [B, Hkv, T, D], the donor's cache with the current positions already in it.
        value_cache: [B, Hkv, T, D].
        last_index: int32 [B], index of the last valid position.
        total_length: int32 scalar, number of valid positions, at most T.
        scale: factor on the scores.
        window: number of positions a query sees, itself included; -1 for all.

    Returns:
        Output [B, S, H·D].
    """
    output = _attend(query, key_cache, value_cache, int(total_length), scale, window)
    return output.transpose(1, 2).flatten(2)


@shared_attention.register_fake
def _(query, key_cache, value_cache, last_index, total_length, scale, window):  # type: ignore[no-untyped-def]
    batch, heads, length, size = query.shape
    return query.new_empty(batch, length, heads * size)


@torch.library.custom_op("larimar::rotary", mutates_args=())
def rotary(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate heads by position (RoPE, halves convention).

    Args:
        states: [B, S, H, D].
        cos: [B, S, D/2].
        sin: [B, S, D/2].

    Returns:
        [B, S, H, D].
    """
    first, second = states.chunk(2, dim=-1)
    cos, sin = cos.unsqueeze(2), sin.unsqueeze(2)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


@rotary.register_fake
def _(states, cos, sin):  # type: ignore[no-untyped-def]
    return torch.empty_like(states)


@torch.library.custom_op("larimar::rms_norm", mutates_args=())
def rms_norm(states: torch.Tensor, weight: torch.Tensor | None, epsilon: float) -> torch.Tensor:
    """Root-mean-square norm over the last axis, computed in float32: ``x / sqrt(mean(x²) + ε) · w``.

    Args:
        states: [..., N].
        weight: [N], or None for no scale.
        epsilon: added to the mean square.

    Returns:
        [..., N] in the dtype of ``states``.
    """
    wide = states.float()
    normed = wide * torch.pow(wide.pow(2).mean(-1, keepdim=True) + epsilon, -0.5)
    if weight is not None:
        normed = normed * weight.float()
    return normed.to(states.dtype)


@rms_norm.register_fake
def _(states, weight, epsilon):  # type: ignore[no-untyped-def]
    return torch.empty_like(states)


@dataclass
class AttentionContext:
    """What an attention call needs beyond what transformers hands it, for one forward pass of one layer."""

    past_key: torch.Tensor
    """[B, Hkv, P, D]; for a layer that shares a donor's cache, the donor's cache after its own step."""
    past_value: torch.Tensor
    last_index: torch.Tensor
    total_length: torch.Tensor
    block_ids: torch.Tensor | None = None
    """See :func:`block_attention`; None where images get no special treatment."""
    present: tuple[torch.Tensor, torch.Tensor] | None = None
    """The extended cache, once an owning layer has run."""


_context: ContextVar[AttentionContext] = ContextVar("attention_context")


@contextmanager
def attention_context(context: AttentionContext) -> Iterator[AttentionContext]:
    """Make ``context`` the one that the attention calls inside the block use."""
    token = _context.set(context)
    try:
        yield context
    finally:
        _context.reset(token)


def _attention_forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    context = _context.get()
    window = -1 if sliding_window is None else int(sliding_window)
    if module.is_kv_shared_layer:
        output = shared_attention(
            query,
            context.past_key,
            context.past_value,
            context.last_index,
            context.total_length,
            float(scaling),
            window,
        )
    else:
        states = (query, key, value, context.past_key, context.past_value, context.last_index, context.total_length)
        if context.block_ids is not None and window > 0:
            results = block_attention(*states, context.block_ids, float(scaling), window)
        else:
            results = attention(*states, float(scaling), window)
        output, present_key, present_value = results
        context.present = (present_key, present_value)
    return output, None


AttentionInterface.register(IMPLEMENTATION, _attention_forward)


def _norm_forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    return rms_norm(hidden_states, self.weight if self.with_scale else None, self.eps)


def _apply_rotary(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1) -> torch.Tensor:
    if unsqueeze_dim != 2:
        raise NotImplementedError("the rotary operator takes [B, S, H, D]")
    half = x.shape[-1] // 2
    if cos.shape[-1] != half:  # transformers hands over both halves, which are alike; the exporter one of them
        cos, sin = cos[..., :half], sin[..., :half]
    return rotary(x, cos, sin)


@contextmanager
def custom_ops() -> Iterator[None]:
    """Within the block, Gemma 4's RMS norm and rotary embedding go through the custom operators."""
    families = (TOWERS, UNIFIED)
    originals = [(family.rms_norm.forward, family.modeling.apply_rotary_pos_emb) for family in families]
    for family in families:
        family.rms_norm.forward = _norm_forward
        family.modeling.apply_rotary_pos_emb = _apply_rotary
    try:
        yield
    finally:
        for family, (norm_forward, apply_rotary) in zip(families, originals, strict=True):
            family.rms_norm.forward = norm_forward
            family.modeling.apply_rotary_pos_emb = apply_rotary


def _register_schemas() -> None:
    """Tell onnx the signatures of the operators: the exporter builds nodes only for operators it has a schema for."""
    parameter, attribute = onnx.defs.OpSchema.FormalParameter, onnx.defs.OpSchema.Attribute
    optional = onnx.defs.OpSchema.FormalParameterOption.Optional
    number, integer = onnx.defs.OpSchema.AttrType.FLOAT, onnx.defs.OpSchema.AttrType.INT
    lengths = [parameter("last_index", "tensor(int32)"), parameter("total_length", "tensor(int32)")]
    signatures = {
        "Attention": (
            [*(parameter(name, "T") for name in ("query", "key", "value", "past_key", "past_value")), *lengths],
            [parameter(name, "T") for name in ("output", "present_key", "present_value")],
            [attribute("scale", number), attribute("window", integer)],
        ),
        "BlockAttention": (
            [
                *(parameter(name, "T") for name in ("query", "key", "value", "past_key", "past_value")),
                *lengths,
                parameter("block_ids", "tensor(int64)"),
            ],
            [parameter(name, "T") for name in ("output", "present_key", "present_value")],
            [attribute("scale", number), attribute("window", integer)],
        ),
        "SharedAttention": (
            [*(parameter(name, "T") for name in ("query", "key_cache", "value_cache")), *lengths],
            [parameter("output", "T")],
            [attribute("scale", number), attribute("window", integer)],
        ),
        "Rotary": ([parameter(name, "T") for name in ("states", "cos", "sin")], [parameter("output", "T")], []),
        "RMSNorm": (
            [parameter("states", "T"), parameter("weight", "T", param_option=optional)],
            [parameter("output", "T")],
            [attribute("epsilon", number)],
        ),
    }
    types = [("T", ["tensor(float)", "tensor(float16)", "tensor(bfloat16)"], "activations")]
    for name, (inputs, outputs, attributes) in signatures.items():
        if not onnx.defs.has(name, DOMAIN):
            onnx.defs.register_schema(
                onnx.defs.OpSchema(
                    name, DOMAIN, 1, inputs=inputs, outputs=outputs, type_constraints=types, attributes=attributes
                )
            )


def translation_table() -> dict[Any, Callable[..., Any]]:
    """Return, for torch's exporter, how each operator becomes a node of the domain ``larimar``."""
    _register_schemas()
    opset = values.Opset(DOMAIN, 1)

    def attention_node(  # type: ignore[no-untyped-def]
        query, key, value, past_key, past_value, last_index, total_length, scale: float, window: int
    ):
        inputs = (query, key, value, past_key, past_value, last_index, total_length)
        return opset.Attention(*inputs, scale=scale, window=window, _outputs=3)

    def block_attention_node(  # type: ignore[no-untyped-def]
        query, key, value, past_key, past_value, last_index, total_length, block_ids, scale: float, window: int
    ):
        inputs = (query, key, value, past_key, past_value, last_index, total_length, block_ids)
        return opset.BlockAttention(*inputs, scale=scale, window=window, _outputs=3)

    def shared_attention_node(  # type: ignore[no-untyped-def]
        query, key_cache, value_cache, last_index, total_length, scale: float, window: int
    ):
        return opset.SharedAttention(
            query, key_cache, value_cache, last_index, total_length, scale=scale, window=window
        )

    def rotary_node(states, cos, sin):  # type: ignore[no-untyped-def]
        return opset.Rotary(states, cos, sin)

    def rms_norm_node(states, weight=None, epsilon: float = 1e-6):  # type: ignore[no-untyped-def]
        inputs = (states,) if weight is None else (states, weight)
        return opset.RMSNorm(*inputs, epsilon=epsilon)

    operators = torch.ops.larimar
    return {
        operators.attention.default: attention_node,
        operators.block_attention.default: block_attention_node,
        operators.shared_attention.default: shared_attention_node,
        operators.rotary.default: rotary_node,
        operators.rms_norm.default: rms_norm_node,
    }
