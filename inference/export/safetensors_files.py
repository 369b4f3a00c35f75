"""Finds the tensors of a checkpoint: which files it has, and what their headers say.

Nothing of it is believed before it is checked: names of files lie in the folder, headers have a bounded size, tensors
lie within their file, beside one another, and have as many bytes as their shape asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from inference.errors import CheckpointError, ForeignFileError
from inference.foreign_files import check_file
from inference.foreign_json import JsonLimits, JsonObject, Range, parse_json, read_json_object
from inference.foreign_names import display_name, printable

INDEX: Final = "model.safetensors.index.json"
_SINGLE: Final = "model.safetensors"

FLOAT_DTYPES: Final = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Stored form of each safetensors dtype that can hold weights; bfloat16 is the upper half of a float32."""
STORED_DTYPES: Final = {**FLOAT_DTYPES, "I32": "<i4", "I64": "<i8"}
"""Those, and the integers of packed weights."""
_BYTES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
}
"""Of an element, by dtype; those of less than a byte are missing."""
_HEADER: Final = JsonLimits(bytes=32 << 20, depth=4, values=4_000_000)
_MOST_DIMENSIONS: Final = 8
_MOST_FILES: Final = 10_000
_LONGEST_NAME: Final = 1000
_EXTENT: Final = Range(0, 1 << 62)
_PICKLED: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_AGAIN: Final = "Download it again."


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """Where a tensor lies: file, byte range, shape and safetensors dtype."""

    file: Path
    offset: int
    nbytes: int
    shape: tuple[int, ...]
    dtype: str


def read_object(path: Path) -> dict[str, Any]:
    """Return what a JSON file of a checkpoint holds.

    Raises:
        CheckpointError: it is missing, or damaged.
    """
    try:
        return read_json_object(path)
    except ForeignFileError as error:
        if error.missing:
            raise CheckpointError(f"{path} is missing. Give the folder that holds the whole checkpoint.") from error
        raise CheckpointError(f"{error} The checkpoint is damaged. {_AGAIN}") from error


def index_tensors(folder: Path) -> dict[str, TensorRecord]:
    """Return every tensor of a checkpoint by name.

    Raises:
        CheckpointError: a file is missing or damaged, or the files do not belong together.
    """
    promised = _promised(folder)
    tensors: dict[str, TensorRecord] = {}
    for file in _files(folder, promised):
        for name, record in _read_header(file).items():
            if promised is not None and promised.get(name, file.name) != file.name:
                continue  # it is another file's, says the index
            if name in tensors:
                raise CheckpointError(
                    f"Both {tensors[name].file} and {file} hold the tensor “{display_name(name)}”: they do not belong "
                    "together. Give a folder that holds one checkpoint."
                )
            tensors[name] = record
    if promised and (absent := sorted(set(promised) - set(tensors))):
        raise CheckpointError(
            f"{folder / promised[absent[0]]} lacks {len(absent)} tensors that the index promises, "
            f"“{display_name(absent[0])}” first: it is damaged. {_AGAIN}"
        )
    return tensors


def _promised(folder: Path) -> dict[str, str] | None:
    """Return the name of the file that holds each tensor; ``None`` where there is no index."""
    index = folder / INDEX
    try:
        check_file(index)
    except ForeignFileError as error:
        if error.missing and not index.is_symlink():
            return None
        raise CheckpointError(f"{error} The checkpoint is damaged. {_AGAIN}") from error
    found = read_object(index).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise CheckpointError(f"{index} does not say which file holds which tensor: it is damaged. {_AGAIN}")
    for name in {str(name) if isinstance(name, str) else None for name in found.values()}:
        if name is None or not _is_plain(name):
            raise CheckpointError(
                f"{index} names a file that is no safetensors file of its own folder. Such an index is not followed; "
                "take the checkpoint from another source."
            )
    return found


def _is_plain(name: str) -> bool:
    """Whether this is the name of a safetensors file and no path, on any system."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return (
        name.endswith(".safetensors")
        and len(name) <= 255
        and printable(name) == name
        and all(path.name == name and not path.drive for path in paths)
    )


def _files(folder: Path, promised: dict[str, str] | None) -> list[Path]:
    if promised is not None:
        names = sorted(set(promised.values()))
        if missing := [name for name in names if not (folder / name).exists()]:
            more = f" and {len(missing) - 3} others are" if len(missing) > 3 else " is" if len(missing) == 1 else " are"
            raise CheckpointError(
                f"The checkpoint in {folder} is incomplete: {', '.join(missing[:3])}{more} missing. {_AGAIN}"
            )
        return [folder / name for name in names]
    if (folder / _SINGLE).is_file():  # beside it others may lie, which transformers passes over too
        return [folder / _SINGLE]
    files = sorted(folder.glob("*.safetensors"))[:_MOST_FILES]
    if files:
        return files
    if pickled := next((file for kind in _PICKLED for file in folder.glob(kind)), None):
        raise CheckpointError(
            f"The weights in {folder} are pickled ({display_name(pickled.name)}). Such files can run programs, so that "
            "Larimar never opens them; choose a checkpoint in safetensors."
        )
    raise CheckpointError(f"There are no safetensors files in {folder}: nothing to convert.")


def _read_header(file: Path) -> dict[str, TensorRecord]:
    """Parse the header of a safetensors file and check that the file is as long as it says."""
    try:
        size = check_file(file).st_size
        with file.open("rb") as stream:
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else None
            if length is None or length > size - 8:
                raise CheckpointError(f"{file} is damaged or was cut off. {_AGAIN}")
            if length > _HEADER.bytes:
                raise CheckpointError(f"{file} is damaged: its list of tensors is {length >> 20} MB long. {_AGAIN}")
            header = parse_json(stream.read(length), f"The list of tensors in {file}", _HEADER)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}.") from error
    except ForeignFileError as error:
        raise CheckpointError(f"{error} The file is damaged. {_AGAIN}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{file} is damaged or was cut off. {_AGAIN}")
    header.pop("__metadata__", None)
    records = {name: _record(file, name, entry, 8 + length, size) for name, entry in header.items()}
    end, previous = 0, ""
    for name, record in sorted(records.items(), key=lambda item: (item[1].offset, item[1].nbytes)):
        if record.nbytes and record.offset < end:
            raise CheckpointError(
                f"{file} is damaged: the tensors “{display_name(previous)}” and “{display_name(name)}” lie on one "
                f"another. {_AGAIN}"
            )
        end, previous = max(end, record.offset + record.nbytes), name
    return records


def _record(file: Path, name: str, entry: Any, base: int, size: int) -> TensorRecord:
    damaged = CheckpointError(
        f"{file} is damaged or was cut off: what it says about the tensor “{display_name(name)}” cannot be. {_AGAIN}"
    )
    if not isinstance(entry, dict) or len(name) > _LONGEST_NAME:
        raise damaged
    fields = JsonObject(entry, file)
    try:
        shape = fields.integers("shape", _EXTENT, _MOST_DIMENSIONS)
        offsets = fields.integers("data_offsets", _EXTENT, 2)
        dtype = fields.text("dtype", "", 20)
    except ForeignFileError as error:
        raise damaged from error
    if len(offsets) != 2 or not isinstance(entry.get("shape"), list) or not dtype:
        raise damaged
    start, end = offsets
    if not start <= end <= size - base:
        raise damaged
    if (width := _BYTES.get(dtype)) is not None and prod(shape) * width != end - start:
        raise damaged
    return TensorRecord(file, base + start, end - start, shape, dtype)
