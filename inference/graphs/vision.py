"""The vision encoder graph: patches of images and video frames to soft tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.graphs.loading import MappedWeights
from inference.graphs.session import ProviderChoice, cancellable, dimension, open_session, provider_name

_MOST_SIZE = 2**17


class VisionEncoder:
    """Encodes images one by one, so that a stop is soon heard and padding costs nothing.

    Args:
        path: the ``.onnx`` file.
        provider: see :func:`inference.graphs.session.open_session`.
        threads: of one operator; ``None`` takes one per physical core.

    Raises:
        ModelFolderError: the graph is missing, damaged, or not a vision encoder.
    """

    def __init__(self, path: Path, provider: ProviderChoice = "auto", threads: int | None = None) -> None:
        self._session = open_session(path, provider, threads)
        self._weights = MappedWeights(path)
        self.provider = provider_name(self._session)
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        if not {"pixel_values", "pixel_position_ids"} <= set(inputs) or "image_features" not in outputs:
            raise ModelFolderError(f"{path} is not a vision encoder graph. Convert or download the model again.")
        pixels, tokens = inputs["pixel_values"], outputs["image_features"]
        try:
            sizes = dimension(pixels, -1, _MOST_SIZE), dimension(tokens, -1, _MOST_SIZE)
        except (LookupError, ValueError) as error:
            raise ModelFolderError(f"{path} is not of the usual form. Convert or download the model again.") from error
        self.patch_values = sizes[0]
        """Values of one patch: 768 (16 × 16 pixels), or 6,912 (48 × 48) for 12B Unified."""
        self.hidden_size = sizes[1]
        """Size of a soft token: that of the language model."""
        self._dtype = np.float16 if pixels.type == "tensor(float16)" else np.float32

    def __call__(
        self, pixel_values: NDArray[np.float32], position_ids: NDArray[np.int64], cancel: CancelToken
    ) -> list[NDArray[np.float32]]:
        """Encode images, or frames of a video.

        Args:
            pixel_values: float32 [B, P, patch_values], from 0 to 1.
            position_ids: int64 [B, P, 2], column and row of each patch; -1 for padding.
            cancel: ends the run early.

        Returns:
            The soft tokens of each image, float32 [n, hidden_size], n different from image to image.

        Raises:
            RunCancelled: the run was ended.
            OutOfMemoryError: the images need more memory than there is.
        """
        encoded = []
        for patches, positions in zip(pixel_values, position_ids, strict=True):
            real = ~(positions == -1).all(-1)
            if not real.all():
                patches, positions = patches[real], positions[real]
            feeds = {
                "pixel_values": np.ascontiguousarray(patches[None], self._dtype),
                "pixel_position_ids": np.ascontiguousarray(positions[None], np.int64),
            }
            with cancellable(cancel) as options:
                (tokens,) = self._session.run(["image_features"], feeds, options)
            self._weights.let_go()
            encoded.append(tokens.astype(np.float32, copy=False))
        return encoded
