"""Feeds damaged files to one decoder within a memory and a time limit; run by ``test_media_hostile.py``.

``python fuzz_media.py KIND SEED COUNT FILE…`` prints how many were decoded and how many refused; anything but a
result or a ``MediaError`` ends it with a traceback, too much memory or processor time by the system's hand.
"""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

MEMORY = 3 * 2**30
"""Address space, libraries and their threads included."""
SECONDS = 90
"""Processor time of the whole run."""


def damaged(content: bytes, generator: random.Random) -> bytes:
    """Return the content cut off, with bytes changed, removed, repeated or replaced by noise."""
    data = bytearray(content)
    for _ in range(generator.choice([1, 1, 2, 5, 40])):
        at = generator.randrange(len(data) or 1)
        length = generator.choice([1, 1, 2, 4, 64, 1024])
        match generator.randrange(6):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + length]
            case 2:
                data[at : at + length] = generator.randbytes(length)
            case 3:
                data[at : at + length] = bytes([generator.choice([0, 0x7F, 0x80, 0xFF])]) * length
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                at = generator.randrange(min(64, len(data) or 1))  # headers matter most
                data[at : at + 1] = bytes([generator.randrange(256)])
    return bytes(data)


def decoder(kind: str) -> Callable[[bytes], object]:
    if kind == "image":
        from inference.media.image import image_features, load_image

        return lambda content: image_features(load_image(content), 70)
    if kind == "audio":
        from inference.media.audio import audio_features, load_clips

        return lambda content: [audio_features(clip.samples) for clip in load_clips(content)]
    from inference.media.video import video_features

    return video_features


def main(kind: str, seed: int, count: int, files: list[Path]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    from inference.errors import MediaError

    decode, generator = decoder(kind), random.Random(seed)

    def contents() -> Iterator[bytes]:
        for file in files:
            original = file.read_bytes()
            decode(original)  # the original must be readable, or the rest means nothing
            yield from (damaged(original, generator) for _ in range(count))
        yield from (generator.randbytes(generator.randrange(1, 4000)) for _ in range(count))

    read = refused = 0
    for content in contents():
        try:
            decode(content)
            read += 1
        except MediaError as error:
            sentence = str(error)
            assert sentence[0].isupper(), sentence
            assert sentence.endswith("."), sentence
            refused += 1
    print(f"{read} read, {refused} refused, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
