"""The doctor's findings on this machine, and on machines that lack something."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from inference import doctor
from inference.doctor import Finding
from inference.graphs import native_operators


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """Pretend about the distributions named (with _ for -); the others are as they are."""
    asked = {name.replace("_", "-"): version for name, version in versions.items()}
    real = metadata.version

    def version(name: str) -> str:
        if name not in asked:
            return real(name)
        if (found := asked[name]) is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(doctor.metadata, "version", version)


def finding(name: str, findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if finding.name == name)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_nvidia_gpu", lambda: "")


def test_this_machine_can_run_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run() == 0
    output = capsys.readouterr()
    assert output.out.endswith("Larimar can run here.\n")
    assert "problem" not in output.out
    assert output.err == ""


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(as_json=True, window_problem="There is no display.") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    window = next(finding for finding in report["findings"] if finding["name"] == "Window")
    assert window == {
        "name": "Window",
        "level": "warning",
        "text": "There is no display.",
        "advice": "The chat runs in the terminal.",
    }


def test_cpu_provider_is_really_usable() -> None:
    assert "CPUExecutionProvider" in doctor.usable_providers()


def test_add_graph_adds() -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(doctor.ADD_GRAPH, providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["x"]
    assert session.get_inputs()[0].shape == [1]


def test_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, onnxruntime=None, onnxruntime_gpu=None)
    found = finding("ONNX Runtime", doctor.examine())
    assert found.level == "problem"
    assert "neither the extra cpu nor the extra gpu" in found.text
    assert '".[cpu]"' in found.advice


def test_no_runtime_on_a_machine_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_nvidia_gpu", lambda: "A GPU")
    installed(monkeypatch, onnxruntime=None, onnxruntime_gpu=None)
    assert '".[gpu]"' in finding("ONNX Runtime", doctor.examine()).advice


def test_both_runtimes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    installed(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu="1.31.1")
    assert doctor.run() == 1
    words = " ".join(capsys.readouterr().out.split())
    assert "onnxruntime and onnxruntime-gpu are installed together" in words
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in words


def test_shell_of_a_removed_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu=None)

    def broken() -> list[str]:
        raise AttributeError("module 'onnxruntime' has no attribute 'SessionOptions'")

    monkeypatch.setattr(doctor, "usable_providers", broken)
    found = finding("ONNX Runtime", doctor.examine())
    assert found.level == "problem"
    assert "cannot be loaded" in found.text


def test_gpu_that_lies_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_nvidia_gpu", lambda: "A GPU")
    installed(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu=None)
    found = finding("GPU", doctor.examine())
    assert found.level == "warning"
    assert '".[gpu]"' in found.advice


def test_gpu_that_lies_idle_beside_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_nvidia_gpu", lambda: "A GPU")
    monkeypatch.setattr("sys.frozen", True, raising=False)
    installed(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu=None)
    advice = finding("GPU", doctor.examine()).advice
    assert "larimar-cuda" in advice
    assert "pip" not in advice


def test_gpu_wheel_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, onnxruntime=None, onnxruntime_gpu="1.31.1")
    monkeypatch.setattr(doctor, "usable_providers", lambda: ["CPUExecutionProvider"])
    assert finding("GPU", doctor.examine()).text.startswith("CUDA cannot be used: ")


def test_it_says_who_multiplies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_operators, "why_not", lambda: "")
    assert "Larimar's own make the products" in doctor._operators().text
    monkeypatch.setattr(native_operators, "why_not", lambda: "they were not built")
    monkeypatch.setattr(native_operators, "LIBRARY", tmp_path / "missing.so")
    finding = doctor._operators()
    assert finding.level == "ok"
    assert finding.text.endswith("are not used: they were not built.")
    assert "build_operators.py" in finding.advice


def test_missing_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(model=tmp_path / "none") == 1
    assert str(tmp_path / "none") in capsys.readouterr().out.replace("\n         ", "")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, tokenizers=None)
    assert finding("Packages", doctor.examine()).text == "tokenizers not installed."


def test_missing_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.importlib.import_module

    def load(name: str) -> object:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name)

    monkeypatch.setattr(doctor.importlib, "import_module", load)
    found = finding("Microphone", doctor.examine())
    assert found.level == "warning"
    assert "libportaudio2" in found.advice


def test_second_qt_in_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, opencv_python="5.0")
    assert "pip uninstall -y opencv-python" in finding("Camera", doctor.examine()).advice


def test_pyside_that_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, PySide6_Essentials="6.12.0")
    monkeypatch.setattr(doctor.sys, "version_info", (3, 11, 7))
    assert [found.level for found in doctor.examine() if found.name == "Larimar"] == ["ok", "problem"]


def test_conversion_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, torch=None)
    found = finding("Conversion", doctor.examine())
    assert found.level == "ok"
    assert "missing: torch" in found.text


def test_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("oops")

    monkeypatch.setattr(doctor, "_camera", broken)
    assert finding("Camera", doctor.examine()).text == "The check itself failed: RuntimeError: oops"


def test_small_machine_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_memory_bytes", lambda: (2 << 30, 1 << 30))
    found = finding("Memory", doctor.examine())
    assert (found.level, found.text) == ("warning", "2.0 GiB in all, 1.0 GiB available.")


@pytest.mark.parametrize(
    ("listing", "name"),
    [("GPU 0: NVIDIA H100 (UUID: GPU-1)\nGPU 1: Other (UUID: GPU-2)\n", "NVIDIA H100"), ("No devices found\n", "")],
)
def test_gpu_name(monkeypatch: pytest.MonkeyPatch, listing: str, name: str) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(doctor.shutil, "which", lambda tool: tool)
    answer = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *arguments, **options: answer)
    assert doctor._nvidia_gpu() == name


def test_threads_and_the_reason_for_the_cpu_are_told() -> None:
    from inference.processor import threads

    told = {finding.name: finding.text for finding in doctor.examine()}
    assert f"computed by {threads()} thread" in told["Processor"]
    if "CUDAExecutionProvider" not in doctor.usable_providers():
        assert told["GPU"]


def test_what_drafts_cost_is_told_once_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    from inference.model_folder import ModelFolder, default_model_folder
    from inference.run_costs import CostFile, RunCosts

    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path)
    assert "learnt from the first answers" in doctor._drafts(None)[0].text
    decoder = ModelFolder.open(default_model_folder()).graph("decoder_model_merged")
    CostFile(decoder, "CPU None").save(RunCosts({4: 1.75}, 0.05))
    assert "4 tokens 1.75 ×" in doctor._drafts(None)[0].text


def test_a_home_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "none"))
    (finding,) = [finding for finding in doctor.examine() if finding.name == "Disk"]
    assert finding.level == "warning"
    assert "does not exist" in finding.text
