"""A drafter's checkpoint, and whether it belongs to a target."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inference.errors import CheckpointError, UnsupportedModelError
from inference.export.checkpoint import Checkpoint
from inference.export.families import TOWERS, UNIFIED, Family
from inference.export.safetensors_files import STORED_DTYPES, TensorRecord, read_object
from inference.foreign_names import display_name

if TYPE_CHECKING:
    from transformers import Gemma4TextConfig

DRAFTER_FAMILIES: dict[str, Family] = {"gemma4_assistant": TOWERS, "gemma4_unified_assistant": UNIFIED}
"""The branch of Gemma 4 whose layers a drafter is made of, by the ``model_type`` of its ``config.json``."""

ORDERING = "masked_embedding.token_ordering"
"""Token ids by cluster, int64 [V], in checkpoints of drafters with ordered embeddings."""


_DEFAULTS = {"backbone_hidden_size": 1536, "num_centroids": 2048, "centroid_intermediate_top_k": 32}
"""What transformers takes where ``config.json`` is silent."""


@dataclass(frozen=True)
class Clusters:
    """Ordered embeddings: the vocabulary in clusters, of which a draft looks at the likeliest."""

    count: int
    chosen: int
    """Clusters that are looked at."""
    size: int
    """Tokens of one cluster."""


class DrafterCheckpoint(Checkpoint):
    """The folder of a drafter (``gemma4_assistant``, ``gemma4_unified_assistant``).

    A drafter with ordered embeddings has one matrix more than its files: :attr:`CLUSTERS`.

    Args:
        folder: with ``config.json`` and safetensors files.

    Raises:
        CheckpointError: the folder or one of its shards is missing, incomplete or damaged.
        UnsupportedModelError: it is not a Gemma 4 drafter.
    """

    families: ClassVar[dict[str, Family]] = DRAFTER_FAMILIES
    wanted: ClassVar[str] = "Gemma 4’s drafters are"

    CLUSTERS: ClassVar[str] = "masked_embedding.clusters.weight"
    """Output embeddings cluster by cluster, [clusters, cluster size · d]: ``embed_tokens`` with its rows in the order
    of the clusters, so that a cluster is one row to look up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if not self.text_config.num_kv_shared_layers:
            self.text_config.num_kv_shared_layers = self.text_config.num_hidden_layers
        self._check_architecture()
        self.clusters = self._find_clusters()
        if self.clusters:
            name = f"{self.text_prefix}embed_tokens.weight"
            record = self.weights_record(name)
            expected = (self.text_config.vocab_size, self.text_config.hidden_size)
            if record.shape != expected:
                raise CheckpointError(
                    f"The tensor “{name}” has the shape {list(record.shape)}, but the configuration asks for "
                    f"{list(expected)}: the files of this drafter do not belong together."
                )
            shape = (self.clusters.count, prod(expected) // self.clusters.count)
            self._tensors[self.CLUSTERS] = _ClusterRecord(
                record.file, record.offset, record.nbytes, shape, record.dtype, record.shape, self.token_ordering()
            )

    @property
    def target_hidden_size(self) -> int:
        """Hidden size T of the target that the drafter was trained with."""
        return self._number("backbone_hidden_size")

    def transformers_classes(self) -> tuple[Any, Any]:
        """Return transformers' configuration and model class for the drafter."""
        import transformers

        prefix = "Gemma4Unified" if self.family is UNIFIED else "Gemma4"
        return (
            getattr(transformers, f"{prefix}AssistantConfig"),
            getattr(transformers, f"{prefix}AssistantForCausalLM"),
        )

    def token_ordering(self) -> NDArray[np.int64]:
        """Return the token ids by cluster, int64 [V].

        Raises:
            CheckpointError: the tensor is missing, of another shape or dtype, or names tokens that do not exist.
        """
        record = self.record(ORDERING)
        vocabulary = self.text_config.vocab_size
        if record.shape != (vocabulary,) or record.dtype not in ("I64", "I32"):
            raise CheckpointError(
                f"The tensor “{ORDERING}” has the shape {list(record.shape)} and the dtype {record.dtype}; the order "
                f"of {vocabulary} tokens was expected. Download the drafter again."
            )
        stored = self._read_rows(record, slice(None))
        if stored.min() < 0 or stored.max() >= vocabulary:
            raise CheckpointError(
                f"The tensor “{ORDERING}” names tokens that do not exist: the drafter in {self.folder} is damaged. "
                "Download it again."
            )
        return stored.astype(np.int64)

    def check_fits(self, target: Gemma4TextConfig) -> None:
        """Check that the drafter can work for a target.

        Args:
            target: the target's text configuration.

        Raises:
            UnsupportedModelError: their hidden sizes, vocabularies, or keys and values differ.
        """
        own, theirs = self.text_config, cache_shapes(target)
        compared = [
            ("the hidden size", self.target_hidden_size, target.hidden_size),
            ("the vocabulary", own.vocab_size, target.vocab_size),
        ]
        for layer_type, (heads, size) in cache_shapes(own).items():
            target_heads, target_size = theirs.get(layer_type, (0, 0))
            name = layer_type.replace("_", " ")
            compared.append((f"the number of key/value heads of {name}", heads, target_heads))
            compared.append((f"the head size of {name}", size, target_size))
        for what, here, there in compared:
            if here != there:
                raise UnsupportedModelError(
                    f"The drafter in {self.folder} was made for another model: {what} is {here} for the drafter and "
                    f"{there} for the model. Choose the drafter whose name begins with the model’s."
                )

    def _check_architecture(self) -> None:
        config = self.text_config
        unlike = [
            name
            for name in ("hidden_size_per_layer_input", "enable_moe_block", "use_double_wide_mlp")
            if getattr(config, name, False)
        ]
        if config.num_kv_shared_layers != config.num_hidden_layers:
            unlike.append("num_kv_shared_layers")
        if unlike:
            raise UnsupportedModelError(
                f"The drafter in {self.folder} is built otherwise than Gemma 4’s ({', '.join(unlike)}), and Larimar "
                "cannot convert it."
            )

    def _find_clusters(self) -> Clusters | None:
        if not self.raw_config.get("use_ordered_embeddings"):
            return None
        count, chosen = self._number("num_centroids"), self._number("centroid_intermediate_top_k")
        vocabulary = self.text_config.vocab_size
        if count < 1 or vocabulary % count or not 1 <= chosen <= count:
            raise UnsupportedModelError(
                f"The drafter in {self.folder} parts {vocabulary} tokens into {count} clusters and looks at {chosen} "
                "of them, which does not work out. Download it again."
            )
        return Clusters(count, chosen, vocabulary // count)

    def _number(self, key: str) -> int:
        number = self.raw_config.get(key, _DEFAULTS[key])
        if isinstance(number, bool) or not isinstance(number, int):
            raise UnsupportedModelError(
                f"The configuration of the drafter in {self.folder} gives “{display_name(str(number))}” for {key}, "
                "where a whole number belongs. Download it again."
            )
        return number

    def _read_rows(self, record: TensorRecord, rows: slice) -> NDArray[Any]:
        if not isinstance(record, _ClusterRecord):
            return super()._read_rows(record, rows)
        members = record.order.reshape(record.shape[0], -1)[rows]
        try:
            table = np.memmap(record.file, STORED_DTYPES[record.dtype], "r", record.offset, record.table_shape)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{record.file} ends too early: it was cut off. Download it again.") from error
        found: NDArray[Any] = np.asarray(table[members])
        return found.reshape(len(members), -1)


@dataclass(frozen=True, slots=True)
class _ClusterRecord(TensorRecord):
    """The rows of a table in another order."""

    table_shape: tuple[int, ...]
    order: NDArray[np.int64]


def is_drafter(folder: Path) -> bool:
    """Return whether a folder holds the checkpoint of a drafter."""
    try:
        model_type = read_object(folder / "config.json").get("model_type")
    except CheckpointError:
        return False
    return isinstance(model_type, str) and model_type in DRAFTER_FAMILIES


def open_drafter(folder: Path, target: Gemma4TextConfig) -> DrafterCheckpoint:
    """Open a drafter's checkpoint for a target.

    Raises:
        CheckpointError: it is missing, incomplete or damaged.
        UnsupportedModelError: it is no drafter, or was made for another target.
    """
    drafter = DrafterCheckpoint(folder)
    drafter.check_fits(target)
    return drafter


def cache_shapes(config: Gemma4TextConfig) -> dict[str, tuple[int, int]]:
    """Return, by layer type, the number of key/value heads and the head size."""
    shapes = {}
    for index, layer_type in enumerate(config.layer_types):
        layer = config.per_layer_config[index]
        shapes[layer_type] = (int(layer.num_key_value_heads), int(layer.head_dim))
    return shapes
