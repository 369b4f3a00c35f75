"""The audio encoder graph: speech to soft tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.graphs.session import ProviderChoice, cancellable, open_session, provider_name


class AudioEncoder:
    """Encodes clips one by one.

    Args:
        path: the ``.onnx`` file.
        provider: see :func:`inference.graphs.session.open_session`.
        threads: of one operator; ``None`` takes one per physical core.

    Raises:
        ModelFolderError: the graph is missing, damaged, or not an audio encoder.
    """

    def __init__(self, path: Path, provider: ProviderChoice = "auto", threads: int | None = None) -> None:
        self._session = open_session(path, provider, threads)
        self.provider = provider_name(self._session)
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        if not {"input_features", "input_features_mask"} <= set(inputs) or "audio_features" not in outputs:
            raise ModelFolderError(f"{path} is not an audio encoder graph. Convert or download the model again.")
        features, tokens = inputs["input_features"], outputs["audio_features"]
        self.frame_values = int(features.shape[-1])
        """Values of one frame: 128 (log-mel), or 640 (samples) for 12B Unified."""
        self.hidden_size = int(tokens.shape[-1])
        """Size of a soft token: that of the language model."""
        self._dtype = np.float16 if features.type == "tensor(float16)" else np.float32

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
            encoded.append(tokens.astype(np.float32, copy=False))
        return encoded
