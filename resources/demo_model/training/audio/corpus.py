"""Spoken sentences on disk: one file of int16 samples and a list of what is said where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..prepare import RUNS
from .sentences import Sentence

FOLDER = RUNS / "audio"


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence as one voice says it."""

    sentence: Sentence
    speaker: str
    start: int
    length: int
    """Samples at 16 kHz."""


class Corpus:
    """A folder with ``NAME.pcm`` (int16, 16 kHz mono, one sentence after another) and ``NAME.json``."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open what :meth:`write` wrote. Raises ``FileNotFoundError``."""
        entries = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        self.lines = [Line(Sentence(**entry.pop("sentence")), **entry) for entry in entries]
        self._samples = np.memmap(folder / f"{name}.pcm", np.int16, "r")

    def __len__(self) -> int:
        return len(self.lines)

    def samples(self, index: int) -> NDArray[np.float32]:
        """Return sentence ``index``, float32 [n]."""
        line = self.lines[index]
        return self._samples[line.start : line.start + line.length].astype(np.float32) / 32768

    @staticmethod
    def write(folder: Path, name: str, said: Iterable[tuple[Sentence, str, NDArray[np.float32]]]) -> int:
        """Write (sentence, speaker, float32 samples) triples; return how many. The list comes last and at once."""
        lines: list[Line] = []
        start = 0
        with (folder / f"{name}.pcm").open("wb") as file:
            for sentence, speaker, samples in said:
                loud = samples * np.float32(0.9 / max(float(np.abs(samples).max(initial=0.0)), 1e-6))
                file.write((loud * 32767).astype("<i2").tobytes())
                lines.append(Line(sentence, speaker, start, len(samples)))
                start += len(samples)
        part = folder / f"{name}.json.part"
        part.write_text(json.dumps([asdict(line) for line in lines]), encoding="utf-8")
        os.replace(part, folder / f"{name}.json")
        return len(lines)
