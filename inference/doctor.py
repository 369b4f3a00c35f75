"""Checks whether this machine and this installation can run Larimar, and says what to do where they cannot."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from inference.errors import LarimarError
from inference.foreign_names import printable
from inference.graphs import native_operators
from inference.graphs.providers import CUDA_NEEDS, why_not_cuda
from inference.processor import threads
from inference.version import __version__

Level = Literal["ok", "warning", "problem"]

RUNTIME_WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
)
"""Distributions that all provide the module ``onnxruntime``; the one installed last hides the others."""

MODEL_PACKAGES = ("numpy", "tokenizers", "jinja2", "Pillow")
"""Without these no model answers."""

EXPORT_PACKAGES = ("torch", "transformers", "optimum", "onnx", "onnxscript", "onnx-ir", "safetensors")
"""The ``export`` extra; only conversion needs it."""

SMALL_MEMORY = 4 << 30
SMALL_DISK = 5 << 30
"""Bytes below which a real model will hardly fit; the demo model is content with much less."""

ADD_GRAPH = (
    b'\x08\x08\x12\x00:5\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02'
    b"\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""A serialised ONNX model: ``y = x + x`` on float32 [1], opset 13. Small enough to try a provider with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    name: str
    level: Level
    text: str
    """What was found."""
    advice: str = ""
    """What to do; empty when there is nothing to do."""


def run(*, model: Path | None = None, window_problem: str | None = None, as_json: bool = False) -> int:
    """Print the findings on standard output.

    ``model`` is the model folder to look at, ``None`` for the default one. ``window_problem`` says why no window can
    be opened, which only the app can tell, or is ``None``. Returns 0 when Larimar can answer here (be it in the
    terminal), else 1.
    """
    findings = examine(model=model, window_problem=window_problem)
    healthy = all(finding.level != "problem" for finding in findings)
    if as_json:
        report = {"version": __version__, "ok": healthy, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            print(_as_line(finding))
        print("\nLarimar can run here." if healthy else "\nLarimar cannot run here yet: see each problem above.")
    return 0 if healthy else 1


def examine(*, model: Path | None = None, window_problem: str | None = None) -> list[Finding]:
    """Make all checks; see :func:`run`. A check that fails itself becomes a finding, never an error."""
    checks: dict[str, Callable[[], list[Finding]]] = {
        "Larimar": _versions,
        "Processor": _processor,
        "Memory": _memory,
        "Disk": _disk,
        "Packages": _packages,
        "ONNX Runtime": _runtime,
        "Model": lambda: _model(model),
        "Drafts": lambda: _drafts(model),
        "Window": lambda: _window(window_problem),
        "Microphone": _microphone,
        "Camera": _camera,
        "Conversion": _conversion,
    }
    findings: list[Finding] = []
    for name, check in checks.items():
        try:
            findings += [replace(each, text=printable(each.text), advice=printable(each.advice)) for each in check()]
        except Exception as error:  # a broken package may raise anything; the other checks still matter
            findings.append(
                Finding(name, "problem", printable(f"The check itself failed: {type(error).__name__}: {error}"))
            )
    return findings


def _as_line(finding: Finding) -> str:
    body = f"{finding.name}: {finding.text}" + (f" {finding.advice}" if finding.advice else "")
    return textwrap.fill(
        body, width=100, initial_indent=f"{finding.level:<9}", subsequent_indent=" " * 9, break_on_hyphens=False
    )


def _versions() -> list[Finding]:
    text = f"{__version__} on Python {platform.python_version()}, {_system_name()}, {platform.machine()}"
    findings = [Finding("Larimar", "ok", text)]
    if _version("PySide6-Essentials") == "6.12.0" and sys.version_info < (3, 12):
        findings.append(
            Finding(
                "Larimar",
                "problem",
                "PySide6 6.12.0 ends the program on this Python.",
                "Install another one: pip install -c packaging/constraints.txt PySide6-Essentials PySide6-Addons",
            )
        )
    return findings


def _system_name() -> str:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{platform.system()} {platform.release()}"


def _processor() -> list[Finding]:
    name, flags = platform.processor() or platform.machine(), set[str]()
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            name = found[1].strip()
        if found := re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE):
            flags = set(found[1].split())
    # What the int4 and int8 kernels of ONNX Runtime are fast with.
    wanted = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
    helpful = [flag for flag in wanted if flag in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = threads()
    text = f"{name}, {cores} logical cores" + (f", with {', '.join(helpful)}" if helpful else "")
    text += f"; answers are computed by {count} thread{'' if count == 1 else 's'}" if count else ""
    if flags and platform.machine() in ("x86_64", "AMD64") and "avx2" not in flags:
        return [Finding("Processor", "warning", f"{text}, without AVX2.", "Answers will be slow.")]
    return [Finding("Processor", "ok", text)]


def _memory() -> list[Finding]:
    total, available = _memory_bytes()
    if total is None:
        return [Finding("Memory", "warning", "How much there is could not be found out.")]
    text = f"{_gib(total)} in all" + (f", {_gib(available)} available" if available is not None else "")
    if (total if available is None else available) < SMALL_MEMORY:
        return [Finding("Memory", "warning", f"{text}.", "The demo model runs; larger ones need more.")]
    return [Finding("Memory", "ok", text)]


def _memory_bytes() -> tuple[int | None, int | None]:
    """Return the memory in all and what is available, in bytes; ``None`` where the system does not say."""
    with contextlib.suppress(OSError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        sizes = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
        return sizes.get("MemTotal"), sizes.get("MemAvailable")
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return None, None


def _disk() -> list[Finding]:
    free = shutil.disk_usage(Path.home()).free
    text = f"{_gib(free)} free in the home folder"
    if free < SMALL_DISK:
        return [Finding("Disk", "warning", f"{text}.", "A real model needs 3 GiB and more.")]
    return [Finding("Disk", "ok", text)]


def _packages() -> list[Finding]:
    missing = [name for name in MODEL_PACKAGES if _version(name) is None]
    if missing:
        return [Finding("Packages", "problem", f"{', '.join(missing)} not installed.", _reinstall())]
    return [Finding("Packages", "ok", ", ".join(f"{name} {_version(name)}" for name in MODEL_PACKAGES))]


def _runtime() -> list[Finding]:
    wheels = [(name, version) for name in RUNTIME_WHEELS if (version := _version(name)) is not None]
    gpu = _nvidia_gpu()
    right = "gpu" if gpu else "cpu"
    if not wheels:
        text = "Not installed: neither the extra cpu nor the extra gpu is there."
        return [Finding("ONNX Runtime", "problem", text, _reinstall(right))]
    names = " and ".join(name for name, _ in wheels)
    if len(wheels) > 1:
        text = f"{names} are installed together, and one hides the other: there must be exactly one."
        advice = f"Remove them all, then install one: pip uninstall -y {names.replace(' and ', ' ')}, then: "
        return [Finding("ONNX Runtime", "problem", text, advice + _reinstall(right))]
    name, version = wheels[0]
    try:
        providers = usable_providers()
    except (ImportError, AttributeError) as error:
        # AttributeError: what another wheel's removal leaves is an empty shell of the module.
        text = f"{name} {version} is installed but cannot be loaded ({error})."
        return [Finding("ONNX Runtime", "problem", text, f"pip uninstall -y {name}, then: {_reinstall(right)}")]
    findings = [Finding("ONNX Runtime", "ok", f"{name} {version}, works on {', '.join(providers)}"), _operators()]
    if gpu and name == "onnxruntime" and sys.platform != "darwin":
        advice = f"To use it: pip uninstall -y onnxruntime, then: {_reinstall('gpu')}"
        if getattr(sys, "frozen", False):  # an installed package has no pip
            advice = f"To use it, install the build larimar-cuda in place of this one. It needs {CUDA_NEEDS}."
        findings.append(Finding("GPU", "warning", f"{gpu} is there, but ONNX Runtime is the CPU's.", advice))
    elif name == "onnxruntime-gpu" and "CUDAExecutionProvider" not in providers:
        advice = f"It needs {CUDA_NEEDS}; the CPU answers meanwhile."
        findings.append(Finding("GPU", "warning", f"CUDA cannot be used: {why_not_cuda()}.", advice))
    elif "CUDAExecutionProvider" not in providers:
        findings.append(Finding("GPU", "ok", f"Not used: {why_not_cuda()}"))
    return findings


def _operators() -> Finding:
    reason = native_operators.why_not()
    if not reason:
        return Finding(
            "Operators", "ok", "On the CPU Larimar's own make the products with 4-bit weights, and attention."
        )
    text = f"ONNX Runtime's: Larimar's own, which are faster, are not used: {reason}."
    frozen = getattr(sys, "frozen", False)
    advice = "" if frozen or native_operators.LIBRARY.exists() else "python packaging/build_operators.py builds them."
    return Finding("Operators", "ok", text, advice)


def usable_providers() -> list[str]:
    """Return the execution providers that a session really gets here, fastest first.

    The runtime's own list only says what it was built with. Raises :class:`ImportError`, or
    :class:`AttributeError` when the installation is an empty shell.
    """
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    usable: list[str] = []
    with _silence():
        if hasattr(runtime, "preload_dlls"):
            with contextlib.suppress(Exception):  # only finds what pip installed; the system's own is found without
                runtime.preload_dlls()
        for provider in runtime.get_available_providers():
            # Azure is remote; TensorRT takes minutes to build an engine and is not used.
            if provider in ("AzureExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"):
                continue
            with contextlib.suppress(Exception):  # each provider has error classes of its own
                session = runtime.InferenceSession(ADD_GRAPH, options, providers=[provider])
                if provider in session.get_providers():
                    usable.append(provider)
    return usable


def _nvidia_gpu() -> str:
    """Return the name of the first NVIDIA GPU, or an empty string."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", listing, re.MULTILINE)
    return found[1] if found else ""


