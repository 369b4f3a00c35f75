"""The bill of materials and the licence texts, from what really went into the frozen program.

PyInstaller's list of contents says from which file everything came; the installed distributions say which of them a
file belongs to, and Debian's package database says it of the libraries of the system. CycloneDX's own tool describes
the environment; what did not go in is taken out of its list.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from installers import libraries_in_wheels
from installers.libraries_in_wheels import Library
from installers.names import NAME, RECIPES, ROOT, Build, BuildError, output_of, version

_CARRIED = {"silero-vad": ("6.2.3", "MIT", ROOT / "resources" / "voice_activity" / "LICENSE")}
"""Works of others that lie in ``resources/`` rather than in a distribution: version, licence and its text."""

_OWNERS = """
import json, sys
from importlib import metadata
from pathlib import Path
owners, about = {}, {}
for each in metadata.distributions():
    name = each.metadata["Name"]
    texts = []
    for file in each.files or ():
        path = Path(file.locate())
        owners[str(path.resolve())] = name
        upper = path.name.upper()
        if upper.startswith(("LICEN", "COPYING", "NOTICE", "AUTHORS", "THIRDPARTY", "THIRD-PARTY", "THIRD_PARTY")):
            if path.suffix not in (".py", ".pyc"):
                texts.append(str(path))
    said = each.metadata.get("License-Expression") or each.metadata.get("License") or ""
    classifiers = each.metadata.get_all("Classifier", [])
    classifiers = [text.split("::")[-1].strip() for text in classifiers if text.startswith("License")]
    about[name] = {
        "version": each.version,
        "licence": said if said and len(said) < 100 else "; ".join(classifiers) or said.split("\\n")[0],
        "texts": texts,
    }
json.dump({"owners": owners, "about": about}, sys.stdout)
"""
"""Run by the Python of the environment: its files and what each distribution says of its licence."""


def write(build: Build, python: Path, contents: Path) -> None:
    """Write ``licences/`` into the frozen program and ``sbom.json`` beside it.

    Raises:
        BuildError: a distribution or a library went in of which no licence is known.
    """
    sources = {str(Path(source).resolve()) for _, source in json.loads(contents.read_text(encoding="utf-8"))}
    known = json.loads(output_of(python, "-c", _OWNERS))
    owners = {known["owners"][source] for source in sources if source in known["owners"]}
    folder = build.bundle / "_internal" / "licences"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []
    for name in sorted(owners, key=str.lower):
        about = known["about"][name]
        texts = [Path(text) for text in about["texts"]]
        if not texts and not about["licence"]:
            raise BuildError(f"{name} went in, but says nothing about its licence. Look it up before shipping it.")
        _copy_texts(folder / name, texts)
        lines.append(f"{name} {about['version']}: {about['licence'] or 'see its text'}")
    system = _of_the_system(sources - set(known["owners"]), build)
    for package, (number, text) in sorted(system.items()):
        if text is not None:
            _copy_texts(folder / package, [text])
        lines.append(f"{package} {number}: see its text")
    for work, (number, licence, text) in _CARRIED.items():
        _copy_texts(folder / work, [text])
        lines.append(f"{work} {number}: {licence}")
    lines.append(f"Python {sys.version.split()[0]}: PSF-2.0")
    _copy_texts(folder / "Python", _python_licence(python))
    _copy_texts(folder / "GNU", sorted((RECIPES / "licences").iterdir()))
    _copy_texts(folder / NAME, [ROOT / "LICENSE"])
    libraries = libraries_in_wheels.found(build.bundle / "_internal")
    lines += [f"{library.name}, in the wheel of {library.wheel}: {library.licence}" for library in libraries]
    strict = ", ".join(sorted({library.name for library in libraries if library.copyleft}))
    copyleft = _COPYLEFT.format(names=strict) if strict else ""
    readme = _README.format(name=NAME, copyleft=copyleft, list="\n".join(lines))
    (folder / "README.txt").write_text(readme, encoding="utf-8")
    parts = {_canonical(name) for name in owners}
    _write_sbom(build, python, parts, {k: v[0] for k, v in system.items()}, libraries)


_README = """{name} is built from the works below, each under its own licence. The texts lie beside this file, those of
the GNU licences, which several share, in the folder GNU.

