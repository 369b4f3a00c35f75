"""The recipes of the installers, as far as any machine can check them; the packages themselves are tried out by
packaging/check_package.sh."""

from __future__ import annotations

import json
import platform
import plistlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from inference.version import __version__

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "packaging" / "recipes"
APP_ID = "io.github.larimar.Larimar"


@pytest.fixture(autouse=True)
def _installers_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "installers"]:
        del sys.modules[name]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@needs("makensis")
@needs("wixl")
@needs("msiextract")
def test_the_windows_installers_compile(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "packaging" / "build.py"), "--target", "exe", "--target", "msi", "--stand-in"]
    done = subprocess.run([*command, "--folder", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    assert (out / f"Larimar-{__version__}-setup.exe").read_bytes()[:2] == b"MZ"
    listed = subprocess.run(
        ["msiextract", "--list", str(out / f"Larimar-{__version__}.msi")], capture_output=True, text=True, check=True
    ).stdout
    assert "larimar.exe" in listed
    assert "stand-in.txt" in listed
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out, check=True)


def test_windows_is_told_the_version(tmp_path: Path) -> None:
    from installers.names import Build
    from installers.windows import write_version_information

    build = Build("cpu", tmp_path)
    build.work.mkdir()
    said: dict[str, object] = {}
    words = {
        "VSVersionInfo": lambda ffi, kids: said.update(ffi),
        "FixedFileInfo": lambda **fields: fields,
        "StringStruct": lambda key, value: said.setdefault(key, value),
        **dict.fromkeys(("StringFileInfo", "VarFileInfo", "StringTable", "VarStruct"), lambda *_: None),
    }
    eval(write_version_information(build).read_text(), words)
    assert said["ProductVersion"] == __version__
    assert said["filevers"] == tuple(int(part) for part in [*__version__.split("."), "0"])


def test_the_windows_installers_need_a_windows_program(tmp_path: Path) -> None:
    from installers.names import Build, BuildError
    from installers.windows import build_exe

    with pytest.raises(BuildError, match="only be frozen on Windows"):
        build_exe(Build("cpu", tmp_path))


def test_both_msi_recipes_say_the_same() -> None:
    first, second = (ElementTree.parse(RECIPES / "windows" / name) for name in ("larimar.wxs", "larimar-wix5.wxs"))
    assert {each.get("UpgradeCode") for each in first.iter()} == {each.get("UpgradeCode") for each in second.iter()}


@needs("desktop-file-validate")
def test_the_menu_entry_is_valid() -> None:
    subprocess.run(["desktop-file-validate", str(RECIPES / "linux" / f"{APP_ID}.desktop")], check=True)


@needs("appstreamcli")
def test_the_metainfo_is_valid() -> None:
    file = RECIPES / "linux" / f"{APP_ID}.metainfo.xml"
    subprocess.run(["appstreamcli", "validate", "--no-net", str(file)], check=True)


def test_the_metainfo_names_this_version() -> None:
    releases = ElementTree.parse(RECIPES / "linux" / f"{APP_ID}.metainfo.xml").iter("release")
    assert __version__ in {release.get("version") for release in releases}


def test_every_recipe_names_the_program_alike() -> None:
    application = (ROOT / "app" / "qt_application.py").read_text(encoding="utf-8")
    assert re.search(rf'^APP_ID = "{re.escape(APP_ID)}"$', application, re.MULTILINE)
    manifest = yaml.safe_load((RECIPES / "flatpak" / f"{APP_ID}.yml").read_text(encoding="utf-8"))
    assert manifest["id"] == APP_ID


def test_the_flatpak_holds_the_program_and_leaves_updates_to_the_store(tmp_path: Path) -> None:
    from installers import flatpak
    from installers.names import Build

    from app.update_check import allowed

    build = Build("cpu", tmp_path)
    make_bundle(tmp_path)
    (build.bundle / "larimar").touch()
    for name in ("larimar.bash", "_larimar", "larimar.1"):
        (build.work / "generated").mkdir(exist_ok=True)
        (build.work / "generated" / name).touch()
    manifest = yaml.safe_load(flatpak.MANIFEST.read_text(encoding="utf-8"))
    flatpak.assemble(manifest, flatpak.prepare(build), tmp_path / "built")
    files = tmp_path / "built" / "files"
    assert (files / "bin" / "larimar").resolve() == (files / "lib" / "larimar" / "larimar").resolve()
    assert (files / "share" / "applications" / f"{APP_ID}.desktop").is_file()
    assert not allowed(files / "lib" / "larimar" / "_internal" / "resources" / "distribution.json")


def test_the_entitlements_allow_what_the_program_does() -> None:
    with (RECIPES / "macos" / "entitlements.plist").open("rb") as file:
        granted = plistlib.load(file)
    spec = (RECIPES / "larimar.spec").read_text(encoding="utf-8")
    for asked in ("NSMicrophoneUsageDescription", "NSCameraUsageDescription", "NSScreenCaptureUsageDescription"):
        assert f'"{asked}"' in spec, "macOS ends a program that asks without saying why"
    assert granted["com.apple.security.device.audio-input"] is True
    assert granted["com.apple.security.device.camera"] is True


@pytest.mark.parametrize("name", ["linux", "windows", "macos"])
def test_the_workflows_call_what_there_is(name: str) -> None:
    text = (RECIPES / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    from build import TARGETS

    targets = re.findall(r"--target (\S+)", commands)
    assert targets
    assert set(targets) <= set(TARGETS)
    for script in re.findall(r"packaging/\w+\.\w+", commands):
        assert (ROOT / script).is_file()


def test_the_cpu_flavour_asks_for_no_cuda_and_neither_for_torch() -> None:
    from installers.environment import requirements
    from installers.names import CUDA_DRIVER

    from inference.graphs.providers import CUDA_NEEDS

    assert f"driver {CUDA_DRIVER} or newer" in CUDA_NEEDS, "the package and the program ask for the same"
    for flavour in ("cpu", "cuda"):
        wanted = " ".join(requirements(flavour)).lower()  # type: ignore[arg-type]
        assert "torch" not in wanted
        assert "nvidia" not in wanted
        assert ("onnxruntime-gpu" in wanted) is (flavour == "cuda")


def make_bundle(folder: Path) -> Path:
    inside = folder / "cpu" / "dist" / "larimar" / "_internal"
    for name in (
        "resources/demo_model/config.json",
        "resources/icons/larimar.svg",
        "source/main.py",
        "licences/a",
        "inference/native/larimar_operators_x86_64.so",
    ):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_text("x" * 1000)
    return inside


@pytest.mark.skipif(sys.platform != "linux", reason="looks at libraries of Linux")
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("torch/lib/libtorch.so", "must not"),
        ("onnxruntime/capi/libonnxruntime_providers_cuda.so", "must not"),
        ("nvidia/libcudnn.so.9", "must not"),
        ("libsurprise.so.3", "did not before"),
    ],
)
def test_a_frozen_program_with_a_stowaway_is_refused(tmp_path: Path, name: str, complaint: str) -> None:
    from installers import freeze
    from installers.names import Build, BuildError

    build = Build("cpu", tmp_path)
    inside = make_bundle(tmp_path)
    freeze.check(build)
    (inside / name).parent.mkdir(parents=True, exist_ok=True)
    (inside / name).write_bytes(b"\x7fELF")
    with pytest.raises(BuildError, match=complaint):
        freeze.check(build)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at libraries of Linux")
