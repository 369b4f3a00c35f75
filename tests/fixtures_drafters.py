"""Tiny random drafters for the tiny targets of :mod:`fixtures_checkpoints`."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures_checkpoints import FULL, SLIDING, TEXT_CONFIGS, randomize, text_classes

from inference.model_folder import ModelFolder

DRAFTERS: dict[str, dict[str, Any]] = {
    # as E2B's: ordered embeddings
    "e2b": {"use_ordered_embeddings": True, "num_centroids": 32, "centroid_intermediate_top_k": 5},
    # as 31B's: dense head
    "31b": {"hidden_size": 32},
    # ordered embeddings with a width that no block divides; layers in another order
    "odd": {
        "hidden_size": 40,
        "layer_types": [SLIDING, FULL, FULL],
        "use_ordered_embeddings": True,
        "num_centroids": 16,
        "centroid_intermediate_top_k": 2,
    },
    # as 26B-A4B's: a dense drafter, though its target has experts
    "moe": {},
    # as 12B's: transformers has classes of its own for it
    "unified": {},
}
"""What differs from a drafter of four layers that is as wide as its target, by the target's kind."""

_OWN_KEYS = ("use_ordered_embeddings", "num_centroids", "centroid_intermediate_top_k")


def drafter_classes(kind: str) -> tuple[Any, Any, Any]:
    """Return transformers' text configuration, configuration and model class."""
    import transformers

    prefix = "Gemma4Unified" if kind == "unified" else "Gemma4"
    names = ("TextConfig", "AssistantConfig", "AssistantForCausalLM")
    return tuple(getattr(transformers, f"{prefix}{name}") for name in names)  # type: ignore[return-value]


def build_drafter_checkpoint(folder: Path, kind: str, target: Any, seed: int = 1, **overrides: Any) -> Path:
    """Write a random drafter in Hugging Face layout, float32.

    A drafter as wide as its target is made to guess that the last token comes again, disturbed by its layers; tiny
    random targets do repeat themselves, so that some drafts are right and some are wrong.

    Args:
        folder: to write.
        kind: of the target.
        target: the target as transformers' model, whose embeddings such a drafter takes over.
        seed: of the weights.
        **overrides: of the configuration.
    """
    import torch

    from inference.export.reference_fixes import kv_sharing_fixed

    text_class, config_class, model_class = drafter_classes(kind)
    sizes = {**DRAFTERS[kind], **overrides}
    own = {key: sizes.pop(key) for key in _OWN_KEYS if key in sizes}
    text = {
        **TEXT_CONFIGS[kind],
        "intermediate_size": 48,
        "layer_types": [SLIDING, SLIDING, SLIDING, FULL],
        "final_logit_softcapping": None,
        "use_bidirectional_attention": None,
        **sizes,
    }
    for key in ("enable_moe_block", "num_experts", "top_k_experts", "moe_intermediate_size"):
        text.pop(key, None)
    text["num_hidden_layers"] = text["num_kv_shared_layers"] = len(text["layer_types"])
    if kind != "unified":
        text.update(hidden_size_per_layer_input=0, vocab_size_per_layer_input=0, use_double_wide_mlp=False)
    backbone = TEXT_CONFIGS[kind]["hidden_size"]
    config = config_class(text_config=text_class(**text), backbone_hidden_size=backbone, **own)
    with kv_sharing_fixed():
        model = model_class(config).eval()
    randomize(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        if model.masked_embedding is not None:
            model.masked_embedding.token_ordering.copy_(torch.randperm(model.vocab_size, generator=generator))
        if model.hidden_size == backbone:
            _guess_repetition(model, target)
    model.save_pretrained(folder)
    return folder


def _guess_repetition(model: Any, target: Any) -> None:
    import torch

    size = model.hidden_size
    model.model.embed_tokens.weight.copy_(target.get_input_embeddings().weight)
    model.pre_projection.weight[:, :size] += torch.eye(size)
    model.post_projection.weight += torch.eye(size)
    model.model.norm.weight.fill_(1)
    for layer in model.model.layers:
        layer.layer_scalar.fill_(1)
        for norm in (layer.post_attention_layernorm, layer.post_feedforward_layernorm):
            norm.weight.mul_(0.2)
    if model.masked_embedding is not None:
        members = model.lm_head.weight[model.masked_embedding.token_ordering]
        model.masked_embedding.centroids.weight.copy_(members.view(model.config.num_centroids, -1, size).sum(1))


@dataclass(frozen=True)
class Pair:
    """A target with its drafter: our folder and transformers' models, both from the same checkpoints."""

    kind: str
    folder: ModelFolder
    target: Any
    drafter: Any

    def open_graph(self) -> Any:
        from inference.graphs.session import open_session

        return open_session(self.folder.graph("drafter"), "cpu", threads=1)

    def greedy(self, prompt: list[int], count: int) -> list[int]:
        import torch

        tokens = self.target.generate(
            torch.tensor([prompt]), max_new_tokens=count, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        return list(tokens[0, len(prompt) :].tolist())


def build_pair(kind: str, converted: Any, root: Path) -> Pair:
    """Add a drafter to a copy of a converted checkpoint.

    Args:
        kind: of the target.
        converted: with the attributes ``checkpoint`` and ``folder``.
        root: empty folder to write into.
    """
    from inference.export.add_drafter import add_drafter
    from inference.export.reference_fixes import kv_sharing_fixed

    with warnings.catch_warnings(), kv_sharing_fixed():
        warnings.simplefilter("ignore")
        target = text_classes(kind)[1].from_pretrained(converted.checkpoint).eval()
        checkpoint = build_drafter_checkpoint(root / "drafter", kind, target)
        drafter = drafter_classes(kind)[2].from_pretrained(checkpoint).eval()
    for model in (target, drafter):
        model.set_attn_implementation("eager")
    folder = Path(shutil.copytree(converted.folder, root / "folder"))
    add_drafter(checkpoint, folder)
    return Pair(kind, ModelFolder.open(folder), target, drafter)
