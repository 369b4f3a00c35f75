"""The audio encoder graph: speech to soft tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.graphs.loading import MappedWeights
from inference.graphs.session import ProviderChoice, cancellable, dimension, open_session, provider_name

_MOST_SIZE = 2**17

_LOG_MEL: Final = 128
_NOTHING: Final = np.zeros((0, 1, 0, 0), np.float32)


@dataclass(frozen=True)
class AudioState:
    """What the encoder needs of the beginning of a clip to go on with it. Immutable: one may return to it."""

    tokens: int
    """Soft tokens so far."""
    states: NDArray[np.float32]
    """float32 [layers, 1, rows, hidden]: the end of what each layer has seen."""
    last_frames: NDArray[np.float32]
    """float32 [frames_per_token, frame_values]: the last frames, which the convolutions reach back to."""


class AudioEncoder:
    """Encodes clips, one by one or a clip part by part.

    Args:
        path: the ``.onnx`` file.
        provider: see :func:`inference.graphs.session.open_session`.
        threads: of one operator; ``None`` takes one per physical core.

    Raises:
        ModelFolderError: the graph is missing, damaged, or not an audio encoder.
    """

    def __init__(self, path: Path, provider: ProviderChoice = "auto", threads: int | None = None) -> None:
        self._session = open_session(path, provider, threads)
        self._weights = MappedWeights(path)
        self.provider = provider_name(self._session)
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        if not {"input_features", "input_features_mask"} <= set(inputs) or "audio_features" not in outputs:
            raise ModelFolderError(f"{path} is not an audio encoder graph. Convert or download the model again.")
        features, tokens = inputs["input_features"], outputs["audio_features"]
        try:
            sizes = dimension(features, -1, _MOST_SIZE), dimension(tokens, -1, _MOST_SIZE)
        except (LookupError, ValueError) as error:
            raise ModelFolderError(f"{path} is not of the usual form. Convert or download the model again.") from error
        self.frame_values = sizes[0]
        """Values of one frame: 128 (log-mel), or 640 (samples) for 12B Unified."""
        self.hidden_size = sizes[1]
        """Size of a soft token: that of the language model."""
        self._dtype = np.float16 if features.type == "tensor(float16)" else np.float32
        self.frames_per_token = 4 if self.frame_values == _LOG_MEL else 1
        """Frames that become one soft token."""
        # what has a default does not count as an input
        optional = {node.name: node for node in self._session.get_overridable_initializers()}
        self._resumes = {"past_tokens", "past_states"} <= set(optional) and "present_states" in outputs
        self.streams = self._resumes or self.frames_per_token == 1
        """Whether clips may come in parts; graphs from elsewhere may take them only whole."""

    def __call__(
        self, input_features: NDArray[np.float32], mask: NDArray[np.bool_], cancel: CancelToken
    ) -> list[NDArray[np.float32]]:
        """Encode clips.

        Args:
            input_features: float32 [B, T, frame_values].
            mask: bool [B, T]; False for padding.
            cancel: ends the run early.

        Returns:
            The soft tokens of each clip, float32 [n, hidden_size], n different from clip to clip.

        Raises:
            RunCancelled: the run was ended.
            OutOfMemoryError: the clips need more memory than there is.
        """
        encoded = []
        for frames, real in zip(input_features, mask, strict=True):
            feeds = {
                "input_features": np.ascontiguousarray(frames[None], self._dtype),
                "input_features_mask": np.ascontiguousarray(real[None], np.bool_),
            }
            with cancellable(cancel) as options:
                (tokens,) = self._session.run(["audio_features"], feeds, options)
            self._weights.let_go()
            encoded.append(tokens.astype(np.float32, copy=False))
        return encoded

    def encode_next(
        self, values: NDArray[np.float32], state: AudioState | None, cancel: CancelToken
    ) -> tuple[NDArray[np.float32], AudioState]:
        """Encode the next part of a clip; the parts give the soft tokens of the whole but for rounding.

        Args:
            values: float32 [F, frame_values], F > 0; a multiple of ``frames_per_token`` but for the last part.
            state: after the part before; ``None`` at the beginning.
            cancel: ends the run early.

        Returns:
            The soft tokens, float32 [n, hidden_size], one for each ``frames_per_token`` frames, and the state
            after them.

        Raises:
            ValueError: the graph takes clips only whole, or there are no frames.
            RunCancelled: the run was ended; ``state`` still holds.
            OutOfMemoryError: the part needs more memory than there is.
        """
        if not self.streams or not len(values):
            raise ValueError("this graph takes clips only whole" if len(values) else "there are no frames")
        frames = values if state is None or not self._resumes else np.concatenate([state.last_frames, values])
        feeds: dict[str, NDArray[np.generic]] = {
            "input_features": np.ascontiguousarray(frames[None], self._dtype),
            "input_features_mask": np.ones((1, len(frames)), np.bool_),
        }
        if self._resumes and state is not None:
            feeds |= {"past_tokens": np.array(state.tokens, np.int64), "past_states": state.states}
        names = ["audio_features", "present_states"] if self._resumes else ["audio_features"]
        with cancellable(cancel) as options:
            tokens, *states = self._session.run(names, feeds, options)
        self._weights.let_go()
        count = len(tokens) + (0 if state is None else state.tokens)
        new = AudioState(count, states[0] if states else _NOTHING, frames[-self.frames_per_token :])
        return tokens.astype(np.float32, copy=False), new