def test_the_cuda_flavour_computes_on_cards_and_brings_nothing_of_nvidias(tmp_path: Path) -> None:
    from installers import freeze
    from installers.names import Build, BuildError

    build = Build("cuda", tmp_path)
    make_bundle(tmp_path).parents[2].rename(tmp_path / "cuda")
    with pytest.raises(BuildError, match="cannot compute on NVIDIA cards"):
        freeze.check(build)
    runtime = build.bundle / "_internal" / "onnxruntime" / "capi" / "libonnxruntime_providers_cuda.so"
    runtime.parent.mkdir(parents=True)
    runtime.touch()
    freeze.check(build)
    runtime.with_name("libcudnn.so.9").touch()
    with pytest.raises(BuildError, match=r"must not: .*libcudnn"):
        freeze.check(build)


def test_a_frozen_program_without_its_demo_model_is_refused(tmp_path: Path) -> None:
    from installers import freeze
    from installers.names import Build, BuildError

    inside = make_bundle(tmp_path)
    (inside / "resources" / "demo_model" / "config.json").unlink()
    with pytest.raises(BuildError, match="lacks resources/demo_model"):
        freeze.check(Build("cpu", tmp_path))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the operators are for x86-64")
def test_a_frozen_program_without_its_operators_is_refused(tmp_path: Path) -> None:
    from installers import freeze
    from installers.names import Build, BuildError

    next((make_bundle(tmp_path) / "inference" / "native").iterdir()).unlink()
    with pytest.raises(BuildError, match="lacks Larimar's own operators"):
        freeze.check(Build("cpu", tmp_path))


