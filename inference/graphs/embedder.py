"""The embedder graph: token ids to input embeddings and per-layer embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import ModelFolderError
from inference.graphs.session import open_session, run_error


class Embedder:
    """Looks up token embeddings.

    Runs on the CPU with one thread whatever the decoder runs on: it reads a few rows of tables that stay on disk.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, "cpu", threads=1, loops=False)
        self._outputs = [output.name for output in self._session.get_outputs()]
        inputs = [each.name for each in self._session.get_inputs()]
        if "inputs_embeds" not in self._outputs or inputs != ["input_ids"]:
            raise ModelFolderError(f"{path} is not an embedder graph. Convert or download the model again.")

    def __call__(self, ids: NDArray[np.int64]) -> dict[str, NDArray[np.floating]]:
        """Embed tokens.

        Args:
            ids: int64 [S].

        Returns:
            ``inputs_embeds`` [1, S, H] and, for models that have them, ``per_layer_inputs`` [1, S, L, P].

        Raises:
            ModelFolderError: an id lies outside of the tables, or these are damaged.
        """
        try:
            rows = self._session.run(self._outputs, {"input_ids": ids[None]})
        except Exception as error:
            raise run_error(error) from error
        return dict(zip(self._outputs, rows, strict=True))
