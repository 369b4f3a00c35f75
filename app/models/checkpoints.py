"""A checkpoint folder at a glance, before it is converted; the conversion itself looks closer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication

from inference.errors import ForeignFileError
from inference.foreign_json import JsonLimits, read_json_object

translate = QCoreApplication.translate  # the name that lupdate looks for
_GEMMA: Final = "gemma4"
_MOST_CONFIG: Final = 16 << 20  # bytes; a config.json has some thousands


@dataclass(frozen=True, slots=True)
class CheckpointLook:
    """What a folder seems to hold."""

    path: Path
    name: str
    bytes: int = 0
    """Of its weights."""
    drafter: bool = False
    """Whether it is the drafter of a model, and no model."""
    problem: str = ""
    """Why it cannot be converted, as a sentence for the user; empty when nothing speaks against it."""


def look_at_checkpoint(path: Path) -> CheckpointLook:
    """Return what can be said of a folder from its ``config.json`` and its list of files; not for the GUI thread."""
    name = checkpoint_name(path)

    def no(sentence: str) -> CheckpointLook:
        return CheckpointLook(path, name, problem=sentence.format(folder=path))

    try:
        config_file = path / "config.json"
        if not config_file.is_file():
            return no(
                translate("Conversion", "{folder} holds no config.json. Choose the folder of the whole checkpoint.")
            )
        kind = str(read_json_object(config_file, JsonLimits(bytes=_MOST_CONFIG)).get("model_type", ""))
        weights = [file.stat().st_size for file in path.glob("*.safetensors")]
    except OSError as error:
        return no(translate("Conversion", "{folder} cannot be read:") + f" {error.strerror or error}.")
    except ForeignFileError:
        return no(translate("Conversion", "The config.json in {folder} is damaged. Download the checkpoint again."))
    if not kind.startswith(_GEMMA):
        return no(translate("Conversion", "{folder} holds no Gemma 4, which is all that Larimar converts."))
    if not weights and (path / "onnx").is_dir():
        return no(translate("Conversion", "{folder} is a model folder already: use “Add a folder…”."))
    if not weights:
        return no(translate("Conversion", "{folder} holds no weights (*.safetensors). Download the whole checkpoint."))
    return CheckpointLook(path, name, sum(weights), kind.endswith("_assistant"))


def checkpoint_name(path: Path) -> str:
    """Return the name of a checkpoint, as a name for a folder: that of its repository in Hugging Face's cache."""
    name = path.name
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        name = path.parent.parent.name.rpartition("--")[2]
    return re.sub(r"[^\w.+ -]+", "-", name).strip(" .-") or "model"
