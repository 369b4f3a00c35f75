"""The audio tower: transformers' own class, a head for its first training, and its file."""

from __future__ import annotations

from pathlib import Path
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..architecture import audio_configuration, configuration
from ..checkpoint import load_state, save_state
from .corpus import FOLDER
from .pronunciation import PHONES
from .transcripts import CLASSES

TOWER, EMBEDDER = "model.audio_tower.", "model.embed_audio."
"""What names begin with in the state of a whole model."""
WEIGHTS = FOLDER / "tower.pt"
"""The newest weights of the tower that are good enough to go on from."""


class Ears(nn.Module):
    """The audio tower with two linear heads: characters, for connectionist temporal classification, and phones.

    The heads read what the language model's embedder does: the soft tokens, scaled to mean square 1. The embedder is
    here too, for what the language model is to find in them.
    """

    vocabulary: torch.Tensor
    """The language model's embeddings [V, H], which stay as they are; zeros until :meth:`join`."""

    def __init__(self) -> None:
        from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModel, Gemma4MultimodalEmbedder

        super().__init__()
        config = audio_configuration()
        config.use_clipped_linears = False  # the bounds are infinite: leaving them out only saves time
        self.tower = speed_up(Gemma4AudioModel(config))
        begin(self.tower)
        self.head = nn.Linear(config.output_proj_dims, CLASSES)
        self.phones = nn.Linear(config.output_proj_dims, len(PHONES))
        text = configuration()
        self.embedder = Gemma4MultimodalEmbedder(config, text)
        self.register_buffer("vocabulary", torch.zeros(text.vocab_size, text.hidden_size))

    def join(self, weights: dict[str, torch.Tensor]) -> None:
        """Take tower, embedder and vocabulary of a whole model's state."""
        for part, prefix in ((self.tower, TOWER), (self.embedder, EMBEDDER)):
            some = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
            part.load_state_dict({name: some[name] for name in part.state_dict()})
        self.vocabulary.copy_(weights["model.language_model.embed_tokens.weight"])

    def parts(self) -> dict[str, torch.Tensor]:
        """Return the weights that a whole model takes over, named as there."""
        named = ((self.tower, TOWER), (self.embedder, EMBEDDER))
        return {prefix + name: value.detach() for part, prefix in named for name, value in part.state_dict().items()}

    def forward(
        self, features: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what is heard of features float32 [B, F, 128] with a mask, bool [B, F].

        That is log probabilities of characters and phones, float32 [B, T, ·], soft tokens as the language model gets
        them, [B, T, H], and how many of the tokens count, int64 [B].
        """
        output = self.tower(features, mask)
        states = output.last_hidden_state.float()
        states = states * torch.rsqrt(states.square().mean(-1, keepdim=True) + 1e-6)
        characters, phones = (functional.log_softmax(head(states).float(), dim=-1) for head in (self.head, self.phones))
        soft = self.embedder(inputs_embeds=output.last_hidden_state)
        return characters, phones, soft, output.attention_mask.sum(-1)


@torch.no_grad()
def begin(tower: Any) -> None:
    """Set the weights of an untrained tower to where a short training can begin.

    Log-mel values are far from zero, and the first normalisation takes out how large they are: from filters drawn at
    random it would pass on little but their sums. So most filters begin as edges in time and pitch, and some as levels.
    The matrices are as large as their widths ask for, and each block begins with half of its say.
    """
    filters = tower.subsample_conv_projection.layer0.conv.weight
    filters -= filters.mean((2, 3), keepdim=True)
    filters *= 5
    levels = filters[:16]
    levels += torch.randn(len(levels), 1, 1, 1).sign() * 0.02 * (0.5 + torch.rand(len(levels), 1, 1, 1))
    for name, weight in tower.named_parameters():
        if "layers" in name and "linear" in name and weight.ndim >= 2:
            weight *= 35 * weight.shape[1] ** -0.5
        elif name.endswith(("post_layer_norm.weight", "norm_post_attn.weight")):
            weight.fill_(0.5)


def speed_up(tower: Any) -> Any:
    """Make the subsampling of a ``Gemma4AudioModel`` compute the same in less than half of the time; return it.

    transformers moves the channels to and fro around each normalisation, which takes longer than all that is computed.
    Here they stay last, the first convolution is one matrix product, and its padding is masked where it is small.
    """
    tower.subsample_conv_projection.forward = MethodType(_subsample, tower.subsample_conv_projection)
    return tower


def _subsample(self: Any, features: torch.Tensor, mask: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
    """Return soft tokens before the conformer, [B, T, hidden], and their mask, as transformers' own module does."""
    first, second = self.layer0, self.layer1
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else first.conv.weight.dtype
    if mask is not None:
        features = features * mask[:, :, None]
        mask = mask[:, ::2]
    # [B, T, bands, 3, 3] around every second frame and band
    around = functional.pad(features.to(dtype), (1, 1, 1, 1)).unfold(1, 3, 2).unfold(2, 3, 2).flatten(-2)
    if mask is not None:  # nothing in gives nothing out: neither the convolution nor the normalisation has a bias
        around = around * mask[:, :, None, None]
        mask = mask[:, ::2]
    states = _normalised(first.norm, around @ first.conv.weight.flatten(1).t().to(dtype))
    states = functional.conv2d(states.permute(0, 3, 1, 2), second.conv.weight.to(dtype), stride=2, padding=1)
    states = _normalised(second.norm, states.permute(0, 2, 3, 1))
    return self.input_proj_linear(states.flatten(-2)), mask


def _normalised(norm: nn.LayerNorm, states: torch.Tensor) -> torch.Tensor:
    """Return the layer's normalisation and activation over the last dimension."""
    return functional.relu(
        functional.layer_norm(states, norm.normalized_shape, norm.weight.to(states.dtype), None, norm.eps)
    )


def save_tower(tower: nn.Module, path: Path) -> None:
    """Write the tower's weights, named as in ``Gemma4AudioModel``; whole or not at all.

    The file is a state in the sense of :mod:`..checkpoint` too: ``joint --start audio:PATH`` reads it.
    """
    save_state(path, model={name: tensor.detach().float() for name, tensor in tower.state_dict().items()})


def load_tower(tower: nn.Module, path: Path = WEIGHTS) -> None:
    """Read what :func:`save_tower` wrote into a ``Gemma4AudioModel``, with or without clipping bounds.

    In the whole model that is ``model.model.audio_tower``. Raises ``RuntimeError`` when the shapes do not fit.
    """
    missing, unexpected = tower.load_state_dict(load_state(path)["model"], strict=False)
    missing = [name for name in missing if not name.endswith(("_min", "_max"))]
    if missing or unexpected:
        raise RuntimeError(f"{path} does not hold this tower: missing {missing[:3]}, unexpected {unexpected[:3]}")
