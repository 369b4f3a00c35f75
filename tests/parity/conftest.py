"""Random checkpoints, converted once per session, and transformers' own model of each."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the parity tests need the export extra")
pytest.importorskip("transformers", reason="the parity tests need the export extra")

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from fixtures_checkpoints import build_checkpoint, text_classes
from fixtures_drafters import build_pair
from fixtures_encoders import encoder_factory

from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder

torch.set_num_threads(1)  # tiny models: threads cost more than they give

KINDS = ("e2b", "31b", "odd", "moe", "unified")


@dataclass(frozen=True)
class Converted:
    """A checkpoint, our conversion of it, and the reference."""

    checkpoint: Path
    folder: Path
    reference: Any

    def open(self) -> LanguageModel:
        return LanguageModel.open(ModelFolder.open(self.folder), provider="cpu", threads=1)

    def reference_logits(self, ids: list[int]) -> Any:
        """Float32 [len(ids), V]."""
        with torch.no_grad():
            return self.reference(input_ids=torch.tensor([ids])).logits[0].numpy()

    def reference_greedy(self, ids: list[int], count: int) -> list[int]:
        with torch.no_grad():
            tokens = self.reference.generate(
                torch.tensor([ids]), max_new_tokens=count, do_sample=False, eos_token_id=None, pad_token_id=0
            )
        return tokens[0, len(ids) :].tolist()


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``converted(kind, precision)``: built once, then remembered."""
    from inference.export.convert import convert_checkpoint

    @cache
    def checkpoint(kind: str) -> Path:
        return build_checkpoint(tmp_path_factory.mktemp(kind) / "checkpoint", kind)

    @cache
    def make(kind: str, precision: str = "fp32") -> Converted:
        source = checkpoint(kind)
        folder = convert_checkpoint(source, tmp_path_factory.mktemp(kind) / precision, precision)  # type: ignore[arg-type]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reference = text_classes(kind)[1].from_pretrained(source).eval()
        reference.set_attn_implementation("eager")
        return Converted(source, folder, reference)

    return make


@pytest.fixture(scope="session")
def drafted(converted: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``drafted(kind, precision)``: a checkpoint with a drafter, built once, then remembered."""

    @cache
    def make(kind: str, precision: str = "fp32") -> Any:
        return build_pair(kind, converted(kind, precision), tmp_path_factory.mktemp(f"{kind}_drafted"))

    return make


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``encoders(kind, precision)``: the encoders of a multimodal checkpoint, built once, then remembered."""
    return encoder_factory(tmp_path_factory.mktemp("encoders"))
