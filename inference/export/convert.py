"""Checkpoint to model folder: ``main.py convert``."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import onnx_ir as ir

from inference.errors import CheckpointError, DiskSpaceError
from inference.export.checkpoint import Checkpoint
from inference.export.drafter import DRAFTER, build_drafter, drafter_plan
from inference.export.drafter_checkpoint import open_drafter
from inference.export.quantize import BLOCK_SIZE
from inference.export.recipes import RECIPES, GraphRecipe
from inference.export.stitching import GraphBuilder
from inference.export.weights import PRECISIONS, Precision, WeightPlan
from inference.version import __version__

Progress = Callable[[str, float], None]

SUFFIXES: dict[Precision, str] = {"q4": "_q4", "q8": "_quantized", "fp32": ""}
"""What the ecosystem appends to a graph's name, by precision."""

_REQUIRED_FILES = ("tokenizer.json",)
_COPIED_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)
_ALIGNMENT = 4096  # tables are mapped into memory page by page


def convert_checkpoint(
    checkpoint: Path,
    out: Path,
    precision: Precision = "q4",
    progress: Progress | None = None,
    drafter: Path | None = None,
) -> Path:
    """Convert the text model of a Gemma 4 checkpoint to a model folder.

    The graph is built from the configuration without weights; then the weights stream through quantisation into the
    files, one tensor at a time. ``out`` appears only when it is complete.

    Args:
        checkpoint: folder with ``config.json``, safetensors files and ``tokenizer.json``.
        out: the new folder; must not exist yet, or be empty.
        precision: ``q4`` (blockwise int4), ``q8`` (blockwise int8) or ``fp32``.
        progress: called with the name of the stage and the fraction of it that is done.
        drafter: folder of the model's drafter, which is converted with it.

    Returns:
        ``out``.

    Raises:
        CheckpointError: the checkpoint is missing, incomplete or damaged, or ``out`` is in use.
        UnsupportedModelError: it is not a Gemma 4 that can be converted, or the drafter was made for another model.
        DiskSpaceError: the disk lacks room for the result.
    """
    report = progress or (lambda _stage, _fraction: None)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    _check_out(out)
    source = Checkpoint(checkpoint)
    for name in _REQUIRED_FILES:
        if not (checkpoint / name).exists():
            raise CheckpointError(f"{checkpoint / name} is missing. Give the folder that holds the whole checkpoint.")
    assistant = None if drafter is None else open_drafter(drafter, source.text_config)

    graphs = {
        recipe.name: _build(recipe, source, WeightPlan(source, precision), report)
        for recipe in RECIPES
        if recipe.applies(source)
    }
    if assistant is not None:
        graphs[DRAFTER] = build_drafter(
            assistant, drafter_plan(assistant, precision), lambda done: report("Tracing drafter", done)
        )

    out.parent.mkdir(parents=True, exist_ok=True)
    check_room(out.parent, sum(weight_bytes(builder) for builder in graphs.values()))
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        (staging / "onnx").mkdir()
        for name, builder in graphs.items():
            save_graph(builder, staging / "onnx" / f"{name}{SUFFIXES[precision]}.onnx", name, report)
        for name in _COPIED_FILES:
            if (checkpoint / name).exists():
                shutil.copyfile(checkpoint / name, staging / name)
        report("Writing the model card", 0.0)
        write_json(staging / "config.json", _config(source.raw_config, graphs, precision))
        write_json(staging / "larimar.json", _record(source, precision, graphs, assistant))
        staging.chmod(0o755)
        if out.exists():
            out.rmdir()
        staging.rename(out)
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise DiskSpaceError(
                f"The disk of {out.parent} is full. Nothing was written; make room and try again."
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    report("Done", 1.0)
    return out


def _build(recipe: GraphRecipe, source: Checkpoint, plan: WeightPlan, report: Progress) -> GraphBuilder:
    stage = f"Tracing {recipe.name.replace('_', ' ')}"
    return recipe.build(source, plan, lambda done: report(stage, done))


def _check_out(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} exists already. Choose another folder for the converted model, or remove it.")


def weight_bytes(builder: GraphBuilder) -> int:
    """Return the size of a graph's weights in its file."""
    return sum(
        value.const_value.nbytes for value in builder.graph.initializers.values() if value.const_value is not None
    )


def check_room(folder: Path, needed: int) -> None:
    """Raise :class:`DiskSpaceError` if the disk of ``folder`` lacks room for ``needed`` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed * 1.02 + (1 << 24):
        raise DiskSpaceError(
            f"The converted model needs {needed / 1e9:.1f} GB, but the disk of {folder} has {free / 1e9:.1f} GB left. "
            "Nothing was written; make room and try again."
        )


def save_graph(builder: GraphBuilder, path: Path, name: str, report: Progress) -> None:
    """Write a graph, its weights beside it, one tensor at a time."""
    stage = f"Writing {name.replace('_', ' ')}"

    def on_tensor(_: Any, info: Any) -> None:
        report(stage, (info.index + 1) / max(1, info.total))

    try:
        ir.save(
            builder.model(),
            path,
            external_data=f"{path.name}_data",
            callback=on_tensor,
            # one tensor at a time: values and scales of a matrix come from one quantisation, and memory stays bounded
            max_workers=1,
            max_in_flight_bytes=1 << 26,
            alignment=_ALIGNMENT,
        )
    except ir.serde.SerdeError as error:
        raise _innermost(error) from error


def _innermost(error: BaseException) -> BaseException:
    """Return what went wrong while a weight was read, from under the wrappings of the serialiser."""
    while isinstance(error, ir.serde.SerdeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _config(raw: dict[str, Any], graphs: dict[str, GraphBuilder], precision: Precision) -> dict[str, Any]:
    """Return config.json with the hint that transformers.js needs to find the external data."""
    files = {f"{name}{SUFFIXES[precision]}.onnx": 1 for name in graphs}
    kept = {key: value for key, value in raw.items() if key != "quantization_config"}
    return {**kept, "transformers.js_config": {"use_external_data_format": files}}


def _record(
    source: Checkpoint, precision: Precision, graphs: Iterable[str], drafter: Checkpoint | None
) -> dict[str, Any]:
    """Return what larimar.json says about where the folder came from."""
    own = source.folder / "larimar.json"
    carried = json.loads(own.read_text(encoding="utf-8")) if own.exists() else {}
    return {
        **{key: carried[key] for key in ("name", "demo") if key in carried},
        "converter": f"larimar {__version__}",
        "source": origin(source),
        **({} if drafter is None else {"drafter": origin(drafter)}),
        "quantization": {"precision": precision, **({} if precision == "fp32" else {"block_size": BLOCK_SIZE})},
        "left_out": [
            graph.replace("_", " ")
            for key, graph in (("vision_config", "vision_encoder"), ("audio_config", "audio_encoder"))
            if source.raw_config.get(key) and graph not in graphs
        ],
    }


def origin(source: Checkpoint) -> dict[str, Any]:
    """Return what larimar.json says about a checkpoint: its name and the hashes of its files."""
    return {
        "name": source.raw_config.get("_name_or_path") or source.folder.resolve().name,
        "sha256": {file.name: _sha256(file) for file in sorted(source.folder.glob("*.safetensors"))},
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON for people to read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
