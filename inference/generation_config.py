"""What a model folder says about sampling and stopping, and what one reply asks for on top of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inference.errors import ForeignFileError, ModelFolderError
from inference.foreign_json import JsonObject, Range
from inference.messages import ReplyOptions
from inference.model_config import MOST_IDS, TOKEN_IDS
from inference.model_folder import ModelFolder
from inference.sampling import Sampler
from inference.tokenizer import Tokenizer

TURN_CLOSE: Final = "<turn|>"
RESPONSE_OPEN: Final = "<|tool_response>"
"""The model writes it after its calls: now somebody else must answer."""

_SAMPLING: Final[Mapping[str, tuple[float, Range]]] = {
    "temperature": (1.0, Range(0, 1000)),
    "top_k": (64, Range(0, 2**31 - 1)),
    "top_p": (0.95, Range(0, 1000)),
    "min_p": (0.0, Range(0, 1000)),
}
"""Google's recommendation for Gemma 4, where the folder says nothing, and what it may say."""


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
        values = JsonObject(config, folder.path / "generation_config.json")
        try:
            numbers = {name: values.number(name, bounds, default) for name, (default, bounds) in _SAMPLING.items()}
            eos_source = (
                values if config.get("eos_token_id") is not None else JsonObject(folder.text_config, folder.path)
            )
            eos = eos_source.integers("eos_token_id", TOKEN_IDS, MOST_IDS)
            suppressed = values.integers("suppress_tokens", TOKEN_IDS, MOST_IDS)
        except ForeignFileError as error:
            raise ModelFolderError(f"{error} Convert or download the model again, or choose another folder.") from error
        if config.get("do_sample") is False:
            numbers["temperature"] = 0.0
        stop_ids = {*eos, tokenizer.control_id(TURN_CLOSE)}
        # An older configuration may lack it, but the model never writes a tool's response itself.
        response_open = tokenizer.optional_control_id(RESPONSE_OPEN)
        return cls(
            temperature=numbers["temperature"],
            top_k=int(numbers["top_k"]),
            top_p=min(numbers["top_p"], 1.0),
            min_p=min(numbers["min_p"], 1.0),
            stop_ids=frozenset(stop_ids if response_open is None else {*stop_ids, response_open}),
            suppress_tokens=suppressed,
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
