"""Pictures, recordings and videos made on the spot, for the tests of ``inference.media``."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

DIGITS = 12
"""Bits of the frame number that is painted into a video."""


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A picture without hard edges, as photographs are."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(x / 17 + y / 29), np.cos(x / 41 - y / 13), np.sin(x * y / 9000)]
    return ((np.stack(waves, -1) + 1) * 127.5).astype(np.uint8)


def encoded(pixels: NDArray[np.uint8] | Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header promises that many pixels, with data for none of them."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def tone(samples: int, rate: int, seed: int = 0) -> NDArray[np.float32]:
    """Two tones and noise, float32 [samples], in ±0.9."""
    generator = np.random.default_rng(seed)
    time = np.arange(samples) / rate
    first, second = generator.uniform(60, min(rate / 2, 7500), 2)
    sound = 0.4 * np.sin(2 * np.pi * first * time) + 0.3 * np.sin(2 * np.pi * second * time)
    return (sound + generator.normal(0, 0.05, samples)).clip(-0.9, 0.9).astype(np.float32)


def wav(samples: NDArray[np.float32], rate: int, width: int = 2) -> bytes:
    """WAV of float32 [n] or [n, channels] in ±1, with ``width`` bytes a sample."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    scaled = np.round(samples.astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    if width == 1:
        content = (scaled + 128).astype(np.uint8).tobytes()
    else:
        content = scaled.astype("<i8").reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return stream.getvalue()


def float_wav(samples: NDArray[np.float32], rate: int) -> bytes:
    content = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate, rate * 4, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def recording(
    path: Path, samples: NDArray[np.float32], rate: int, codec: str, channels: int = 1, cover: bool = False
) -> Path:
    """A sound file in the format that the suffix says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        picture = None
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(noise(32, 32), format="rgb24")))
            container.mux(picture.encode(None))
        _encode_sound(container, stream, samples, rate, channels)
    return path


def video(
    path: Path,
    frames: int,
    rate: int,
    *,
    codec: str = "mpeg4",
    key_frames: int = 12,
    size: tuple[int, int] = (192, 64),
    sound: NDArray[np.float32] | None = None,
) -> Path:
    """A video whose frames show their number as bars; ``sound`` is 16 kHz mono."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.gop_size = width, height, key_frames
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        speech = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for number in range(frames):
            bits = np.array([220 if number >> bit & 1 else 30 for bit in range(DIGITS)], np.uint8)
            row = np.repeat(bits, width // DIGITS)[None, :, None]
            frame = av.VideoFrame.from_ndarray(np.broadcast_to(row, (height, width, 3)).copy(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if speech is not None and sound is not None:
            _encode_sound(container, speech, sound, 16_000, 1)
    return path


def frame_number(pixels: NDArray[np.uint8]) -> int:
    """Read the number that :func:`video` painted."""
    height, width = pixels.shape[:2]
    step = width // DIGITS
    bars = pixels[height // 2, step // 2 :: step].mean(axis=-1)[:DIGITS] > 125
    return sum(1 << bit for bit, bar in enumerate(bars) if bar)


def _encode_sound(
    container: av.container.OutputContainer, stream: object, samples: NDArray[np.float32], rate: int, channels: int
) -> None:
    resampler = av.AudioResampler(stream.format, "mono" if channels == 1 else "stereo", rate, stream.frame_size or 1024)
    planes = np.broadcast_to(samples, (channels, len(samples))) if samples.ndim == 1 else samples.T
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), "fltp", "mono" if channels == 1 else "stereo")
    frame.sample_rate = rate
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))