PySide6 (Qt), soxr, libheif, libde265 and the FFmpeg libraries inside av are under the LGPL: they are separate files
in this folder's parent, and may be replaced there by other builds of the same versions.
{copyleft}
{list}
"""

_COPYLEFT = """
Of the libraries inside wheels, {names} are under the GNU General Public License, version 2 or later. Who passes
this program on passes them on too, and has to keep to version 3 of that licence for the whole, which goes together
with Apache 2.0, the licence of Larimar's own code; the sources of these libraries have to be offered with it.
"""


def _copy_texts(folder: Path, texts: list[Path]) -> None:
    for index, text in enumerate(text for text in texts if text.is_file()):
        folder.mkdir(exist_ok=True)
        name = text.name if not (folder / text.name).exists() else f"{index}-{text.name}"
        shutil.copyfile(text, folder / name)


def _python_licence(python: Path) -> list[Path]:
    code = "import sys, sysconfig; print(sys.base_prefix); print(sysconfig.get_path('stdlib'))"
    return [
        Path(line) / name for line in output_of(python, "-c", code).split("\n") for name in ("LICENSE", "LICENSE.txt")
    ]


def _of_the_system(sources: set[str], build: Build) -> dict[str, tuple[str, Path | None]]:
    """Return, by Debian package, version and licence text of libraries that came from the system."""
    if shutil.which("dpkg") is None:
        return {}
    found: dict[str, tuple[str, Path | None]] = {}
    libraries = [
        source for source in sources if re.search(r"\.so(\.|$)", source) and source.startswith(("/usr", "/lib"))
    ]
    for library in libraries:
        candidates = (library, library.removeprefix("/usr"))
        answers = (
            subprocess.run(["dpkg", "-S", each], capture_output=True, text=True, check=False) for each in candidates
        )
        owner = next((answer.stdout.split(":")[0] for answer in answers if answer.returncode == 0), None)
        if owner is None or owner in found:
            continue
        number = output_of("dpkg-query", "-W", "-f", "${Version}\n", owner).split("\n")[0]
        text = Path("/usr/share/doc") / owner / "copyright"
        found[owner] = (number, text if text.is_file() else None)
    return found


def _write_sbom(build: Build, python: Path, owners: set[str], system: dict[str, str], libraries: list[Library]) -> None:
    text = output_of(
        python, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--output-format", "JSON", str(python)
    )
    bill = json.loads(text)
    bill["components"] = [part for part in bill.get("components", []) if _canonical(part["name"]) in owners]
    kept = {part["bom-ref"] for part in bill["components"]}
    for package, number in sorted(system.items()):
        reference = f"pkg:deb/debian/{package}@{number}"
        bill["components"].append(
            {"type": "library", "bom-ref": reference, "name": package, "version": number, "purl": reference}
        )
    bill["components"] += map(libraries_in_wheels.component, libraries)
    bill["components"] += [
        _part("Python", sys.version.split()[0], "PSF-2.0", "platform"),
        _part("larimar-demo-model", version(), "Apache-2.0", "machine-learning-model"),
    ]
    for work, (number, licence, _) in _CARRIED.items():
        purl = f"pkg:pypi/{work}@{number}"
        bill["components"].append(
            {
                "type": "machine-learning-model",
                "bom-ref": purl,
                "name": work,
                "version": number,
                "purl": purl,
                "licenses": [{"license": {"id": licence}}],
            }
        )
    bill["dependencies"] = [
        {**each, "dependsOn": [other for other in each.get("dependsOn", []) if other in kept]}
        for each in bill.get("dependencies", [])
        if each["ref"] in kept
    ]
    bill["metadata"]["component"] = {
        "type": "application",
        "bom-ref": NAME,
        "name": build.package,
        "version": version(),
    }
    out = build.work / "sbom.json"
    out.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _part(name: str, number: str, licence: str, kind: str) -> dict[str, object]:
    return {
        "type": kind,
        "bom-ref": name,
        "name": name,
        "version": number,
        "licenses": [{"license": {"id": licence}}],
    }


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
