"""The libraries that wheels carry beside their own modules, and under which licences these are.

Wheels made for Linux keep them in a folder that ends in ``.libs``, under names with a check sum in the middle. Hardly
any wheel says what they are, so that ``recipes/libraries_in_wheels.txt`` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from installers.names import RECIPES, BuildError

_LIST = RECIPES / "libraries_in_wheels.txt"
_FILE = re.compile(r"lib(?P<name>.+?)(?:-[0-9a-f]{8})+\.so(?:\.[\d.]+)?")


@dataclass(frozen=True)
class Library:
    """A library inside a wheel."""

    name: str
    wheel: str
    licence: str
    """An expression of SPDX."""

    @property
    def copyleft(self) -> bool:
        """Whether nothing but the GPL allows to pass it on."""
        return self.licence.startswith("GPL-") and " " not in self.licence


def found(inside: Path) -> list[Library]:
    """Return what lies in the ``.libs`` folders of a frozen program, sorted by wheel and name.

    Raises:
        BuildError: a library is there whose licence nobody has looked up.
    """
    licences = _licences()
    libraries: set[Library] = set()
    unknown: list[str] = []
    for file in sorted(inside.glob("*.libs/*.so*")):
        match = _FILE.fullmatch(file.name)
        name = match["name"] if match else file.name
        if name in licences:
            libraries.add(Library(name, file.parent.name.removesuffix(".libs"), licences[name]))
        else:
            unknown.append(f"{file.parent.name}/{file.name}")
    if unknown:
        raise BuildError(
            f"Wheels bring libraries that they did not before: {', '.join(unknown)}. Look up their licences and add "
            f"them to packaging/recipes/{_LIST.name}."
        )
    return sorted(libraries, key=lambda library: (library.wheel, library.name.lower()))


def component(library: Library) -> dict[str, object]:
    """Return the entry of the bill of materials (CycloneDX)."""
    single = " " not in library.licence
    return {
        "type": "library",
        "bom-ref": f"{library.wheel}:{library.name}",
        "name": library.name,
        "description": f"in the wheel of {library.wheel}",
        "licenses": [{"license": {"id": library.licence}} if single else {"expression": library.licence}],
    }


def _licences() -> dict[str, str]:
    lines = (line.strip() for line in _LIST.read_text(encoding="utf-8").splitlines())
    pairs = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {name: licence for name, licence in pairs}  # noqa: C416 — a list of two is not a pair to dict()
