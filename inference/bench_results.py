"""What measurements of ``main.py bench`` come to: a table for people and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from inference.output_files import write_file


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measurement beside another of the same run."""

    name: str
    ratio: float
    """How many times the other one; for speeds, above 1 is faster."""
    goal: float | None = None
    most: bool = False
    """Whether the goal is an upper bound."""

    def __str__(self) -> str:
        goal = "" if self.goal is None else f", goal {'≤' if self.most else '≥'} {self.goal:g}"
        return f"{self.ratio:.2f} × {self.name}{goal}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the table."""

    name: str
    value: float
    unit: str
    against: tuple[Comparison, ...] = ()
    note: str = ""

    def line(self) -> str:
        """Return the line in Markdown."""
        digits = 0 if abs(self.value) >= 1000 else 1 if abs(self.value) >= 10 else 2
        beside = "; ".join([*map(str, self.against), *([self.note] if self.note else [])])
        return f"| {self.name} | {self.value:.{digits}f} {self.unit} | {beside} |"


def table(measurements: Iterable[Measurement], seen: list[Measurement] | None = None) -> Iterator[str]:
    """Yield the lines of a Markdown table as the measurements come in, and collect these in ``seen``."""
    yield "| what | measured | beside |"
    yield "|---|---:|---|"
    for each in measurements:
        if seen is not None:
            seen.append(each)
        yield each.line()


def write_json(file: Path, about: dict[str, object], measurements: Iterable[Measurement]) -> None:
    """Write measurements as one JSON object: what ``about`` says, and a list ``measurements``.

    Raises:
        OutputFileError, DiskSpaceError: the file cannot be written.
    """
    content = {**about, "measurements": [asdict(each) for each in measurements]}
    write_file(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
