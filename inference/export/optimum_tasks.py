"""Makes the exporter known to Optimum: its task manager, and ``optimum-cli export larimar``.

Optimum's core finds both by itself once Larimar is installed with its ``export`` extra: its command line loads every
module of the namespace ``optimum.commands.register``, where ``larimar.py`` stands for us. ``optimum-onnx`` is not
needed; it cannot be installed beside a transformers that knows Gemma 4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from optimum.exporters.base import ExporterConfig
from optimum.exporters.tasks import TasksManager
from optimum.utils import NormalizedTextConfig
from optimum.utils.input_generators import DummyInputGenerator
from transformers import AutoConfig

from inference.export.weights import Precision

BACKEND = "larimar"
"""Name of the exporter in Optimum's task manager."""

_TEXT = ("text-generation", "text-generation-with-past")
_MULTIMODAL = (*_TEXT, "image-text-to-text", "image-text-to-text-with-past")


class _DecoderInputGenerator(DummyInputGenerator):
    """Random inputs of the decoder graph."""

    SUPPORTED_INPUT_NAMES = ("inputs_embeds", "per_layer_inputs", "attention_mask", "position_ids", "past_key_values")

    def __init__(
        self, task: str, normalized_config: Any, batch_size: int = 1, sequence_length: int = 5, **_: Any
    ) -> None:
        self.task = task
        self._config = normalized_config.config
        self._batch_size = batch_size
        self._length = sequence_length
        self._past = 7

    def supports_input(self, input_name: str) -> bool:
        """Whether this generator makes the input."""
        return input_name.startswith(self.SUPPORTED_INPUT_NAMES)

    def generate(
        self, input_name: str, framework: str = "pt", int_dtype: str = "int64", float_dtype: str = "fp32"
    ) -> Any:
        """Return a random tensor for ``input_name``."""
        text = text_config(self._config)
        total = self._past + self._length
        if input_name == "attention_mask":
            return self.constant_tensor(
                [self._batch_size, total], value=1, dtype=_dtype(int_dtype), framework=framework
            )
        if input_name == "position_ids":
            shape = [self._batch_size, self._length]
            return self.random_int_tensor(shape, total, framework=framework, dtype=int_dtype)
        if input_name == "inputs_embeds":
            shape = [self._batch_size, self._length, text.hidden_size]
        elif input_name == "per_layer_inputs":
            shape = [self._batch_size, self._length, text.num_hidden_layers, text.hidden_size_per_layer_input]
        else:
            layer = text.per_layer_config[int(input_name.split(".")[1])]
            shape = [self._batch_size, layer.num_key_value_heads, self._past, layer.head_dim]
        return self.random_float_tensor(shape, framework=framework, dtype=float_dtype)


class Gemma4LarimarConfig(ExporterConfig):
    """What Optimum wants to know about the decoder graph; :meth:`export` makes the whole folder."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (_DecoderInputGenerator,)
    SUPPORTS_PAST = True
    ATOL_FOR_VALIDATION: ClassVar[float] = 2e-4

    def __init__(
        self, config: Any, task: str, int_dtype: str = "int64", float_dtype: str = "fp32", use_past: bool = True
    ) -> None:
        super().__init__(config, task, int_dtype, float_dtype)
        self.use_past = use_past

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Inputs of the decoder graph and their dynamic axes."""
        text = text_config(self._config)
        rows = {0: "batch_size", 1: "sequence_length"}
        inputs = {"inputs_embeds": rows}
        if getattr(text, "hidden_size_per_layer_input", 0):
            inputs["per_layer_inputs"] = rows
        inputs |= {"attention_mask": {0: "batch_size", 1: "total_sequence_length"}, "position_ids": rows}
        return inputs | self._cache("past_key_values", "past_sequence_length")

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """Outputs of the decoder graph and their dynamic axes."""
        logits = {"logits": {0: "batch_size", 1: "num_logits"}}
        return logits | self._cache("present", "total_sequence_length")

    def export(self, checkpoint: Path, out: Path, precision: Precision = "q4") -> Path:
        """Convert a checkpoint folder; see :func:`inference.export.convert.convert_checkpoint`."""
        from inference.export.convert import convert_checkpoint

        return convert_checkpoint(checkpoint, out, precision)

    def _cache(self, name: str, axis: str) -> dict[str, dict[int, str]]:
        text = text_config(self._config)
        owners = text.num_hidden_layers - getattr(text, "num_kv_shared_layers", 0)
        axes = {0: "batch_size", 2: axis}
        return {f"{name}.{index}.{part}": axes for index in range(owners) for part in ("key", "value")}


def text_config(config: Any) -> Any:
    """Return the part of a configuration that describes the language model."""
    return getattr(config, "text_config", None) or config


def register() -> None:
    """Enter the configurations into Optimum's task manager; may be called more than once."""
    enter = TasksManager.create_register(BACKEND, overwrite_existing=True)
    for model_type in ("gemma4", "gemma4_unified"):
        enter(model_type, *_MULTIMODAL)(Gemma4LarimarConfig)
    for model_type in ("gemma4_text", "gemma4_unified_text"):
        enter(model_type, *_TEXT)(Gemma4LarimarConfig)


def exporter_config(checkpoint: Path, task: str = "text-generation-with-past") -> Gemma4LarimarConfig:
    """Return the configuration that Optimum's task manager holds for a checkpoint.

    Raises:
        KeyError, ValueError: the task manager knows no configuration of ours for it.
    """
    register()
    config = AutoConfig.from_pretrained(checkpoint)
    constructor = TasksManager.get_exporter_config_constructor(
        BACKEND, model_type=config.model_type, task=task, library_name="transformers"
    )
    found: Gemma4LarimarConfig = constructor(config)
    return found


def _dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)
