"""Brings the translations up to date with the source, and compiles them: ``python packaging/translations.py``.

``resources/translations/larimar_LANGUAGE.ts`` is for translators (Qt Linguist opens it), the ``.qm`` beside it is what
the program reads; both are committed. Needs the tools that come with PySide6. Exits with 1 when a text still wants its
translation.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "resources" / "translations"


def tool(name: str) -> str:
    """Return the path of one of PySide6's own tools."""
    import PySide6

    suffix = ".exe" if sys.platform == "win32" else ""
    return str(Path(PySide6.__file__).parent / f"{name}{suffix}")


def update(file: Path) -> None:
    """Add the texts of the source to a translation, and drop those that are gone."""
    sources = sorted(str(each.relative_to(ROOT)) for each in (ROOT / "app").rglob("*.py"))
    language = file.stem.partition("_")[2]
    quiet = ["-silent", "-no-obsolete", "-locations", "none", "-source-language", "en", "-target-language", language]
    subprocess.run([tool("lupdate"), *quiet, *sources, "-ts", str(file)], cwd=ROOT, check=True)


def compile_(file: Path, target: Path) -> None:
    """Write what the program reads."""
    subprocess.run([tool("lrelease"), "-silent", str(file), "-qm", str(target)], check=True)


def messages(file: Path) -> list[tuple[str, str, str]]:
    """Return context, source text and translation of everything in a file; no translation where it is not finished."""
    found = []
    for context in ElementTree.parse(file).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            assert translation is not None
            text = translation.text or "" if translation.get("type") is None else ""
            found.append((context.findtext("name", ""), message.findtext("source", ""), text))
    return found


def main() -> int:
    """Update and compile every language; say what is missing."""
    missing = 0
    for file in sorted(TRANSLATIONS.glob("*.ts")):
        update(file)
        compile_(file, file.with_suffix(".qm"))
        for context, source, translation in messages(file):
            if not translation:
                missing += 1
                print(f"{file.name}: {context}: {source}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
