"""The custom operators against transformers' own eager code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures_checkpoints import TEXT_CONFIGS, randomize, text_classes
from transformers.models.gemma4.modeling_gemma4 import Gemma4RMSNorm, apply_rotary_pos_emb, eager_attention_forward

from inference.export import attention_ops
from inference.export.families import CACHE_ARGUMENT


class _Module(torch.nn.Module):
    """What transformers' eager attention reads from its module."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.num_key_value_groups = groups


def _mask(length: int, total: int, window: int) -> torch.Tensor:
    distance = torch.arange(total - length, total)[:, None] - torch.arange(total)[None]
    visible = (distance >= 0) & ((distance < window) if window > 0 else torch.tensor(True))
    return torch.zeros(1, 1, length, total).masked_fill(~visible, torch.finfo(torch.float32).min)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 1), (9, 3), (6, 6)])
@pytest.mark.parametrize(("past", "length"), [(0, 1), (0, 12), (7, 1), (7, 5), (30, 9)])
@pytest.mark.parametrize("window", [-1, 1, 8])
def test_attention_equals_eager_attention(heads: int, kv_heads: int, past: int, length: int, window: int) -> None:
    torch.manual_seed(heads * 1000 + past * 10 + length)
    size = 16
    query = torch.randn(1, heads, length, size)
    key, value = torch.randn(2, 1, kv_heads, past + length, size)
    last, total = torch.tensor([past + length - 1], dtype=torch.int32), torch.tensor(past + length, dtype=torch.int32)
    expected, _ = eager_attention_forward(
        _Module(heads // kv_heads), query, key, value, _mask(length, past + length, window), scaling=0.5
    )
    output, present_key, present_value = attention_ops.attention(
        query, key[:, :, past:], value[:, :, past:], key[:, :, :past], value[:, :, :past], last, total, 0.5, window
    )
    torch.testing.assert_close(output, expected.flatten(2))
    torch.testing.assert_close(present_key, key)
    torch.testing.assert_close(present_value, value)
    shared = attention_ops.shared_attention(query, key, value, last, total, 0.5, window)
    torch.testing.assert_close(shared, expected.flatten(2))


def test_shared_attention_ignores_what_lies_behind_the_valid_positions() -> None:
    torch.manual_seed(0)
    query = torch.randn(1, 4, 3, 16)
    cache = torch.randn(2, 1, 2, 20, 16)
    last, total = torch.tensor([10], dtype=torch.int32), torch.tensor(11, dtype=torch.int32)
    long = attention_ops.shared_attention(query, *cache, last, total, 1.0, -1)
    short = attention_ops.shared_attention(query, *cache[:, :, :, :11], last, total, 1.0, -1)
    torch.testing.assert_close(long, short)


def test_rotary_equals_transformers() -> None:
    torch.manual_seed(0)
    states, angles = torch.randn(1, 5, 3, 16), torch.randn(1, 5, 8)
    cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()
    expected = apply_rotary_pos_emb(states, cos, sin, unsqueeze_dim=2)
    torch.testing.assert_close(attention_ops.rotary(states, cos[..., :8], sin[..., :8]), expected)


@pytest.mark.parametrize("with_scale", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rms_norm_equals_transformers(with_scale: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    norm = Gemma4RMSNorm(24, eps=1e-6, with_scale=with_scale).to(dtype)
    if with_scale:
        torch.nn.init.normal_(norm.weight)
    states = (torch.randn(2, 7, 24) * 5).to(dtype)
    result = attention_ops.rms_norm(states, norm.weight if with_scale else None, 1e-6)
    assert result.dtype == dtype
    torch.testing.assert_close(result, norm(states))


@pytest.mark.parametrize(
    "operator",
    [
        (attention_ops.rotary, (torch.randn(1, 5, 3, 16), torch.randn(1, 5, 8), torch.randn(1, 5, 8))),
        (attention_ops.rms_norm, (torch.randn(1, 5, 16), torch.randn(16), 1e-6)),
        (
            attention_ops.shared_attention,
            (
                torch.randn(1, 4, 3, 16), torch.randn(1, 2, 9, 16), torch.randn(1, 2, 9, 16),
                torch.tensor([8], dtype=torch.int32), torch.tensor(9, dtype=torch.int32), 1.0, 4,
            ),
        ),
        (
            attention_ops.attention,
            (
                torch.randn(1, 4, 3, 16), torch.randn(1, 2, 3, 16), torch.randn(1, 2, 3, 16),
                torch.randn(1, 2, 6, 16), torch.randn(1, 2, 6, 16),
                torch.tensor([8], dtype=torch.int32), torch.tensor(9, dtype=torch.int32), 1.0, 4,
            ),
        ),
    ],
    ids=["rotary", "rms_norm", "shared_attention", "attention"],
)  # fmt: skip
def test_shapes_without_data_agree_with_the_real_ones(operator: Any) -> None:
    function, arguments = operator
    torch.library.opcheck(function, arguments, test_utils=("test_schema", "test_faketensor"))


class _Cache:
    """The smallest cache that transformers' attention accepts: the operators keep the real one."""

    is_compileable = False

    def update(self, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> Any:
        return key, value


@pytest.mark.parametrize("kind", sorted(TEXT_CONFIGS))
def test_a_hooked_model_equals_the_eager_one(kind: str) -> None:
    """The whole of transformers' model, run layer by layer through the operators."""
    config_class, model_class = text_classes(kind)
    model = model_class(config_class(**TEXT_CONFIGS[kind])).eval()
    randomize(model, 3)
    ids = torch.randint(110, 500, (1, 21), generator=torch.Generator().manual_seed(1))
    model.set_attn_implementation("eager")
    with torch.no_grad():
        expected = model.model(input_ids=ids).last_hidden_state
        model.set_attn_implementation(attention_ops.IMPLEMENTATION)
        with attention_ops.custom_ops():
            result = _run_layers(model.model, ids)
    torch.testing.assert_close(result, expected, atol=2e-5, rtol=1e-4)


def _run_layers(model: Any, ids: torch.Tensor) -> torch.Tensor:
    config, length = model.config, ids.shape[1]
    hidden = model.embed_tokens(ids)
    per_layer = None
    if getattr(config, "hidden_size_per_layer_input", 0):
        per_layer = model.project_per_layer_inputs(hidden, model.get_per_layer_inputs(ids))
    positions = torch.arange(length)[None]
    last, total = torch.tensor([length - 1], dtype=torch.int32), torch.tensor(length, dtype=torch.int32)
    donors: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for index, (layer, layer_type) in enumerate(zip(model.layers, config.layer_types, strict=True)):
        shape = config.per_layer_config[index]
        empty = torch.zeros(1, shape.num_key_value_heads, 0, shape.head_dim)
        shared = layer.self_attn.is_kv_shared_layer
        past = donors[layer_type] if shared else (empty, empty)
        with attention_ops.attention_context(attention_ops.AttentionContext(*past, last, total)) as context:
            hidden = layer(
                hidden,
                **({} if per_layer is None else {"per_layer_input": per_layer[:, :, index]}),
                shared_kv_states={layer_type: past},
                position_embeddings=model.rotary_emb(hidden, positions, layer_type),
                attention_mask=None,
                **{CACHE_ARGUMENT: _Cache()},
            )
        if context.present is not None:
            donors[layer_type] = context.present
    return model.norm(hidden)
