"""Measures a conversion: time, memory, file sizes; not a test.

Run it as

    python tests/measure_conversion.py e2b --folder /some/disk/with/room [--layers 4] [--precision q4] [--media]

It writes a random checkpoint of the model's true shape, converts it in a process of its own, prints a row of the table
in ``inference/PERFORMANCE.md``, and removes everything again (``--keep`` leaves it). With ``--media`` E2B comes with
its encoders and its drafter.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def measured_conversion(
    checkpoint: Path, out: Path, precision: str = "q4", drafter: Path | None = None
) -> dict[str, Any]:
    """Convert in a process of its own; return seconds by stage, and its peak of resident memory in bytes (Linux)."""
    arguments = [sys.executable, str(Path(__file__).resolve()), "--child", str(checkpoint), str(out), precision]
    arguments += [] if drafter is None else [str(drafter)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT)
    if result.returncode:
        raise RuntimeError(result.stderr)
    measured: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return measured


def _child(checkpoint: Path, out: Path, precision: str, drafter: Path | None = None) -> None:
    start = time.monotonic()
    from inference.export.convert import convert_checkpoint

    seconds = {"Importing": time.monotonic() - start}
    peaks = {"Importing": memory("RssAnon")}
    now = "Importing"

    def progress(stage: str, _: float, detail: str = "") -> None:
        nonlocal now
        now = stage.split()[0]
        elapsed = time.monotonic() - start - sum(value for key, value in seconds.items() if key != now)
        seconds[now] = max(seconds.get(now, 0.0), elapsed)
        peaks[now] = max(peaks.get(now, 0), memory("RssAnon"))

    convert_checkpoint(checkpoint, out, precision, progress, drafter)  # type: ignore[arg-type]
    print(
        json.dumps({"seconds": seconds, "anonymous": peaks, "peak": memory("VmHWM"), "total": time.monotonic() - start})
    )


def memory(field: str) -> int:
    """Return a field of /proc/self/status in bytes: VmHWM (peak, with mapped files) or RssAnon (now, without)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        _child(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], *map(Path, sys.argv[5:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=("e2b", "12b", "26b", "31b"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--precision", default="q4")
    parser.add_argument("--media", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if options.media and (options.shape != "e2b" or options.layers):
        parser.error("--media goes with the whole e2b")
    from streamed_checkpoints import drafter_config, multimodal_config, stream_checkpoint, text_config

    config = text_config(options.shape, options.layers)
    folder = options.folder / f"{options.shape}-{config.num_hidden_layers}{'-media' if options.media else ''}"
    checkpoint, out = folder / "checkpoint", folder / options.precision
    drafter = folder / "drafter" if options.media else None
    if not (checkpoint / "model.safetensors").exists():
        start = time.monotonic()
        stream_checkpoint(checkpoint, multimodal_config() if options.media else config, words=config.vocab_size)
        if drafter is not None:
            stream_checkpoint(drafter, drafter_config())
        print(f"wrote the checkpoint in {time.monotonic() - start:.0f} s", file=sys.stderr)
    try:
        measured = measured_conversion(checkpoint, out, options.precision, drafter)
        files = {file.name: file.stat().st_size for file in sorted((out / "onnx").iterdir())}
        source = (checkpoint / "model.safetensors").stat().st_size
        print(json.dumps({**measured, "files": files}, indent=1), file=sys.stderr)
        seconds = measured["seconds"]
        print(
            f"| {options.shape}, {config.num_hidden_layers} layers | {options.precision} | {source / 1e9:.1f} GB "
            f"| {sum(files.values()) / 1e9:.2f} GB | {seconds.get('Tracing', 0):.0f} s | {seconds['Writing']:.0f} s "
            f"| {measured['total']:.0f} s | {measured['peak'] / 1e9:.2f} GB "
            f"| {max(measured['anonymous'].values()) / 1e9:.2f} GB |"
        )
    finally:
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
