"""Silero VAD: how likely each 32 ms of sound hold a voice."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.graphs.session import open_session

FRAME: Final = 512
"""Samples that are judged at a time: 32 ms at 16 kHz."""

_CONTEXT: Final = 64  # samples before each frame that the model sees too
_STATE: Final = (1, 1, 128)
_PATH: Final = Path(__file__).parents[2] / "resources" / "voice_activity" / "silero_vad_16k_sequence.onnx"


class VoiceActivityModel:
    """Judges sound as it comes in; remembers what came before. For one thread at a time, and on one core.

    Raises:
        ModelFolderError: the graph that ships with the program is missing or damaged.
        RuntimeSetupError: ONNX Runtime is missing.
    """

    def __init__(self) -> None:
        self._session = open_session(_PATH, "cpu", threads=1)
        self.reset()

    def reset(self) -> None:
        """Forget what came before."""
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = np.zeros(_STATE, np.float32)
        self._cell = np.zeros(_STATE, np.float32)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Judge whole frames.

        Args:
            samples: float32 [n * 512], 16 kHz mono.

        Returns:
            float32 [n]: for each frame, from 0 to 1, how likely somebody speaks in it.
        """
        frames = samples.reshape(-1, FRAME)
        if not len(frames):
            return np.zeros(0, np.float32)
        contexts = np.concatenate([self._context[None], frames[:-1, -_CONTEXT:]])
        self._context = frames[-1, -_CONTEXT:].copy()
        feeds = {"input": np.concatenate([contexts, frames], axis=1), "h": self._hidden, "c": self._cell}
        likely, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], feeds)
        result: NDArray[np.float32] = likely
        return result
