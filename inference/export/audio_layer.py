"""One layer of the audio encoder, as it is traced: with what it needs of the tokens before those it is given.

A token depends on those of the last few hundred milliseconds and on none that follow: attention sees a window of
earlier tokens, the convolution is causal. So sound can be encoded while it is being recorded, if each layer hands on
the keys and values of its last tokens and the end of its convolution's input. Where there is nothing before, both are
zeros, which is what a whole clip begins with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import Gemma4AudioConfig


def streams(config: Gemma4AudioConfig) -> bool:
    """Whether no token depends on later ones; so it is in every published model."""
    return int(config.attention_context_right) <= 1  # itself


def window(config: Gemma4AudioConfig) -> int:
    """Return how many earlier tokens a block of queries is laid beside."""
    return int(config.attention_context_left) - 1


def state_rows(config: Gemma4AudioConfig) -> int:
    """Return the number of rows of a layer's state: keys, values, and the end of the convolution's input."""
    return 2 * window(config) + int(config.conv_kernel_size) - 1


class AudioLayer(torch.nn.Module):
    """A conformer layer that goes on from a state.

    Args:
        layer: transformers' layer.
        positions: number of relative positions.
    """

    def __init__(self, layer: Any, positions: int) -> None:
        super().__init__()
        self.layer = layer
        # keys of relative positions come from weights and constants alone: they are computed at conversion
        layer.self_attn.relative_k_proj = _Constant(positions, layer.self_attn.relative_k_proj.out_features)
        layer.self_attn.softcap = torch.tensor(layer.config.attention_logit_cap)

    def forward(
        self, hidden_states: torch.Tensor, invisible: torch.Tensor, past: torch.Tensor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Encode tokens.

        Args:
            hidden_states: [B, S, hidden].
            invisible: bool [B, 1, blocks, block, context], which keys a query must not see.
            past: the state after the tokens before, [1, rows, hidden], the same for all clips; None to do without.

        Returns:
            [B, S, hidden], and the new state, [B, rows, hidden], where one was given.
        """
        if past is not None:
            state = _State(self.layer, past)
            self.layer.self_attn._extract_block_context = state.block_context
            self.layer.lconv1d.depthwise_conv1d.forward = state.convolve
        output: torch.Tensor = self.layer(hidden_states, attention_mask=invisible, position_embeddings=hidden_states)
        return output if past is None else (output, torch.cat(state.present, dim=1))


class _State:
    """Stands in for the padding that transformers puts before keys, values and the convolution's input."""

    def __init__(self, layer: Any, past: torch.Tensor) -> None:
        config = layer.config
        self._attention, self._convolution = layer.self_attn, layer.lconv1d.depthwise_conv1d
        self._parts = list(past.split([window(config), window(config), config.conv_kernel_size - 1], dim=1))
        self.present: list[torch.Tensor] = []

    def _joined(self, states: torch.Tensor) -> torch.Tensor:
        """Prepend the next part of the past to [B, S, hidden], and keep the end for the next call."""
        past = self._parts.pop(0)
        joined = torch.cat([past.expand(states.shape[0], -1, -1), states], dim=1)
        self.present.append(joined[:, -past.shape[1] :])
        return joined

    def block_context(self, states: torch.Tensor) -> torch.Tensor:
        """As ``_extract_block_context``, which the layer calls for its keys, then for its values."""
        attention = self._attention
        joined = self._joined(states.flatten(2)).unflatten(2, (attention.num_heads, attention.head_dim))
        after = attention.max_future_horizon + attention.chunk_size - 1
        blocks = torch.nn.functional.pad(joined, (0, 0, 0, 0, 0, after))
        return torch.movedim(blocks.unfold(1, attention.context_size, attention.chunk_size), -1, 2)

    def convolve(self, states: torch.Tensor) -> torch.Tensor:
        """As the convolution's ``forward``, on [B, hidden, S]."""
        joined = self._joined(states.transpose(1, 2)).transpose(1, 2)
        return torch.nn.Conv1d.forward(self._convolution, joined)


class _Constant(torch.nn.Module):
    """A linear layer whose input is constant, with its output in place of its weight."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(rows, columns, device="meta"))

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.weight
