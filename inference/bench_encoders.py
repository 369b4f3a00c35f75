"""``main.py bench encoders``: what a picture and a recording take before the language model sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from numpy.typing import NDArray

from inference.bench_results import Comparison, Measurement
from inference.cancellation import CancelToken
from inference.graphs.audio import AudioEncoder
from inference.graphs.vision import VisionEncoder
from inference.media.audio import audio_features
from inference.media.bench import photograph, speech_like
from inference.media.image import image_features
from inference.media_encoders import MediaEncoders
from inference.model_folder import ModelFolder, default_model_folder

_SOFT_TOKENS = 280
_SECONDS = 30.0
_GOALS = {"vision_encoder": 0.4, "audio_encoder": 0.5}  # of torch's time in float32


class EncoderPeer(Protocol):
    """Other encoders with the same weights."""

    name: str

    def encode(self, graph: str, inputs: dict[str, NDArray[Any]]) -> float:
        """Return the seconds that the encoder ``graph`` takes for its inputs."""


def measure_encoders(
    path: Path | None = None,
    runs: int = 5,
    threads: int | None = None,
    peer: EncoderPeer | None = None,
    *,
    soft_tokens: int = _SOFT_TOKENS,
    seconds: float = _SECONDS,
) -> Iterator[Measurement]:
    """Measure the encoders that a model folder has; values are medians over ``runs``.

    Raises:
        LarimarError: the model cannot be loaded.
    """
    folder = ModelFolder.open(path or default_model_folder())
    layout = MediaEncoders(folder).layout
    cancel = CancelToken()
    if "image" in folder.modalities:
        vision = VisionEncoder(folder.graph("vision_encoder"), threads=threads)
        picture = image_features(photograph(720, 1280), soft_tokens, layout)
        pixels, positions = picture.pixel_values[None], picture.position_ids[None]
        count = len(vision(pixels, positions, cancel)[0])
        inputs: dict[str, NDArray[Any]] = {"pixel_values": pixels, "pixel_position_ids": positions}
        see = partial(vision, pixels, positions, cancel)
        yield _measured(
            f"picture, {count} soft tokens, on {vision.provider}", "vision_encoder", see, inputs, runs, peer
        )
        del vision, see
    if "audio" in folder.modalities:
        audio = AudioEncoder(folder.graph("audio_encoder"), threads=threads)
        clip = audio_features(speech_like(seconds), layout)
        frames, mask = clip.values[None], clip.mask[None]
        count = len(audio(frames, mask, cancel)[0])
        inputs = {"input_features": frames, "input_features_mask": mask}
        hear = partial(audio, frames, mask, cancel)
        name = f"{seconds:g} s of sound, {count} soft tokens, on {audio.provider}"
        yield _measured(name, "audio_encoder", hear, inputs, runs, peer)


def _measured(
    name: str,
    graph: str,
    ours: Callable[[], object],
    inputs: dict[str, NDArray[Any]],
    runs: int,
    peer: EncoderPeer | None,
) -> Measurement:
    mine, theirs = [], []
    for _ in range(runs):
        started = time.perf_counter()
        ours()
        mine.append(time.perf_counter() - started)
        if peer is not None:
            theirs.append(peer.encode(graph, inputs))
    against: tuple[Comparison, ...] = ()
    if peer is not None:
        told = f"the time of {peer.name} ({median(theirs):.2f} s)"
        against = (Comparison(told, median(mine) / median(theirs), _GOALS[graph], most=True),)
    return Measurement(name, median(mine), "s", against)
