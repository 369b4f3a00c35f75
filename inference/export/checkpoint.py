"""A Hugging Face checkpoint on disk: its configuration, and its tensors read one at a time.

Files are read with plain reads instead of memory maps: pages of a map count as resident memory for as long as the
kernel likes, and conversion promises a bound that grows with the largest tensor, not with the model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inference.errors import CheckpointError, LarimarError, UnsupportedModelError
from inference.export import qat
from inference.export.config_bounds import check_config
from inference.export.families import FAMILIES, Family
from inference.export.quantize import Bits, QuantizedMatrix, dequantize_blockwise
from inference.export.safetensors_files import (
    FLOAT_DTYPES,
    STORED_DTYPES,
    TensorRecord,
    index_tensors,
    read_object,
)
from inference.foreign_names import display_name

if TYPE_CHECKING:
    from transformers import Gemma4TextConfig


@dataclass(frozen=True, slots=True)
class PackedRecord:
    """A matrix that a QAT checkpoint holds as integers; see :mod:`inference.export.qat`."""

    packed: TensorRecord
    scales: TensorRecord
    form: qat.PackedForm

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return self.form.shape

    @property
    def bits(self) -> Bits:
        """Of a value."""
        return self.form.bits

    @property
    def block_size(self) -> int:
        """Columns that share a scale in the graph."""
        return self.form.block_size


class Checkpoint:
    """A checkpoint folder with ``config.json`` and safetensors files.

    Args:
        folder: the folder.

    Raises:
        CheckpointError: the folder or one of its shards is missing, incomplete or damaged.
        UnsupportedModelError: it is not a Gemma 4 checkpoint that can be converted.
    """

    families: ClassVar[dict[str, Family]] = FAMILIES
    """By the model types that such a checkpoint may have."""
    wanted: ClassVar[str] = "Larimar converts Gemma 4"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not os.path.isdir(folder):  # Path.is_dir raises for folders that may not be looked at
            raise CheckpointError(f"There is no folder {folder}. Give the folder that holds config.json.")
        self.raw_config = read_object(folder / "config.json")
        model_type = self.raw_config.get("model_type")
        if not isinstance(model_type, str) or model_type not in self.families:
            raise UnsupportedModelError(
                f"The checkpoint in {folder} is of the type “{display_name(str(model_type))}”; {self.wanted} "
                f"({', '.join(self.families)})."
            )
        self.family = self.families[model_type]
        check_config(self.raw_config, folder / "config.json")
        self.text_config = read_text_config(self.raw_config, self.family)
        qat.check_quantization_config(self.raw_config)
        self._tensors = index_tensors(folder)
        self._packed = self._find_packed()
        self.text_prefix = self._find_text_prefix()
        self._check_extent()

    def __contains__(self, name: str) -> bool:
        return name in self._tensors or name in self._packed

    @property
    def files(self) -> list[Path]:
        """The safetensors files that hold its tensors."""
        return sorted({record.file for record in self._tensors.values()})

    @property
    def name(self) -> str:
        """What the checkpoint calls itself, or its folder is called."""
        given = self.raw_config.get("_name_or_path")
        return display_name(given if isinstance(given, str) else "") or self.folder.resolve().name

    @property
    def is_packed(self) -> bool:
        """Whether matrices of this checkpoint are integers already."""
        return bool(self._packed)

    @property
    def lm_head(self) -> str:
        """The name of the matrix that makes logits of hidden states: the table of embeddings, where they are tied."""
        tied = self.text_config.tie_word_embeddings
        return f"{self.text_prefix}embed_tokens.weight" if tied else "lm_head.weight"

    @property
    def trained_for_q4_0(self) -> bool:
        """Whether the weights were trained to be rounded as GGUF's Q4_0 does; only the name of the checkpoint says."""
        return any("q4_0" in name.lower() for name in (self.folder.resolve().name, self.name))

    @property
    def media_tokens(self) -> tuple[int, ...]:
        """The token ids that stand for soft tokens of images, sound and video."""
        keys = ("image_token_id", "audio_token_id", "video_token_id")
        return tuple(sorted({int(self.raw_config[key]) for key in keys if self.raw_config.get(key) is not None}))

    def names(self) -> list[str]:
        """Return the names of all weights; a packed matrix counts as its ``weight``."""
        return [*(name for name, record in self._tensors.items() if record.dtype in FLOAT_DTYPES), *self._packed]

    def packed(self, name: str) -> PackedRecord | None:
        """Return where the integers of the matrix ``name`` (“….weight”) lie; ``None`` if it is not packed."""
        return self._packed.get(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a weight, packed or not.

        Raises:
            CheckpointError: the checkpoint has no such tensor, or one of integers.
        """
        packed = self._packed.get(name)
        return packed.shape if packed else self.weights_record(name).shape

    def record(self, name: str) -> TensorRecord:
        """Return where ``name`` lies.

        Raises:
            CheckpointError: the checkpoint has no such tensor.
        """
        try:
            return self._tensors[name]
        except KeyError:
            raise CheckpointError(
                f"The checkpoint in {self.folder} lacks the tensor “{name}”. Download it again, or check that all "
                "its files belong to the same model."
            ) from None

    def weights_record(self, name: str) -> TensorRecord:
        """Return where ``name`` lies, having checked that it can hold weights.

        Raises:
            CheckpointError: the checkpoint has no such tensor, or one of integers.
        """
        record = self.record(name)
        if record.dtype not in FLOAT_DTYPES:
            raise CheckpointError(
                f"The tensor “{name}” has the dtype {record.dtype}; weights must be float32, float16 or bfloat16."
            )
        return record

    def read(self, name: str, rows: slice = slice(None)) -> NDArray[np.float32]:
        """Read a floating-point tensor, or some rows of its first axis, as float32.

        Args:
            name: the tensor.
            rows: rows of the first axis, step 1.

        Returns:
            float32 array of the tensor's shape, or of the rows.

        Raises:
            CheckpointError: the tensor is missing, of a dtype that holds no weights, or cannot be read.
        """
        if packed := self._packed.get(name):
            matrix = self.read_packed(name, rows)
            return dequantize_blockwise(matrix.packed, matrix.scales, packed.bits, packed.shape[1])
        return _as_float32(self._read_rows(self.weights_record(name), rows), self.record(name).dtype)

    def read_stored(self, name: str, rows: slice = slice(None)) -> NDArray[np.generic]:
        """Read a floating-point tensor as it is stored; bfloat16 comes as the uint16 of its bits."""
        return self._read_rows(self.weights_record(name), rows)

    def widen(self, name: str, stored: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return what :meth:`read_stored` gave for ``name``, or a part of it, as float32."""
        return _as_float32(stored, self.record(name).dtype)

    def read_packed(self, name: str, rows: slice = slice(None)) -> QuantizedMatrix:
        """Read rows of a packed matrix, its integers as they are.

        Raises:
            CheckpointError: the file cannot be read.
        """
        packed = self._packed[name]
        words = self._read_rows(packed.packed, rows)
        scales = _as_float32(self._read_rows(packed.scales, rows), packed.scales.dtype)
        form = packed.form
        return qat.repack_compressed_tensors(words, scales, form.shape[1], form.block_size, form.group_size, form.bits)

    def _read_rows(self, record: TensorRecord, rows: slice) -> NDArray[Any]:
        shape = record.shape
        start, stop, _ = rows.indices(shape[0]) if shape else (0, 1, 1)
        row_size = prod(shape[1:]) if shape else 1
        count = (stop - start) * row_size
        stored = np.dtype(STORED_DTYPES[record.dtype])
        try:
            raw = np.fromfile(
                record.file, dtype=stored, count=count, offset=record.offset + start * row_size * stored.itemsize
            )
        except OSError as error:
            raise CheckpointError(f"{record.file} cannot be read: {error.strerror}.") from error
        if raw.size != count:
            raise CheckpointError(f"{record.file} ends too early: it was cut off. Download it again.")
        return raw.reshape((stop - start, *shape[1:]) if shape else ())

    def _find_packed(self) -> dict[str, PackedRecord]:
        found: dict[str, PackedRecord] = {}
        for name in self._tensors:
            if not name.endswith(f".{qat.PACKED}"):
                continue
            module = name.removesuffix(f".{qat.PACKED}")
            packed, scales = (self.record(f"{module}.{part}") for part in (qat.PACKED, qat.SCALE))
            if f"{module}.weight_g_idx" in self._tensors or f"{module}.weight_zero_point" in self._tensors:
                raise UnsupportedModelError(
                    f"The weights of “{module}” are quantised with reordered columns or zero points, which Larimar "
                    "cannot read. Choose the checkpoint whose name ends in w4a16-ct, or one that is not quantised."
                )
            form = None
            if packed.dtype == "I32" and scales.dtype in FLOAT_DTYPES:
                form = qat.packed_form(self.raw_config, packed.shape, scales.shape, self._given_shape(module))
            if form is None:
                raise CheckpointError(
                    f"The packed weights of “{module}” do not fit together: {qat.PACKED} {list(packed.shape)} "
                    f"{packed.dtype}, {qat.SCALE} {list(scales.shape)} {scales.dtype}. Download the checkpoint again."
                )
            found[f"{module}.weight"] = PackedRecord(packed, scales, form)
        return found

    def _given_shape(self, module: str) -> tuple[int, ...] | None:
        """Return the shape that the checkpoint gives a packed matrix; ``None`` where it gives none, empty: nonsense."""
        record = self._tensors.get(f"{module}.{qat.SHAPE}")
        if record is None:
            return None
        if record.dtype not in ("I32", "I64") or record.shape != (2,):
            return ()
        return tuple(int(size) for size in self._read_rows(record, slice(None)))

    def _find_text_prefix(self) -> str:
        """Return what precedes ``embed_tokens.weight``: it differs between the text model and the multimodal one."""
        for prefix in ("model.language_model.", "language_model.model.", "model.", ""):
            if f"{prefix}embed_tokens.weight" in self._tensors:
                return prefix
        raise CheckpointError(
            f"The checkpoint in {self.folder} has no token embedding (embed_tokens.weight): it is incomplete."
        )

    def _check_extent(self) -> None:
        """Check that the configuration's vocabulary and layers are those of the files, before graphs are made of it.

        Raises:
            CheckpointError: they are not.
        """
        config, table = self.text_config, f"{self.text_prefix}embed_tokens.weight"
        expected = (config.vocab_size, config.hidden_size)
        if self.shape(table) != expected:
            raise CheckpointError(
                f"The tensor “{table}” has the shape {list(self.shape(table))}, but the configuration asks for "
                f"{list(expected)}: the files of this checkpoint do not belong together."
            )
        self.shape(f"{self.text_prefix}layers.{config.num_hidden_layers - 1}.input_layernorm.weight")


def _as_float32(stored: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    if dtype != "BF16":
        return stored.astype(np.float32, copy=False)
    wide = stored.astype(np.uint32)
    np.left_shift(wide, 16, out=wide)
    return wide.view(np.float32)


def read_text_config(raw: dict[str, Any], family: Family) -> Gemma4TextConfig:
    """Return the text configuration in a ``config.json``.

    Args:
        raw: its content, of which :func:`inference.export.config_bounds.check_config` has seen the numbers.
        family: the branch of Gemma 4.

    Raises:
        UnsupportedModelError: it is not a valid one.
    """
    text_only = raw["model_type"] == family.text_model_type
    source: dict[str, Any] = raw if text_only else raw.get("text_config") or {}
    return made_of(family.text_config, source)


@contextmanager
def building_of(folder: Path) -> Iterator[None]:
    """Within the block, what transformers' and torch's code makes of a strange configuration becomes a sentence.

    Raises:
        UnsupportedModelError: something went wrong that nobody has foreseen.
    """
    try:
        yield
    except (LarimarError, MemoryError):
        raise
    except Exception as error:
        raise UnsupportedModelError(
            f"No model can be made of the checkpoint in {folder} ({type(error).__name__}: "
            f"{display_name(str(error), 300)}). If transformers can open it, please report this."
        ) from error


_BESIDE_FIELDS = frozenset({"global_head_dim", "num_global_key_value_heads", "per_layer_config"})
"""What a text configuration takes beside its fields."""


def _settable(config_class: Any) -> set[str]:
    """Return the names of a configuration's fields, and of its properties that can be set."""
    properties = {
        name
        for name in dir(config_class)
        if isinstance(found := getattr(config_class, name, None), property) and found.fset is not None
    }
    return {field.name for field in fields(config_class)} | properties


def made_of(config_class: Any, content: dict[str, Any]) -> Any:
    """Return transformers' configuration of what a ``config.json`` says.

    Only what a class knows goes in: it makes attributes of all else, whatever they are called.

    Raises:
        UnsupportedModelError: it is not a valid one.
    """
    import transformers

    known = (_settable(config_class) - _settable(transformers.PretrainedConfig)) | _BESIDE_FIELDS
    try:
        return config_class(**{key: value for key, value in content.items() if key in known})
    except Exception as error:
        raise UnsupportedModelError(
            f"The checkpoint's configuration is not a valid Gemma 4 one ({display_name(str(error), 300)}). Download it "
            "again, or choose another checkpoint."
        ) from error