def test_the_app_for_macos_carries_the_licences(tmp_path: Path) -> None:
    from installers.macos import _add_licences
    from installers.names import Build

    make_bundle(tmp_path)
    app = tmp_path / "Larimar.app"
    for folder in ("Resources", "Frameworks"):
        (app / "Contents" / folder).mkdir(parents=True)
    for _ in range(2):  # a build may be wrapped again
        _add_licences(Build("cpu", tmp_path), app)
    assert (app / "Contents" / "Frameworks" / "licences" / "a").is_file()


def test_the_icons_are_drawn_from_the_one_drawing(tmp_path: Path) -> None:
    from installers import icons
    from PIL import Image

    for name in ("larimar.ico", "larimar.icns"):
        icons.write(tmp_path / name, Path(sys.executable))
        with Image.open(tmp_path / name) as icon:
            sizes = {size[0] for size in icon.info["sizes"]}
            assert {16, 32, 256} <= sizes
            assert icon.convert("RGBA").getpixel((icon.width // 2, icon.height // 2))[3] == 255


def test_the_sizes_add_up(tmp_path: Path) -> None:
    from installers import report

    make_bundle(tmp_path)
    lines = report.lines(tmp_path / "cpu" / "dist" / "larimar")
    assert lines[-1] == "| all | 0.0 |"
    assert any("resources/demo_model" in line for line in lines)


def test_two_archives_of_one_program_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from installers import portable
    from installers.names import Build

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    contents = []
    for name in ("first", "second"):
        make_bundle(tmp_path / name)
        (archive,) = portable.build(Build("cpu", tmp_path / name))
        contents.append(archive.read_bytes())
    assert contents[0] == contents[1]
    with tarfile.open(tmp_path / "first" / "out" / archive.name) as opened:
        assert {member.mtime for member in opened.getmembers()} == {1700000000}


def test_the_bill_of_materials_lists_what_went_in_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from installers import libraries_in_wheels, licences
    from installers.names import Build, BuildError

    build = Build("cpu", tmp_path)
    inside = make_bundle(tmp_path)
    import numpy

    bill = {
        "components": [{"name": "numpy", "bom-ref": "n"}, {"name": "PyYAML", "bom-ref": "y"}],
        "dependencies": [{"ref": "n", "dependsOn": ["y"]}, {"ref": "y"}],
        "metadata": {},
    }
    real = licences.output_of
    library = inside / "av.libs" / "libx264-d6533a8d.so.165"
    library.parent.mkdir()
    library.touch()

    def output_of(*command: object, **rest: object) -> str:
        return json.dumps(bill) if "cyclonedx_py" in command else real(*command, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(licences, "output_of", output_of)
    contents = tmp_path / "contents.json"
    contents.write_text(json.dumps([["numpy", numpy.__file__]]))
    licences.write(build, Path(sys.executable), contents)
    written = json.loads((build.work / "sbom.json").read_text())
    names = [part["name"] for part in written["components"]]
    assert names == ["numpy", "x264", "Python", "larimar-demo-model", "silero-vad"]
    assert written["dependencies"] == [{"ref": "n", "dependsOn": []}]
    assert written["metadata"]["component"]["version"] == __version__
    listed = (inside / "licences" / "README.txt").read_text()
    assert "numpy" in listed
    assert "PyYAML" not in listed
    assert list((inside / "licences" / "numpy").iterdir())
    assert list((inside / "licences" / "silero-vad").iterdir()), "its graph lies in resources/"
    assert "x264 are under the GNU General Public License" in listed
    assert (inside / "licences" / "GNU" / "GPL-3.0.txt").is_file()
    library.with_name("libsurprise-d6533a8d.so.1").touch()
    with pytest.raises(BuildError, match=r"libsurprise.*Look up"):
        libraries_in_wheels.found(inside)
