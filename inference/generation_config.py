"""What a model folder says about sampling and stopping, and what one reply asks for on top of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from inference.errors import ModelFolderError
from inference.messages import ReplyOptions
from inference.model_folder import ModelFolder
from inference.sampling import Sampler
from inference.tokenizer import Tokenizer

TURN_CLOSE: Final = "<turn|>"
RESPONSE_OPEN: Final = "<|tool_response>"
"""The model writes it after its calls: now somebody else must answer."""

_SAMPLING: Final[Mapping[str, float]] = {"temperature": 1.0, "top_k": 64, "top_p": 0.95, "min_p": 0.0}
"""Google's recommendation for Gemma 4, where the folder says nothing."""


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How a model wants to be sampled and where its replies end."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    stop_ids: frozenset[int]
    suppress_tokens: tuple[int, ...]

    @classmethod
    def of(cls, folder: ModelFolder, tokenizer: Tokenizer) -> GenerationConfig:
        """Read it from a folder.

        Raises:
            ModelFolderError: a value is of the wrong kind or out of range, or the model has no ``<turn|>``.
        """
        config = folder.generation_config
        numbers = {name: _number(folder, name, config.get(name, default)) for name, default in _SAMPLING.items()}
        if config.get("do_sample") is False:
            numbers["temperature"] = 0.0
        eos = config.get("eos_token_id", folder.text_config.get("eos_token_id"))
        stop_ids = {*_ids(folder, "eos_token_id", eos), tokenizer.control_id(TURN_CLOSE)}
        # An older configuration may lack it, but the model never writes a tool's response itself.
        response_open = tokenizer.optional_control_id(RESPONSE_OPEN)
        return cls(
            temperature=numbers["temperature"],
            top_k=int(numbers["top_k"]),
            top_p=min(numbers["top_p"], 1.0),
            min_p=min(numbers["min_p"], 1.0),
            stop_ids=frozenset(stop_ids if response_open is None else {*stop_ids, response_open}),
            suppress_tokens=tuple(_ids(folder, "suppress_tokens", config.get("suppress_tokens"))),
        )

    def sampler(self, options: ReplyOptions) -> Sampler:
        """Return a fresh sampler for one reply. Raises :class:`ValueError` for options out of range."""
        return Sampler(
            temperature=self.temperature if options.temperature is None else options.temperature,
            top_k=self.top_k if options.top_k is None else options.top_k,
            top_p=self.top_p if options.top_p is None else options.top_p,
            seed=options.seed,
            min_p=self.min_p if options.min_p is None else options.min_p,
            suppress_tokens=self.suppress_tokens,
        )


def _number(folder: ModelFolder, name: str, value: Any) -> float:
    if value is None:
        return _SAMPLING[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _damaged(folder, name)
    return float(value)


def _ids(folder: ModelFolder, name: str, value: Any) -> Iterable[int]:
    """Return token ids from one id, a list of ids, or nothing."""
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if any(isinstance(index, bool) or not isinstance(index, int) or index < 0 for index in ids):
        raise _damaged(folder, name)
    return ids


def _damaged(folder: ModelFolder, name: str) -> ModelFolderError:
    return ModelFolderError(
        f"The model folder {folder.path} says something unusable about {name}. "
        "Convert or download the model again, or choose another folder."
    )
