"""What a model folder on disk holds, and whether we can run it.

The layout is the ecosystem's (``config.json``, ``tokenizer.json``, ``onnx/decoder_model_merged_q4.onnx``, …); a
``larimar.json`` says more when we converted the folder ourselves.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from inference.errors import ModelFolderError, UnsupportedModelError
from inference.media.image import BUDGETS, DEFAULT_BUDGET

SUFFIXES = ("_q4", "_quantized", "_q4f16", "_fp16", "")
"""Precisions by the suffix of a graph's name, the one that we would rather run first."""

_SUPPORTED_TYPES = ("gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text")
_NEEDED_GRAPHS = ("decoder_model_merged", "embed_tokens")
_AGAIN = "Convert or download the model again, or choose another folder."


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that was looked through; its graphs are not loaded yet."""

    path: Path
    config: dict[str, Any]
    """``config.json``."""
    generation_config: dict[str, Any]
    """``generation_config.json``; empty when the folder has none."""
    chat_template: str
    """Jinja source; empty when the model has no chat format."""
    suffix: str
    """Which precision of the graphs is used, as the suffix of their names."""
    record: dict[str, Any] = field(default_factory=dict)
    """``larimar.json``; empty for folders of others."""
    processor_config: dict[str, Any] = field(default_factory=dict)
    """``processor_config.json``; empty when the folder has none."""

    @classmethod
    def open(cls, path: Path | str) -> ModelFolder:
        """Look through a folder.

        Raises:
            ModelFolderError: it is missing, incomplete or damaged.
            UnsupportedModelError: it holds a model that is not Gemma 4.
        """
        path = Path(path).expanduser()
        if not path.is_dir():
            raise ModelFolderError(f"There is no model folder {path}. Choose another folder.")
        config = _read_json(path / "config.json")
        model_type = config.get("model_type")
        if model_type not in _SUPPORTED_TYPES:
            raise UnsupportedModelError(
                f"{path} holds a model of the type “{model_type}”. Larimar runs Gemma 4; choose another folder."
            )
        if not (path / "tokenizer.json").is_file():
            raise ModelFolderError(f"The model folder {path} lacks tokenizer.json. {_AGAIN}")
        optional = {
            name: _read_json(path / name) if (path / name).is_file() else {}
            for name in ("generation_config.json", "tokenizer_config.json", "processor_config.json", "larimar.json")
        }
        return cls(
            path=path,
            config=config,
            generation_config=optional["generation_config.json"],
            chat_template=_chat_template(path, optional["tokenizer_config.json"]),
            suffix=_find_suffix(path),
            record=optional["larimar.json"],
            processor_config=optional["processor_config.json"],
        )

    @property
    def name(self) -> str:
        """Name to show: the recorded one, or the folder's."""
        return str(self.record.get("name") or self.path.resolve().name)

    @property
    def demo(self) -> bool:
        """Whether this is the small model that ships with the program."""
        return bool(self.record.get("demo", False))

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of ``config.json`` that describes the language model."""
        text = self.config.get("text_config", self.config)
        return text if isinstance(text, dict) else self.config

    @property
    def context_length(self) -> int:
        """Number of positions the model was made for."""
        return int(self.text_config.get("max_position_embeddings", 131_072))

    @property
    def attention_windows(self) -> tuple[int | None, ...]:
        """By layer, how many positions it looks back at, its own included; None for all."""
        window = self.text_config.get("sliding_window")
        types = self.text_config.get("layer_types") or ()
        return tuple(int(window) if window and kind == "sliding_attention" else None for kind in types)

    @property
    def modalities(self) -> frozenset[str]:
        """What the model takes besides text: of "image", "audio", "video"; what it has encoders for."""
        taken = {"vision_encoder": ("image", "video"), "audio_encoder": ("audio",)}
        return frozenset(kind for graph, kinds in taken.items() if self.find(graph) for kind in kinds)

    @property
    def image_soft_tokens(self) -> int:
        """With how many soft tokens the model sees a picture, unless it is told otherwise."""
        images = self.processor_config.get("image_processor")
        return _budget(images.get("max_soft_tokens") if isinstance(images, dict) else None, DEFAULT_BUDGET)

    @property
    def most_image_soft_tokens(self) -> int:
        """With how many soft tokens the model can see a picture; only small models of our own say less than 1120."""
        return _budget(self.record.get("most_image_soft_tokens"), BUDGETS[-1])

    @property
    def tokenizer_path(self) -> Path:
        """``tokenizer.json``."""
        return self.path / "tokenizer.json"

    def fingerprint(self) -> str:
        """Return a short text that changes when a file changes that the model's answers depend on.

        Files are told by name, size and time of change; one that is missing is as good as changed. Costs microseconds
        a file, so that it can be asked for often.
        """
        digest = blake2b(digest_size=16)
        named = (
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
        )
        for path in [*(self.path / name for name in named), *sorted(self.path.glob("onnx/*.onnx*"))]:
            try:
                status = path.stat()
            except OSError:
                continue
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def graph(self, name: str) -> Path:
        """Return the file of the graph ``name`` ("decoder_model_merged", "vision_encoder", …).

        It has the folder's precision if there is one, else any other: published folders mix them.

        Raises:
            ModelFolderError: the folder has no such graph.
        """
        file = self.find(name)
        if file is None:
            raise ModelFolderError(f"The model folder {self.path} lacks onnx/{name}{self.suffix}.onnx. {_AGAIN}")
        return file

    def find(self, name: str) -> Path | None:
        """Return the file of a graph as :meth:`graph` does; None when the folder has no such graph."""
        files = (self.path / "onnx" / f"{name}{suffix}.onnx" for suffix in (self.suffix, *SUFFIXES))
        return next((file for file in files if file.is_file()), None)


def default_model_folder() -> Path:
    """Return the folder to open when none is named: ``LARIMAR_MODEL``, or the demo model that ships with us."""
    chosen = os.environ.get("LARIMAR_MODEL")
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / "resources" / "demo_model"


def _find_suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if (path / "onnx" / f"decoder_model_merged{suffix}.onnx").is_file():
            for graph in _NEEDED_GRAPHS:
                if not (path / "onnx" / f"{graph}{suffix}.onnx").is_file():
                    raise ModelFolderError(f"The model folder {path} lacks onnx/{graph}{suffix}.onnx. {_AGAIN}")
            return suffix
    raise ModelFolderError(
        f"The folder {path} holds no ONNX graphs (onnx/decoder_model_merged….onnx). A Hugging Face checkpoint must be "
        "converted first: main.py convert CHECKPOINT OUT."
    )


def _chat_template(path: Path, tokenizer_config: dict[str, Any]) -> str:
    file = path / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFolderError(f"{file} cannot be read: it is damaged. {_AGAIN}") from error
    template = tokenizer_config.get("chat_template", "")
    return template if isinstance(template, str) else ""


def _budget(found: object, otherwise: int) -> int:
    return found if isinstance(found, int) and found in BUDGETS else otherwise


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(
            f"{path.parent} is not a model folder: {path.name} is missing. Choose another folder."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} cannot be read: it is damaged. {_AGAIN}") from error
    if not isinstance(content, dict):
        raise ModelFolderError(f"{path} cannot be read: it is damaged. {_AGAIN}")
    return content