def _model(path: Path | None) -> list[Finding]:
    from inference.model_folder import ModelFolder, default_model_folder

    chosen = default_model_folder() if path is None else path
    try:
        folder = ModelFolder.open(chosen)
    except LarimarError as error:
        return [Finding("Model", "problem", str(error))]
    takes = ", ".join(["text", *sorted(folder.modalities)])
    demo = " (a demo)" if folder.demo else ""
    text = f"{folder.name}{demo}, takes {takes}, context {folder.context_length} tokens, in {folder.path}"
    return [Finding("Model", "ok", text)]


def _drafts(path: Path | None) -> list[Finding]:
    """Tell what drafting ahead costs here, as earlier answers have measured it."""
    from inference.model_folder import ModelFolder, default_model_folder
    from inference.run_costs import CostFile

    try:
        folder = ModelFolder.open(default_model_folder() if path is None else path)
        decoder = folder.graph("decoder_model_merged")
    except LarimarError:
        return []  # told by the check of the model
    drafter = (folder.path / "onnx" / f"drafter{folder.suffix}.onnx").is_file()
    whose = "The model has a drafter" if drafter else "The model has no drafter: only what a text repeats is drafted"
    for provider in ("CUDA", "CPU"):
        costs = CostFile(decoder, f"{provider} None").load()
        if costs.measured:
            rows = ", ".join(f"{count} tokens {ratio:.2f} ×" for count, ratio in sorted(costs.measured.items())[:4])
            draft = f", a draft {costs.draft:.2f} ×" if drafter else ""
            return [Finding("Drafts", "ok", f"{whose}; on {provider}, beside a run of one token: {rows}{draft}")]
    return [Finding("Drafts", "ok", f"{whose}; what drafts cost on this machine is learnt from the first answers")]


