"""Checkpoint to model folder: ``main.py convert``."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from inference.cancellation import CancelToken
from inference.errors import (
    CheckpointError,
    DiskSpaceError,
    ForeignFileError,
    OutOfMemoryError,
    UnsupportedModelError,
)
from inference.export.checkpoint import Checkpoint, building_of
from inference.export.drafter import DRAFTER, build_drafter, drafter_plan
from inference.export.drafter_checkpoint import DrafterCheckpoint, cache_shapes, open_drafter
from inference.export.graph_files import (
    ConversionCancelled,
    Progress,
    Reporter,
    check_room,
    external_data,
    save_graph,
    weight_bytes,
    write_json,
)
from inference.export.half_precision import to_half_precision
from inference.export.portable import HEAD_MULTIPLE, to_standard_operators, write_odd_attention_out
from inference.export.processor_files import processor_files
from inference.export.quantize import BLOCK_SIZE
from inference.export.recipes import RECIPES, GraphRecipe
from inference.export.safetensors_files import read_object
from inference.export.staging import Staging, conversion_key
from inference.export.stitching import GraphBuilder
from inference.export.weights import PRECISIONS, HeadPrecision, Precision, WeightPlan
from inference.foreign_files import read_bytes
from inference.version import __version__

__all__ = [
    "SUFFIXES",
    "ConversionCancelled",
    "Progress",
    "check_room",
    "convert_checkpoint",
    "origin",
    "save_graph",
    "weight_bytes",
    "write_json",
]

SUFFIXES: dict[Precision, str] = {
    "q4": "_q4",
    "q8": "_quantized",
    "q4f16": "_q4f16",
    "fp16": "_fp16",
    "fp32": "",
}
"""What the ecosystem appends to a graph's name, by precision."""

_HALF: tuple[Precision, ...] = ("q4f16", "fp16")
_REQUIRED_FILES = ("tokenizer.json",)
_COPIED_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
)
_MOST_COPIED = 256 << 20
"""Bytes of a file that is copied as it is; the largest tokenizer has 32 MB."""
_HASH_PIECE = 1 << 24


