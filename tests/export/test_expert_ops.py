"""The mixture of experts as an operator, against transformers' own loop."""

from __future__ import annotations

import pytest
import torch
from fixtures_checkpoints import TEXT_CONFIGS, randomize, text_classes

from inference.export import expert_ops


@pytest.mark.parametrize("tokens", [1, 5, 40])
def test_experts_equal_transformers(tokens: int) -> None:
    config_class, model_class = text_classes("moe")
    model = model_class(config_class(**TEXT_CONFIGS["moe"])).eval()
    randomize(model, 2)
    layer = model.model.layers[0]
    states = torch.randn(tokens, 64, generator=torch.Generator().manual_seed(tokens))
    with torch.no_grad():
        _, shares, chosen = layer.router(states)
        expected = layer.experts(states, chosen, shares)
        with expert_ops.expert_ops():
            result = layer.experts(states, chosen, shares)
    torch.testing.assert_close(result, expected)
    assert expected.abs().max() > 0.1


def test_shapes_without_data_agree_with_the_real_ones() -> None:
    arguments = (
        torch.randn(6, 8),
        torch.randint(0, 4, (6, 2)),
        torch.rand(6, 2),
        torch.randn(4, 20, 8),
        torch.randn(4, 8, 10),
    )
    torch.library.opcheck(expert_ops.experts, arguments, test_utils=("test_schema", "test_faketensor"))
