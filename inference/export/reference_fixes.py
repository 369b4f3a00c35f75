"""The one place that mends transformers where it cannot run Gemma 4's drafters.

transformers 5.23 decides with ``kv_sharing_modes`` of a text configuration which layers write the keys and values that
others read. Its rule fits E2B and E4B only:

* every layer of a drafter reads and none writes, so that the property raises ``ValueError`` and no drafter can be
  built at all;
* targets without KV-shared layers (12B, 26B-A4B, 31B) get no writing layer, so that the drafter is handed nothing.

``tests/export/test_drafter_reference_fixes.py`` fails as soon as transformers does either right by itself;
then this file can go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import Gemma4TextConfig, Gemma4UnifiedTextConfig

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


def _kv_sharing_modes(config: Any) -> list[str | None]:
    """Return for each layer "reuse" (reads another's), "store" (others may read its) or None."""
    layers = config.num_hidden_layers
    owners = layers - config.num_kv_shared_layers
    modes: list[str | None] = [None] * owners + ["reuse"] * config.num_kv_shared_layers
    last = {layer_type: index for index, layer_type in enumerate(config.layer_types[:owners])}
    for index in last.values():
        modes[index] = "store"
    return modes
