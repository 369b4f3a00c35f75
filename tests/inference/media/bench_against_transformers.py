"""Preprocessing beside transformers' own, in turn.

``PYTHONPATH=. python tests/inference/media/bench_against_transformers.py``
"""

from __future__ import annotations

from functools import partial

import reference_processors as reference

from inference.media.audio import audio_features
from inference.media.bench import measure, photograph, speech_like, table
from inference.media.image import image_features

RUNS = 21


def main() -> None:
    clip, frame = speech_like(30), photograph(720, 1280)
    extractor = reference.audio_extractor("tower")
    lines = [
        measure(
            "30 s of sound to log-mel features", partial(audio_features, clip), RUNS,
            "transformers' extractor", lambda: extractor([clip], return_tensors="np"),
        )
    ]  # fmt: skip
    for budget in (70, 280, 1120):
        lines.append(
            measure(
                f"720p frame to patches, {budget} soft tokens", partial(image_features, frame, budget), RUNS,
                "transformers' Pillow processor", partial(reference.tower_image, frame, budget),
            )
        )  # fmt: skip
    print(table(lines))


if __name__ == "__main__":
    main()
