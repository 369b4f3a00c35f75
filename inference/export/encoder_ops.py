"""Custom operators of the vision and audio encoders, and the hooks that put them into transformers.

They follow :mod:`inference.export.attention_ops`: exact semantics in torch, nodes of the domain ``larimar`` once
exported, and ONNX Runtime's operators after :mod:`inference.export.encoder_lowering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from onnxscript import values
from transformers import AttentionInterface
from transformers.models.gemma4 import modeling_gemma4

from inference.export.attention_ops import DOMAIN

IMPLEMENTATION = "larimar_bidirectional"
"""Name under which bidirectional attention is registered with transformers' attention interface."""


@torch.library.custom_op("larimar::bidirectional_attention", mutates_args=())
def bidirectional_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, valid: torch.Tensor, scale: float
) -> torch.Tensor:
    """Attention of every position to every valid position.

    Args:
        query: [B, H, S, D], normed and rotated.
        key: [B, H, S, D].
        value: [B, H, S, D].
        valid: bool [B, S]; False for padding, which nothing attends to.
        scale: factor on the scores (1.0 in Gemma 4).

    Returns:
        Output [B, S, H·D].
    """
    scores = (query @ key.transpose(-1, -2)) * scale
    scores = scores.masked_fill(~valid[:, None, None, :], torch.finfo(scores.dtype).min)
    output = scores.softmax(-1, dtype=torch.float32).to(query.dtype) @ value
    return output.transpose(1, 2).flatten(2)


@bidirectional_attention.register_fake
def _(query, key, value, valid, scale):  # type: ignore[no-untyped-def]
    batch, heads, length, size = query.shape
    return query.new_empty(batch, length, heads * size)


@torch.library.custom_op("larimar::clipped_linear", mutates_args=())
def clipped_linear(
    states: torch.Tensor,
    weight: torch.Tensor,
    input_min: torch.Tensor,
    input_max: torch.Tensor,
    output_min: torch.Tensor,
    output_max: torch.Tensor,
) -> torch.Tensor:
    """Linear layer whose input and output are clamped to ranges that belong to the checkpoint.

    Args:
        states: [..., K].
        weight: [N, K].
        input_min: scalar, as the three limits that follow.
        input_max: scalar.
        output_min: scalar.
        output_max: scalar.

    Returns:
        [..., N].
    """
    output = torch.nn.functional.linear(torch.clamp(states, input_min, input_max), weight)
    return torch.clamp(output, output_min, output_max)


@clipped_linear.register_fake
def _(states, weight, input_min, input_max, output_min, output_max):  # type: ignore[no-untyped-def]
    return states.new_empty(*states.shape[:-1], weight.shape[0])


def _attention_forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Call the operator; the mask that the layer was given is ``valid``, bool [B, S]."""
    if module.num_key_value_groups != 1:
        raise NotImplementedError("the vision encoders of Gemma 4 have as many key heads as query heads")
    return bidirectional_attention(query, key, value, attention_mask, float(scaling)), None


AttentionInterface.register(IMPLEMENTATION, _attention_forward)


def _clippable_forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    if not self.use_clipped_linears:
        output: torch.Tensor = self.linear(hidden_states)
        return output
    return clipped_linear(
        hidden_states, self.linear.weight, self.input_min, self.input_max, self.output_min, self.output_max
    )


def _axial_rotary(
    x: torch.Tensor,
    cos: tuple[torch.Tensor, ...],
    sin: tuple[torch.Tensor, ...],
    position_ids: torch.Tensor | None = None,
    unsqueeze_dim: int = 2,
) -> torch.Tensor:
    """Rotate each axis' share of the heads; tables [B, S, D/4], one per axis, instead of the concatenated ones."""
    parts = [
        modeling_gemma4.apply_rotary_pos_emb(part, cos_part, sin_part, unsqueeze_dim)
        for part, cos_part, sin_part in zip(x.chunk(len(cos), dim=-1), cos, sin, strict=True)
    ]
    return torch.cat(parts, dim=-1)


@contextmanager
def encoder_ops() -> Iterator[None]:
    """Within the block, clippable linears and the axial rotary embedding go through the custom operators."""
    clippable_forward = modeling_gemma4.Gemma4ClippableLinear.forward
    axial_rotary = modeling_gemma4.apply_multidimensional_rope
    modeling_gemma4.Gemma4ClippableLinear.forward = _clippable_forward
    modeling_gemma4.apply_multidimensional_rope = _axial_rotary
    try:
        yield
    finally:
        modeling_gemma4.Gemma4ClippableLinear.forward = clippable_forward
        modeling_gemma4.apply_multidimensional_rope = axial_rotary


def _register_schemas() -> None:
    parameter, attribute = onnx.defs.OpSchema.FormalParameter, onnx.defs.OpSchema.Attribute
    limits = ("input_min", "input_max", "output_min", "output_max")
    signatures = {
        "BidirectionalAttention": (
            [*(parameter(name, "T") for name in ("query", "key", "value")), parameter("valid", "tensor(bool)")],
            [attribute("scale", onnx.defs.OpSchema.AttrType.FLOAT)],
        ),
        "ClippedLinear": ([parameter(name, "T") for name in ("states", "weight", *limits)], []),
    }
    types = [("T", ["tensor(float)", "tensor(float16)", "tensor(bfloat16)"], "activations")]
    for name, (inputs, attributes) in signatures.items():
        if not onnx.defs.has(name, DOMAIN):
            onnx.defs.register_schema(
                onnx.defs.OpSchema(
                    name,
                    DOMAIN,
                    1,
                    inputs=inputs,
                    outputs=[parameter("output", "T")],
                    type_constraints=types,
                    attributes=attributes,
                )
            )


def translation_table() -> dict[Any, Callable[..., Any]]:
    """Return, for torch's exporter, how each operator becomes a node of the domain ``larimar``."""
    _register_schemas()
    opset = values.Opset(DOMAIN, 1)

    def attention_node(query, key, value, valid, scale: float):  # type: ignore[no-untyped-def]
        return opset.BidirectionalAttention(query, key, value, valid, scale=scale)

    def clipped_linear_node(states, weight, input_min, input_max, output_min, output_max):  # type: ignore[no-untyped-def]
        return opset.ClippedLinear(states, weight, input_min, input_max, output_min, output_max)

    operators = torch.ops.larimar
    return {
        operators.bidirectional_attention.default: attention_node,
        operators.clipped_linear.default: clipped_linear_node,
    }