def convert_checkpoint(
    checkpoint: Path,
    out: Path,
    precision: Precision = "q4",
    progress: Progress | None = None,
    drafter: Path | None = None,
    *,
    block_size: int = BLOCK_SIZE,
    symmetric: bool = True,
    lm_head: HeadPrecision | None = None,
    portable: bool = False,
    cancel: CancelToken | None = None,
    fresh: bool = False,
) -> Path:
    """Convert a Gemma 4 checkpoint to a model folder.

    The graphs are built from the configuration without weights; then the weights stream through quantisation into the
    files, some rows at a time. ``out`` appears only when it is complete. Until then the files grow in a hidden folder
    beside it; graphs that were finished when the conversion was interrupted are there for the next run.

    Args:
        checkpoint: folder with ``config.json``, safetensors files and ``tokenizer.json``.
        out: the new folder; must not exist yet, or be empty.
        precision: ``q4`` (blockwise int4), ``q8`` (blockwise int8), ``q4f16`` (blockwise int4, float16 activations and
            KV cache), ``fp16`` or ``fp32``.
        progress: called with the name of the stage, the fraction of it that is done, and details.
        drafter: folder of the model's drafter, which is converted with it.
        block_size: weights that share a scale: 16, 32, 64, 128 or 256.
        symmetric: whether blocks go without zero points.
        lm_head: ``q8`` to keep the matrix that makes logits in 8 bits; ``None``: as the other matrices.
        portable: write graphs in operators of the ONNX standard alone, for runtimes other than ONNX Runtime; slower
            there. Not for ``q4f16`` and ``fp16``.
        cancel: stops the conversion.
        fresh: do not go on with what an interrupted run left.

    Returns:
        ``out``.

    Raises:
        CheckpointError: the checkpoint is missing, incomplete or damaged, or ``out`` is in use.
        UnsupportedModelError: it is not a Gemma 4 that can be converted, or the drafter was made for another model.
        DiskSpaceError: the disk lacks room for the result.
        ConversionCancelled: ``cancel`` was set.
    """
    report = Reporter(progress, cancel)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if portable and precision in _HALF:
        raise UnsupportedModelError(
            f"Portable graphs compute in float32 only: choose --precision q4, q8 or fp32, or convert to {precision} "
            "with --provider cpu or cuda."
        )
    _check_out(out)
    source = Checkpoint(checkpoint)
    copied = {name: content for name in _COPIED_FILES if (content := _copied(checkpoint / name)) is not None}
    if precision in _HALF and (odd := _odd_head(source)):
        raise UnsupportedModelError(
            f"The heads of this model have {odd} numbers, and in float16 there is no attention for heads whose size is "
            f"no multiple of {HEAD_MULTIPLE}. Choose --precision q4, q8 or fp32."
        )
    assistant = None if drafter is None else open_drafter(drafter, source.text_config)

    builds: dict[str, Callable[[], GraphBuilder]] = {
        recipe.name: _building(recipe, source, WeightPlan(source, precision, block_size, symmetric, lm_head), report)
        for recipe in RECIPES
        if recipe.applies(source)
    }
    if assistant is not None:
        builds[DRAFTER] = _building_drafter(assistant, precision, report)

    options = {"precision": precision, "block_size": block_size, "symmetric": symmetric}
    if lm_head is not None:
        options["lm_head"] = lm_head
    kept = {**options, "portable": portable}
    keys = [conversion_key(folder, kept) for folder in (checkpoint, drafter) if folder is not None]
    staging = _staging(out, " ".join(keys), fresh)
    try:
        files = _write_graphs(builds, staging, precision, portable, report)
        report("Hashing the checkpoint", 0.0)
        record = {**_record(source, options, builds, assistant, report), "operators": operators(portable)}
        for name, content in copied.items():
            (staging.path / name).write_bytes(content)
        for name, settings in processor_files(source, builds).items():
            write_json(staging.path / name, settings)
        write_json(staging.path / "config.json", _config(source.raw_config, files, staging.graphs, precision))
        write_json(staging.path / "larimar.json", record)
        staging.publish()
    except (KeyboardInterrupt, ConversionCancelled):
        staging.interrupt()
        raise
    except BaseException as error:
        staging.drop()
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise DiskSpaceError(
                f"The disk of {out.parent} is full. Nothing was written; make room and try again."
            ) from error
        if isinstance(error, OSError):
            raise _unwritable(out, error) from error
        if isinstance(error, MemoryError):
            raise OutOfMemoryError(
                "There is not enough memory for converting this checkpoint. Close other programs and try again."
            ) from error
        raise
    report("Done", 1.0)
    return out


def _write_graphs(
    builds: dict[str, Callable[[], GraphBuilder]],
    staging: Staging,
    precision: Precision,
    portable: bool,
    report: Reporter,
) -> list[str]:
    """Build and write what an earlier run has not; return the names of all files."""
    half = precision in _HALF
    builders: dict[str, GraphBuilder] = {}
    for name, build in builds.items():
        if not staging.has(f"{name}{SUFFIXES[precision]}.onnx"):
            builders[name] = build()
            if half:
                to_half_precision(builders[name])
            if portable:
                to_standard_operators(builders[name])
            else:
                write_odd_attention_out(builders[name])
    sizes = {name: weight_bytes(builder) for name, builder in builders.items()}
    staging.path.parent.mkdir(parents=True, exist_ok=True)
    check_room(staging.path.parent, sum(sizes.values()))
    staging.open()
    report.expect(sum(sizes.values()))
    for name in list(builders):
        file = f"{name}{SUFFIXES[precision]}.onnx"
        save_graph(builders.pop(name), staging.graphs / file, name, report)
        staging.finish(file)
    return [file for name in builds for file in staging.files(f"{name}{SUFFIXES[precision]}.onnx")]


