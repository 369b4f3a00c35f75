"""Adds a drafter to a model folder that is there already, ours or another's."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import onnx

from inference.errors import DiskSpaceError, ModelFolderError, UnsupportedModelError
from inference.export.checkpoint import building_of, read_text_config
from inference.export.config_bounds import check_config
from inference.export.convert import (
    SUFFIXES,
    Progress,
    check_room,
    operators,
    origin,
    save_graph,
    weight_bytes,
    write_json,
)
from inference.export.drafter import DRAFTER, build_drafter, drafter_plan
from inference.export.drafter_checkpoint import open_drafter
from inference.export.families import FAMILIES
from inference.export.graph_files import Reporter
from inference.export.half_precision import to_half_precision
from inference.export.portable import to_standard_operators, write_odd_attention_out
from inference.model_folder import ModelFolder


def add_drafter(drafter: Path, folder: Path, progress: Progress | None = None) -> Path:
    """Convert a drafter and put it into the folder of its target, in the folder's own precision.

    The graph appears in the folder only when it is complete.

    Args:
        drafter: folder of the drafter's checkpoint.
        folder: the model folder.
        progress: called with the name of the stage and the fraction of it that is done.

    Returns:
        ``folder``.

    Raises:
        CheckpointError: the drafter is missing, incomplete or damaged.
        ModelFolderError: the model folder is missing or damaged, or has a drafter already.
        UnsupportedModelError: the drafter was made for another model, or cannot read this one's KV cache.
        DiskSpaceError: the disk lacks room for the result.
    """
    report = Reporter(progress)
    target = ModelFolder.open(folder)
    out = target.path / "onnx" / f"{DRAFTER}{target.suffix}.onnx"
    if out.exists():
        raise ModelFolderError(f"The model folder {folder} has a drafter already. To replace it, remove {out} first.")
    family = FAMILIES[target.config["model_type"]]
    check_config(target.config, folder / "config.json")
    source = open_drafter(drafter, read_text_config(target.config, family))
    precision = next((name for name, suffix in SUFFIXES.items() if suffix == target.suffix), None)
    cache_type = _cache_type(target.graph("decoder_model_merged"))
    if precision is None or cache_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
        raise UnsupportedModelError(
            f"The model in {folder} keeps its keys and values in a form that a drafter cannot read. Convert the model "
            "and its drafter together."
        )
    with building_of(drafter):
        builder = build_drafter(source, drafter_plan(source, precision), lambda done: report("Tracing drafter", done))
    if cache_type == onnx.TensorProto.FLOAT16:
        to_half_precision(builder)
    if target.record.get("operators") == operators(portable=True):
        to_standard_operators(builder)
    else:
        write_odd_attention_out(builder)
    check_room(target.path, weight_bytes(builder))
    staging: Path | None = None
    try:
        staging = Path(tempfile.mkdtemp(prefix=".drafter.", suffix=".partial", dir=target.path))
        save_graph(builder, staging / out.name, DRAFTER, report)
        write_json(staging / "larimar.json", {**target.record, DRAFTER: origin(source)})
        write_json(staging / "config.json", _config(target.config, out.name))
        # the graph last but for what describes it: without it, the weights are of no use to anyone, but do no harm
        for name in (f"{out.name}_data", out.name):
            os.replace(staging / name, out.parent / name)
        for name in ("larimar.json", "config.json"):
            os.replace(staging / name, target.path / name)
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise DiskSpaceError(f"The disk of {folder} is full. Make room and try again.") from error
        raise ModelFolderError(f"The model folder {folder} cannot be written to: {error.strerror}.") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    report("Done", 1.0)
    return folder


def _cache_type(decoder: Path) -> int | None:
    """Return the element type of a decoder's KV cache; None if it has none, or several."""
    try:
        graph = onnx.load(decoder, load_external_data=False).graph
    except Exception as error:  # protobuf's own kind among them
        raise ModelFolderError(f"{decoder} is damaged. Convert or download the model again.") from error
    inputs = [value for value in graph.input if value.name.startswith("past_key_values.")]
    types = {int(value.type.tensor_type.elem_type) for value in inputs}
    return types.pop() if len(types) == 1 else None


def _config(config: dict[str, Any], file: str) -> dict[str, Any]:
    """Return config.json with the hint that transformers.js needs to find the external data, if others have one."""
    hints = config.get("transformers.js_config") or {}
    files = hints.get("use_external_data_format")
    if not isinstance(files, dict):
        return config
    return {**config, "transformers.js_config": {**hints, "use_external_data_format": {**files, file: 1}}}
