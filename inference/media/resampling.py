"""Any sample rate and number of channels to 16 kHz mono, at once or block by block with the same result."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import MediaError
from inference.media.log_mel import SAMPLE_RATE
from inference.media.mixing import MonoMixer

LOWEST_RATE: Final = 2_000
HIGHEST_RATE: Final = 768_000


class MonoResampler:
    """Mixes channels (:mod:`inference.media.mixing`) and resamples (soxr, high quality); push blocks, then finish.

    The output lags by the filter's delay, some milliseconds; :meth:`finish` returns what is left.
    """

    def __init__(self, rate: int, subject: str = "The sound") -> None:
        """Take blocks at ``rate`` Hz; ``subject`` begins the sentences of errors.

        Raises:
            MediaError: the rate is outside 2 to 768 kHz.
        """
        self._subject = subject
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise MediaError(
                f"{subject} has {rate:,} samples a second, which no recorder makes. Convert it to WAV first."
            )
        self._mixer = MonoMixer(rate)
        self._stream: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take float32 [n] or [n, channels]; return what is ready, float32 [m] at 16 kHz.

        Raises:
            MediaError: the block holds NaN or infinity.
        """
        if not np.isfinite(block).all():
            raise MediaError(
                f"{self._subject} holds values that are no numbers: it is damaged. Record or export it again."
            )
        return self._resample(self._mixer.push(block), last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return the rest; the resampler is then used up."""
        return self._resample(self._mixer.finish(), last=True)

    def _resample(self, mono: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        if self._stream is None:
            return mono
        resampled: NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(mono), last=last)
        return resampled


def to_mono_16k(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Resample float32 [n] or [n, channels] at once; float32 [m]. Raises as :class:`MonoResampler` does."""
    resampler = MonoResampler(rate)
    return np.concatenate([resampler.push(samples), resampler.finish()])
