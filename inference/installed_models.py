"""The model folders on this machine: ours, those that the user added, and what lies in the Hugging Face cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from inference.errors import LarimarError
from inference.foreign_names import display_name
from inference.graphs.loading import weight_files
from inference.model_folder import ModelFolder

Origin = Literal["demo", "ours", "added", "hub cache"]
_GRAPHS: Final = ("decoder_model_merged", "embed_tokens", "vision_encoder", "audio_encoder", "drafter")
_DEMO: Final = Path(__file__).resolve().parent.parent / "resources" / "demo_model"
_PRECISIONS: Final = {"_q4": "4 bit", "_quantized": "8 bit", "_q4f16": "4 bit", "_fp16": "16 bit", "": "32 bit"}


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A folder with a model, or with what should be one."""

    path: Path
    name: str
    origin: Origin
    problem: str = ""
    """Why it cannot be loaded, as a sentence for the user; empty when nothing is wrong as far as can be seen."""
    demo: bool = False
    takes: frozenset[str] = frozenset()
    """What it takes besides text: of "image", "audio", "video"."""
    drafter: bool = False
    bytes: int = 0
    """On disk, of the graphs that would be loaded."""
    context: int = 0
    precision: str = ""


def installed_models(ours: Path, added: Iterable[Path] = (), hub_cache: Path | None = None) -> list[InstalledModel]:
    """Return what is on the disk: the demo first, then the rest by name. Reads only small files, but many.

    Args:
        ours: folder into which the program downloads; each folder in it is a model.
        added: model folders that the user named; one that is gone is listed with its problem.
        hub_cache: Hugging Face's cache; ``None`` asks its environment variables.
    """
    found = {_key(_DEMO): look_at(_DEMO, "demo")}
    for path in _folders(ours):
        found.setdefault(_key(path), look_at(path, "ours"))
    for path in added:
        found.setdefault(_key(path), look_at(path, "added"))
    for path in _in_hub_cache(hub_cache_folder() if hub_cache is None else hub_cache):
        found.setdefault(_key(path), look_at(path, "hub cache"))
    demo, *others = found.values()
    return [demo, *sorted(others, key=lambda model: model.name.casefold())]


def look_at(path: Path, origin: Origin) -> InstalledModel:
    """Return what can be said of a folder without loading it."""
    name = display_name(_name_in_cache(path) if origin == "hub cache" else path.name)
    try:
        folder = ModelFolder.open(path)
        graphs = [folder.graph(graph) for graph in _GRAPHS if graph in _GRAPHS[:2] or folder.find(graph)]
        files = [*graphs, *(data for graph in graphs for data in weight_files(graph))]
        size = sum(file.stat().st_size for file in files)
        empty = next((file for file in files if file.stat().st_size == 0), None)
    except LarimarError as error:
        return InstalledModel(path, name, origin, str(error))
    except OSError as error:
        return InstalledModel(path, name, origin, f"{path} cannot be read: {error.strerror or error}.")
    problem = "" if empty is None else f"{empty} is empty: the folder is not whole. Download it again, or remove it."
    return InstalledModel(
        path=path,
        name=name if origin == "hub cache" else folder.name,
        origin=origin,
        problem=problem,
        demo=folder.demo,
        takes=folder.modalities,
        drafter=folder.find("drafter") is not None,
        bytes=size,
        context=folder.context_length,
        precision=_PRECISIONS.get(folder.suffix, ""),
    )


def remove_model(model: InstalledModel) -> None:
    """Delete a model of ours from the disk.

    Raises:
        LarimarError: it is not one that the program has downloaded, or cannot be deleted.
    """
    if model.origin != "ours":
        raise LarimarError(f"{model.path} was not downloaded by Larimar and stays where it is.")
    try:
        # Renamed first, so that what is left of a deletion that is interrupted is no model.
        doomed = model.path.with_name(f".removing-{model.path.name}")
        os.replace(model.path, doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise LarimarError(f"{model.path} cannot be deleted: {error.strerror or error}.") from error


def hub_cache_folder() -> Path:
    """Return where Hugging Face's libraries keep what they download."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _in_hub_cache(cache: Path) -> list[Path]:
    """Return the newest snapshot of each repository in the cache that holds a graph of a decoder."""
    found = []
    for repository in _folders(cache):
        if not repository.name.startswith("models--"):
            continue
        snapshots = [
            path for path in _folders(repository / "snapshots") if any(path.glob("onnx/decoder_model_merged*"))
        ]
        if snapshots:
            newest = max(snapshots, key=lambda path: path.stat().st_mtime)
            found.append(newest)
    return found


def _name_in_cache(path: Path) -> str:
    return path.parent.parent.name.removeprefix("models--").replace("--", "/").rpartition("/")[2]


def _key(path: Path) -> str:
    return os.path.realpath(path)