def _building(
    recipe: GraphRecipe, source: Checkpoint, plan: WeightPlan, report: Reporter
) -> Callable[[], GraphBuilder]:
    stage = f"Tracing {recipe.name.replace('_', ' ')}"

    def build() -> GraphBuilder:
        with building_of(source.folder):
            return recipe.build(source, plan, lambda done: report(stage, done))

    return build


def _building_drafter(source: DrafterCheckpoint, precision: Precision, report: Reporter) -> Callable[[], GraphBuilder]:
    def build() -> GraphBuilder:
        with building_of(source.folder):
            return build_drafter(source, drafter_plan(source, precision), lambda done: report("Tracing drafter", done))

    return build


def _copied(file: Path) -> bytes | None:
    """Return the content of a file that goes into the folder as it is; ``None`` where there is none.

    Raises:
        CheckpointError: it is missing and must not be, or is no regular file of a sensible size.
    """
    try:
        return read_bytes(file, _MOST_COPIED)
    except ForeignFileError as error:
        if not error.missing or file.is_symlink():
            raise CheckpointError(f"{error} The checkpoint is damaged. Download it again.") from error
        if file.name in _REQUIRED_FILES:
            raise CheckpointError(f"{file} is missing. Give the folder that holds the whole checkpoint.") from error
        return None


def _odd_head(source: Checkpoint) -> int | None:
    """Return a size of heads that ONNX Runtime's attention does not take, if there is one."""
    with building_of(source.folder):
        sizes = [size for _, size in cache_shapes(source.text_config).values()]
    return next((size for size in sizes if size % HEAD_MULTIPLE), None)


def _staging(out: Path, key: str, fresh: bool) -> Staging:
    try:
        return Staging(out, key, fresh)
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> CheckpointError:
    where = error.filename or out
    return CheckpointError(f"{out} cannot be written: {error.strerror or error} ({where}). Choose another folder.")


def _check_out(out: Path) -> None:
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise _unwritable(out, error) from error
    if taken:
        raise CheckpointError(f"{out} exists already. Choose another folder for the converted model, or remove it.")


def _config(raw: dict[str, Any], files: Iterable[str], folder: Path, precision: Precision) -> dict[str, Any]:
    """Return config.json with the hints that transformers.js needs to find the graphs and their weights."""
    kept = {key: value for key, value in raw.items() if key != "quantization_config"}
    hints = {"dtype": precision, "use_external_data_format": external_data(files, folder)}
    return {**kept, "transformers.js_config": hints}


def operators(portable: bool) -> str:
    """Return what larimar.json says under ``operators``: whose the graphs are made of."""
    return "onnx" if portable else "onnxruntime"


def _record(
    source: Checkpoint,
    options: dict[str, Any],
    graphs: Iterable[str],
    drafter: Checkpoint | None,
    report: Progress,
) -> dict[str, Any]:
    """Return what larimar.json says about where the folder came from."""
    own = source.folder / "larimar.json"
    carried = read_object(own) if own.exists() else {}
    quantized = options["precision"] not in ("fp16", "fp32")
    return {
        **{key: carried[key] for key in ("name", "demo", "most_image_soft_tokens") if key in carried},
        "converter": f"larimar {__version__}",
        "source": origin(source, report),
        **({} if drafter is None else {"drafter": origin(drafter, report)}),
        "quantization": options if quantized else {"precision": options["precision"]},
        "left_out": [
            graph.replace("_", " ")
            for key, graph in (("vision_config", "vision_encoder"), ("audio_config", "audio_encoder"))
            if source.raw_config.get(key) and graph not in graphs
        ],
    }


def origin(source: Checkpoint, report: Progress | None = None) -> dict[str, Any]:
    """Return what larimar.json says about a checkpoint: its name and the hashes of its files."""
    files = source.files
    total, done = max(1, sum(file.stat().st_size for file in files)), 0
    hashes = {}
    for file in files:
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while piece := stream.read(_HASH_PIECE):
                digest.update(piece)
                done += len(piece)
                if report is not None:
                    report("Hashing the checkpoint", done / total)
        hashes[file.name] = digest.hexdigest()
    return {"name": source.name, "sha256": hashes}
