"""The Gemma 4 models that can be had, and what each needs: ``resources/catalogue.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

CATALOGUE = Path(__file__).resolve().parent.parent / "resources" / "catalogue.json"


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model of the family."""

    id: str
    """Also the name of the folder that a download becomes."""
    name: str
    repository: str
    """Where its ONNX folder is published on the Hugging Face Hub; empty when it is not, so that the user must convert
    :attr:`checkpoint`."""
    checkpoint: str
    """The original checkpoint on the Hub, where it is to be converted; empty otherwise."""
    suffix: str
    """Which precision of the graphs to take, as the suffix of their names."""
    takes: frozenset[str]
    """What it takes besides text: of "image", "audio", "video"."""
    bytes: int
    """Size on disk, roughly; the exact size is known once the Hub was asked."""
    memory: int
    """Memory that it needs while it answers, roughly, in bytes."""
    context: int
    """Most tokens of a conversation."""
    about: str
    licence: str
    terms: str
    """Address of the licence."""
    author: str


def load_catalogue(file: Path = CATALOGUE) -> tuple[CatalogueModel, ...]:
    """Return the models, smallest first."""
    content = json.loads(file.read_text(encoding="utf-8"))
    models = tuple(
        CatalogueModel(
            id=entry["id"],
            name=entry["name"],
            repository=entry.get("repository", ""),
            checkpoint=entry.get("checkpoint", ""),
            suffix=entry.get("suffix", "_q4"),
            takes=frozenset(entry["takes"]),
            bytes=int(entry["bytes"]),
            memory=int(entry["memory"]),
            context=int(entry["context"]),
            about=entry["about"],
            licence=content["licence"],
            terms=content["terms"],
            author=content["author"],
        )
        for entry in content["models"]
    )
    return tuple(sorted(models, key=lambda model: model.bytes))
