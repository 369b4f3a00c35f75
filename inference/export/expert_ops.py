"""The mixture of experts (26B-A4B) as one custom operator; see :mod:`inference.export.attention_ops` for the manner.

transformers loops over the experts that tokens were routed to, which no trace can follow. The router stays
transformers' own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from onnxscript import values
from transformers.models.gemma4 import modeling_gemma4

from inference.export.attention_ops import DOMAIN


@torch.library.custom_op("larimar::experts", mutates_args=())
def experts(
    states: torch.Tensor,
    chosen: torch.Tensor,
    shares: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
) -> torch.Tensor:
    """Send each token through its experts and add up what they give.

    An expert is ``down · (gelu_tanh(gate · x) ∘ up · x)``.

    Args:
        states: [N, H].
        chosen: int64 [N, K], the experts of each token.
        shares: [N, K], what each counts.
        gate_up: [E, 2·I, H], gate and up of each expert, one above the other.
        down: [E, H, I].

    Returns:
        [N, H].
    """
    total = torch.zeros_like(states)
    for expert in chosen.unique().tolist():
        tokens, slots = torch.where(chosen == expert)
        gate, up = (states[tokens] @ gate_up[expert].T).chunk(2, dim=-1)
        hidden = torch.nn.functional.gelu(gate, approximate="tanh") * up
        total.index_add_(0, tokens, (hidden @ down[expert].T) * shares[tokens, slots, None])
    return total


@experts.register_fake
def _(states, chosen, shares, gate_up, down):  # type: ignore[no-untyped-def]
    return torch.empty_like(states)


def _experts_forward(
    self: Any, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor
) -> torch.Tensor:
    return experts(hidden_states, top_k_index, top_k_weights, self.gate_up_proj, self.down_proj)


@contextmanager
def expert_ops() -> Iterator[None]:
    """Within the block, transformers' experts go through the custom operator."""
    original = modeling_gemma4.Gemma4TextExperts.forward
    modeling_gemma4.Gemma4TextExperts.forward = _experts_forward
    try:
        yield
    finally:
        modeling_gemma4.Gemma4TextExperts.forward = original


def translation_table() -> dict[Any, Callable[..., Any]]:
    """Return, for torch's exporter, how the operator becomes a node of the domain ``larimar``."""
    parameter = onnx.defs.OpSchema.FormalParameter
    if not onnx.defs.has("Experts", DOMAIN):
        inputs = [parameter("states", "T"), parameter("chosen", "tensor(int64)")]
        onnx.defs.register_schema(
            onnx.defs.OpSchema(
                "Experts",
                DOMAIN,
                1,
                inputs=inputs + [parameter(name, "T") for name in ("shares", "gate_up", "down")],
                outputs=[parameter("output", "T")],
                type_constraints=[("T", ["tensor(float)", "tensor(float16)", "tensor(bfloat16)"], "activations")],
                attributes=[],
            )
        )
    opset = values.Opset(DOMAIN, 1)

    def experts_node(states, chosen, shares, gate_up, down):  # type: ignore[no-untyped-def]
        return opset.Experts(states, chosen, shares, gate_up, down)

    return {torch.ops.larimar.experts.default: experts_node}
