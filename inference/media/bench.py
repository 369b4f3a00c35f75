"""What media preprocessing costs on this machine: ``python -m inference.media.bench [--runs N] [--json]``.

Times are medians of processor time, all threads together, so that other work on the machine disturbs them little;
ratios compare with the library call that does the bulk of the work, measured in turn with ours.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.media.audio import SAMPLE_RATE, MonoResampler, PauseSplitter, audio_features, load_audio
from inference.media.cache import content_key
from inference.media.image import aspect_preserving_size, image_features, open_image
from inference.media.streaming import feature_stream
from inference.media.video import sampled_frames, video_features


@dataclass(frozen=True)
class Measurement:
    """One line of the table; milliseconds are medians."""

    name: str
    milliseconds: float
    """Processor time."""
    wall_milliseconds: float
    against: str = ""
    ratio: float = 0.0
    """Processor time as a multiple of that of ``against``."""


def measure(
    name: str, work: Callable[[], Any], runs: int, against: str = "", peer: Callable[[], Any] | None = None
) -> Measurement:
    """Run ``work`` (and the peer, in turn) once unmeasured and then ``runs`` times."""
    times: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    for run in range(runs + 1):
        for index, each in enumerate((work, peer)):
            if each is None:
                continue
            wall, processor = time.perf_counter(), time.process_time()
            each()
            spent = (time.process_time() - processor, time.perf_counter() - wall)
            if run:
                times[index].append(spent)
    own, walls = (median(column) * 1e3 for column in zip(*times[0], strict=True))
    ratio = own / max(median(processor for processor, _ in times[1]) * 1e3, 1e-9) if peer else 0.0
    return Measurement(name, own, walls, against, ratio)


def photograph(height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture with shapes and grain; uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.stack([np.sin(x / 97 + y / 53), np.cos(x / 31 - y / 71), np.sin(x * y / 90_000)], -1)
    grain = np.random.default_rng(0).normal(0, 0.05, waves.shape).astype(np.float32)
    return ((waves + grain + 1.2) * 100).clip(0, 255).astype(np.uint8)


def speech_like(seconds: float, rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Return noise that swells and falls as syllables do, with pauses; float32 [n]."""
    moment = np.arange(round(seconds * rate), dtype=np.float32) / rate
    swell = np.abs(np.sin(moment * 9)) * (np.sin(moment * 0.7) > -0.8)
    sound = np.random.default_rng(0).normal(0, 0.1, len(moment)) * swell
    return np.asarray(sound, np.float32)


def measure_images(runs: int) -> Iterator[Measurement]:
    """Camera frames and a photograph file."""
    frame = photograph(720, 1280)
    image = Image.fromarray(frame)
    for budget in (70, 280, 1120):
        height, width = aspect_preserving_size(720, 1280, budget)
        peer = partial(image.resize, (width, height), Image.Resampling.BICUBIC)
        yield measure(
            f"720p frame to patches, {budget} soft tokens",
            partial(image_features, frame, budget),
            runs,
            "Pillow's resize alone",
            peer,
        )
    yield measure("720p frame to patches, 280, 12B", partial(image_features, frame, 280, "unified"), runs)
    stream = io.BytesIO()
    Image.fromarray(photograph(3000, 4000)).save(stream, "JPEG", quality=90)
    content = stream.getvalue()

    def decode() -> None:
        with Image.open(io.BytesIO(content)) as opened:
            opened.load()

    yield measure("12 MP JPEG decoded", partial(open_image, content), max(runs // 3, 3), "Pillow's decoding", decode)
    yield measure("12 MP JPEG to patches", lambda: image_features(open_image(content)), max(runs // 3, 3))
    yield measure("content key of 10 MB", partial(content_key, bytes(10 * 2**20)), runs)


def measure_audio(runs: int) -> Iterator[Measurement]:
    """Clips, files and a microphone."""
    clip = speech_like(30)
    yield measure("30 s of sound to log-mel features", partial(audio_features, clip), runs)
    yield measure("30 s of sound to raw frames (12B)", partial(audio_features, clip, "unified"), runs)
    high = np.repeat(speech_like(30, 48_000)[:, None], 2, axis=1)
    wav = _wav(high, 48_000)
    yield measure("30 s WAV, 48 kHz stereo, to 16 kHz mono", partial(load_audio, wav), runs)

    def microphone() -> None:
        resampler, features = MonoResampler(48_000), feature_stream()
        for start in range(0, 480_000, 480):
            features.push(resampler.push(high[start : start + 480]))

    yield measure("10 s from a microphone in 10 ms blocks", microphone, max(runs // 3, 3))
    long = speech_like(600)

    def split() -> None:
        splitter = PauseSplitter()
        for start in range(0, len(long), 16_000):
            splitter.push(long[start : start + 16_000])
        splitter.finish()

    yield measure("10 minutes cut at pauses", split, max(runs // 3, 3))


def measure_video(runs: int) -> Iterator[Measurement]:
    """A minute (dense) and ten minutes (sparse) of a 360p film."""
    few = max(runs // 6, 3)
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (60, 600):
            file = Path(folder, f"{seconds}.mp4")
            _film(file, seconds)
            size = f"{seconds} s of 360p H.264"
            yield measure(f"{size}: frames decoded", partial(_decode_film, file), few)
            yield measure(f"{size}: frames to patches", partial(video_features, file, pad=False), few)


def measure_imports(runs: int) -> Iterator[Measurement]:
    """What starting costs, as fresh interpreters beside one that loads numpy only."""
    few = max(runs // 3, 5)
    modules = "inference.media.image, inference.media.audio, inference.media.video, inference.media.prompt"

    def start(statement: str) -> float:
        program = f"import time, numpy; t = time.process_time(); {statement}; print(time.process_time() - t)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return float(done.stdout)

    for name, statement in {
        "import of all media modules, after numpy": f"import {modules}",
        "import of PyAV and soxr (on first use), after numpy": "import av, soxr",
    }.items():
        taken = median(start(statement) for _ in range(few)) * 1e3
        yield Measurement(name, taken, taken)


def _wav(samples: NDArray[np.float32], rate: int) -> bytes:
    import wave

    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).clip(-32768, 32767).astype("<i2").tobytes())
    return stream.getvalue()


def _decode_film(path: Path) -> int:
    return sum(1 for _ in sampled_frames(path))


def _film(path: Path, seconds: int, rate: int = 24) -> None:
    import av

    scenes = [photograph(360, 640), photograph(360, 640)[::-1].copy()]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 640, 360, "yuv420p", 120
        for number in range(seconds * rate):
            shifted = np.roll(scenes[number // 240 % 2], number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
        container.mux(stream.encode(None))


def table(measurements: Sequence[Measurement]) -> str:
    """Return the measurements as a Markdown table."""
    lines = ["| what | processor, ms | wall, ms | ratio |", "|---|---:|---:|---|"]
    for each in measurements:
        ratio = f"{each.ratio:.2f} × {each.against}" if each.against else ""
        lines.append(f"| {each.name} | {each.milliseconds:.2f} | {each.wall_milliseconds:.2f} | {ratio} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or with ``--json`` one object a line."""
    parser = argparse.ArgumentParser(prog="python -m inference.media.bench", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--runs", type=int, default=31, help="runs of the short measurements (31)")
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")
    chosen = parser.parse_args(arguments)
    groups = (measure_images, measure_audio, measure_video, measure_imports)
    measurements = [each for group in groups for each in group(chosen.runs)]
    print("\n".join(json.dumps(asdict(each)) for each in measurements) if chosen.json else table(measurements))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
