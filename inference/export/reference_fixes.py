"""The one place that mends transformers where it does Gemma 4 wrong.

**Drafters.** transformers 5.23 decides with ``kv_sharing_modes`` of a text configuration which layers write the keys
and values that others read. Its rule fits E2B and E4B only:

* every layer of a drafter reads and none writes, so that the property raises ``ValueError`` and no drafter can be
  built at all;
* targets without KV-shared layers (12B, 26B-A4B, 31B) get no writing layer, so that the drafter is handed nothing.

transformers 5.24 builds drafters by itself; ``tests/export/test_drafter_reference_fixes.py`` says what does what.

**Pictures in 12B Unified.** The soft tokens of a picture see one another in sliding layers only: so say Google's own
runtime, ``create_masks_for_vision_model`` of both families, and the other models. The forward pass of the unified
model lets them do so in full layers too, and beyond the window; its masks for static caches do not.
``tests/parity/test_multimodal_parity.py`` fails as soon as that is mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import Gemma4TextConfig, Gemma4UnifiedTextConfig
from transformers.models.gemma4_unified import modeling_gemma4_unified

_CONFIGS: tuple[Any, ...] = (Gemma4TextConfig, Gemma4UnifiedTextConfig)


@contextmanager
def kv_sharing_fixed() -> Iterator[None]:
    """Within the block, drafters can be built, and the targets built there hand out their keys and values.

    A model takes what it needs when it is built; it may run outside of the block.
    """
    originals = [config.kv_sharing_modes for config in _CONFIGS]
    for config in _CONFIGS:
        config.kv_sharing_modes = property(_kv_sharing_modes)
    try:
        yield
    finally:
        for config, original in zip(_CONFIGS, originals, strict=True):
            config.kv_sharing_modes = original


@contextmanager
def image_blocks_fixed() -> Iterator[None]:
    """Within the block, the unified model masks pictures as its own ``create_masks_for_vision_model`` says."""
    original = modeling_gemma4_unified.create_masks_for_generate

    def masks(block_sequence_ids: Any = None, **arguments: Any) -> Any:
        if block_sequence_ids is None:
            return original(**arguments)
        return modeling_gemma4_unified.create_masks_for_vision_model(block_sequence_ids=block_sequence_ids, **arguments)

    modeling_gemma4_unified.create_masks_for_generate = masks
    try:
        yield
    finally:
        modeling_gemma4_unified.create_masks_for_generate = original


def _kv_sharing_modes(config: Any) -> list[str | None]:
    """Return for each layer "reuse" (reads another's), "store" (others may read its) or None."""
    layers = config.num_hidden_layers
    owners = layers - config.num_kv_shared_layers
    modes: list[str | None] = [None] * owners + ["reuse"] * config.num_kv_shared_layers
    last = {layer_type: index for index, layer_type in enumerate(config.layer_types[:owners])}
    for index in last.values():
        modes[index] = "store"
    return modes