def _window(problem: str | None) -> list[Finding]:
    if problem is not None:
        return [Finding("Window", "warning", problem, "The chat runs in the terminal.")]
    return [Finding("Window", "ok", f"PySide6 {_version('PySide6-Essentials')}")]


def _microphone() -> list[Finding]:
    try:
        with _silence():
            sound = importlib.import_module("sounddevice")
            inputs = [device for device in sound.query_devices() if device["max_input_channels"] > 0]
    except ImportError:
        return [Finding("Microphone", "warning", "The package sounddevice is not installed.", _reinstall())]
    except OSError:
        advice = "Install it (Debian, Ubuntu: apt-get install libportaudio2) to speak to Larimar."
        return [Finding("Microphone", "warning", "The system library PortAudio is missing.", advice)]
    except Exception as error:  # sounddevice.PortAudioError, a class that only exists once it is loaded
        return [Finding("Microphone", "warning", f"The sound system does not answer ({error}).")]
    if not inputs:
        return [Finding("Microphone", "warning", "No microphone was found.", "Connect one to speak to Larimar.")]
    return [Finding("Microphone", "ok", f"{len(inputs)} found, the first: {inputs[0]['name']}")]


def _camera() -> list[Finding]:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        if (ffmpeg := _version("av")) is not None:  # as in the packages, which save OpenCV's size
            return [Finding("Camera", "ok", f"FFmpeg reads cameras (av {ffmpeg})")]
        text = f"Neither OpenCV nor FFmpeg can be loaded ({error})."
        return [Finding("Camera", "warning", text, _reinstall())]
    if _version("opencv-python") is not None:
        advice = "Its own Qt can break the window: pip uninstall -y opencv-python, then: " + _reinstall()
        return [Finding("Camera", "warning", "opencv-python is installed.", advice)]
    return [Finding("Camera", "ok", f"OpenCV {cv2.__version__} reads cameras")]


def _conversion() -> list[Finding]:
    missing = [name for name in EXPORT_PACKAGES if _version(name) is None]
    if missing:
        text = "The extra export is not installed; only the command convert needs it"
        return [Finding("Conversion", "ok", f"{text} (missing: {', '.join(missing)})")]
    return [Finding("Conversion", "ok", f"torch {_version('torch')}, transformers {_version('transformers')}")]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _reinstall(extra: str = "") -> str:
    return f'pip install -c packaging/constraints.txt -e ".{f"[{extra}]" if extra else ""}"'


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop what C libraries write to standard output and error: sound and CUDA libraries are talkative."""
    _flush()
    with open(os.devnull, "wb") as nowhere:
        kept = os.dup(1), os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            _flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or full: that is told elsewhere
            stream.flush()
