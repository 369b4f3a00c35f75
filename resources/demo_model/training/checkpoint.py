"""The Hugging Face folder that ``main.py convert`` reads, and the state from which training resumes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from . import tokenizer as tokenizers_
from .architecture import GENERATION, IMAGE_SOFT_TOKENS
from .quantisation import round_model
from .rendering import TEMPLATE_PATH

RECORD = {"name": "Larimar demo", "demo": True, "most_image_soft_tokens": 140}
"""``larimar.json``, which the conversion carries over into the model folder."""


PROCESSOR = {
    "processor_class": "Gemma4Processor",
    "audio_ms_per_token": 40,
    "audio_seq_length": 750,
    "image_seq_length": IMAGE_SOFT_TOKENS,
    "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor", "sampling_rate": 16000},
    "image_processor": {"image_processor_type": "Gemma4ImageProcessor", "max_soft_tokens": IMAGE_SOFT_TOKENS},
    "video_processor": {"video_processor_type": "Gemma4VideoProcessor", "max_soft_tokens": 70, "num_frames": 32},
}
"""``processor_config.json``; what it leaves out is transformers' default."""


def write_checkpoint(model: Any, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the model as a Hugging Face checkpoint, its language model with int4 weights.

    An older checkpoint at ``folder`` is replaced at once. A model with eyes and ears takes its clipping bounds along,
    see :mod:`.clipping`.
    """
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    sees = hasattr(copy.model, "language_model")
    round_model(copy.model.language_model if sees else copy)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    copy.save_pretrained(part)
    tokenizer.save(str(part / "tokenizer.json"))
    shutil.copyfile(TEMPLATE_PATH, part / "chat_template.jinja")
    _write_json(part / "tokenizer_config.json", tokenizers_.configuration(tokenizer))
    _write_json(part / "generation_config.json", GENERATION)
    _write_json(part / "larimar.json", RECORD)
    if sees:
        _write_json(part / "processor_config.json", PROCESSOR)
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def save_state(path: Path, **state: Any) -> None:
    """Write the training state, whole or not at all."""
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    os.replace(part, path)


def load_state(path: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote."""
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
