"""What a frozen program weighs, and what of it weighs most."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from installers.names import Build


def write(build: Build) -> None:
    """Write ``sizes.md`` beside the frozen program, and print it."""
    text = "\n".join(lines(build.bundle)) + "\n"
    (build.work / "sizes.md").write_text(text, encoding="utf-8")
    print(text)


def lines(bundle: Path) -> list[str]:
    """Return a Markdown table of the ten largest parts of a frozen program, in MB (10^6 bytes)."""
    inside = bundle / "_internal"
    parts: Counter[str] = Counter()
    total = 0
    for file in bundle.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        size = file.stat().st_size
        total += size
        parts[_part(file.relative_to(inside) if file.is_relative_to(inside) else file.relative_to(bundle))] += size
    table = [f"| {part} | {size / 1e6:.1f} |" for part, size in parts.most_common(10)]
    return ["| part | MB |", "|---|---:|", *table, f"| all | {total / 1e6:.1f} |"]


def _part(path: Path) -> str:
    first = path.parts[0].removesuffix(".libs")
    if path.parts[0] == "PySide6" and "lib" in path.parts:
        return "Qt libraries"
    if path.parts[0] == "resources" and len(path.parts) > 2:
        return "/".join(path.parts[:2])
    return first
