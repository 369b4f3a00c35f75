"""The embedder graph: token ids to input embeddings and per-layer embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.graphs.session import open_session


class Embedder:
    """Looks up token embeddings.

    Runs on the CPU with one thread whatever the decoder runs on: it reads a few rows of tables that stay on disk.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, "cpu", threads=1)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, ids: NDArray[np.int64]) -> dict[str, NDArray[np.floating]]:
        """Embed tokens.

        Args:
            ids: int64 [S].

        Returns:
            ``inputs_embeds`` [1, S, H] and, for models that have them, ``per_layer_inputs`` [1, S, L, P].
        """
        return dict(zip(self._outputs, self._session.run(self._outputs, {"input_ids": ids[None]}), strict=True))
