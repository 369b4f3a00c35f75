"""What a model folder on disk holds, and whether we can run it.

The layout is the ecosystem's (``config.json``, ``tokenizer.json``, ``onnx/decoder_model_merged_q4.onnx``, …); a
``larimar.json`` says more when we converted the folder ourselves.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from inference.errors import ForeignFileError, ModelFolderError, UnsupportedModelError
from inference.foreign_files import read_text
from inference.foreign_json import JsonLimits, read_json_object
from inference.foreign_names import display_name
from inference.media.image import BUDGETS, DEFAULT_BUDGET
from inference.model_config import check_config, check_generation_config, check_processor_config, check_record

SUFFIXES = ("_q4", "_quantized", "_q4f16", "_fp16", "")
"""Precisions by the suffix of a graph's name, the one that we would rather run first."""

_SUPPORTED_TYPES = ("gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text")
_NEEDED_GRAPHS = ("decoder_model_merged", "embed_tokens")
_LIMITS = JsonLimits(bytes=8 << 20, values=500_000)
_MOST_TEMPLATE = 1 << 20  # bytes; the sandbox takes less
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
        with contextlib.suppress(RuntimeError):  # "~somebody" who does not exist
            path = Path(path).expanduser()
        path = Path(path)
        if not os.path.isdir(path):  # Path.is_dir raises where a folder above cannot be entered
            raise ModelFolderError(f"There is no model folder {path}. Choose another folder.")
        config = _read_json(path / "config.json", check_config, needed=True)
        model_type = config.get("model_type")
        if model_type not in _SUPPORTED_TYPES:
            raise UnsupportedModelError(
                f"{path} holds a model of the type “{display_name(str(model_type))}”. Larimar runs Gemma 4; choose "
                "another folder."
            )
        if not _is_file(path / "tokenizer.json"):
            raise ModelFolderError(f"The model folder {path} lacks tokenizer.json. {_AGAIN}")
        return cls(
            path=path,
            config=config,
            generation_config=_read_json(path / "generation_config.json", check_generation_config),
            chat_template=_chat_template(path, _read_json(path / "tokenizer_config.json")),
            suffix=_find_suffix(path),
            record=_read_json(path / "larimar.json", check_record),
            processor_config=_read_json(path / "processor_config.json", check_processor_config),
        )

    @property
    def name(self) -> str:
        """Name to show: the recorded one, or the folder's."""
        return display_name(str(self.record.get("name") or "")) or display_name(self.path.absolute().name) or "Gemma"

    @property
    def demo(self) -> bool:
        """Whether this is the small model that ships with the program."""
        return bool(self.record.get("demo", False))

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of ``config.json`` that describes the language model."""
        text = self.config.get("text_config")
        return text if isinstance(text, dict) else self.config

    @property
    def context_length(self) -> int:
        """Number of positions the model was made for."""
        return int(self.text_config.get("max_position_embeddings") or 131_072)

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
        return next((file for file in files if _is_file(file)), None)


def default_model_folder() -> Path:
    """Return the folder to open when none is named: ``LARIMAR_MODEL``, or the demo model that ships with us."""
    chosen = os.environ.get("LARIMAR_MODEL")
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / "resources" / "demo_model"


def _find_suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if _is_file(path / "onnx" / f"decoder_model_merged{suffix}.onnx"):
            for graph in _NEEDED_GRAPHS:
                if not _is_file(path / "onnx" / f"{graph}{suffix}.onnx"):
                    raise ModelFolderError(f"The model folder {path} lacks onnx/{graph}{suffix}.onnx. {_AGAIN}")
            return suffix
    raise ModelFolderError(
        f"The folder {path} holds no ONNX graphs (onnx/decoder_model_merged….onnx). A Hugging Face checkpoint must be "
        "converted first: main.py convert CHECKPOINT OUT."
    )


def _chat_template(path: Path, tokenizer_config: dict[str, Any]) -> str:
    file = path / "chat_template.jinja"
    try:
        return read_text(file, _MOST_TEMPLATE)
    except ForeignFileError as error:
        if not error.missing or os.path.lexists(file):
            raise _damaged(error) from error
    template = tokenizer_config.get("chat_template", "")
    return template if isinstance(template, str) else ""


def _budget(found: object, otherwise: int) -> int:
    return found if isinstance(found, int) and found in BUDGETS else otherwise


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # Path.is_file raises where a folder above cannot be entered


def _read_json(
    path: Path, check: Callable[[dict[str, Any], Path], None] | None = None, *, needed: bool = False
) -> dict[str, Any]:
    """Return what a file holds, looked over; empty where there is none."""
    try:
        content = read_json_object(path, _LIMITS)
        if check is not None:
            check(content, path)
    except ForeignFileError as error:
        if not error.missing or os.path.lexists(path):  # a link to nowhere was meant to be a file
            raise _damaged(error) from error
        if not needed:
            return {}
        raise ModelFolderError(
            f"{path.parent} is not a model folder: {path.name} is missing. Choose another folder."
        ) from None
    return content


def _damaged(error: ForeignFileError) -> ModelFolderError:
    return ModelFolderError(f"{str(error).removesuffix('.')}: it is damaged. {_AGAIN}")
