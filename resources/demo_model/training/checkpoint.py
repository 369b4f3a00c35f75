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
from .architecture import GENERATION
from .quantisation import round_model
from .rendering import TEMPLATE_PATH

RECORD = {"name": "Larimar demo", "demo": True}
"""``larimar.json``, which the conversion carries over into the model folder."""


def write_checkpoint(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the model with int4 weights as a Hugging Face checkpoint, replacing an older one at ``folder`` at once."""
    from transformers import Gemma4ForCausalLM

    copy = Gemma4ForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    round_model(copy)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    copy.save_pretrained(part)
    tokenizer.save(str(part / "tokenizer.json"))
    shutil.copyfile(TEMPLATE_PATH, part / "chat_template.jinja")
    _write_json(part / "tokenizer_config.json", tokenizers_.configuration(tokenizer))
    _write_json(part / "generation_config.json", GENERATION)
    _write_json(part / "larimar.json", RECORD)
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
