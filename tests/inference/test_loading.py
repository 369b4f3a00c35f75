"""Loading a model: progress, stopping it, and giving the memory back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.cancellation import CancelToken
from inference.errors import LoadCancelledError
from inference.graphs import loading
from inference.graphs.loading import Loading, weight_files
from inference.language_model import LanguageModel
from inference.memory import available_bytes, release_unused, resident_bytes, unmap_pages
from inference.model_folder import ModelFolder, default_model_folder


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(loading, "_PIECE", 1 << 16)
    for name, size in (("a.onnx_data", 100_000), ("b.onnx_data", 65_536), ("b.onnx_data_1", 1), ("b.onnx.data", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    return [tmp_path / "a.onnx", tmp_path / "b.onnx"]


def test_weights_are_found_beside_their_graph(graphs: list[Path]) -> None:
    assert [file.name for file in weight_files(graphs[0])] == ["a.onnx_data"]
    assert [file.name for file in weight_files(graphs[1])] == ["b.onnx.data", "b.onnx_data", "b.onnx_data_1"]


def test_reading_tells_how_far_it_is(graphs: list[Path]) -> None:
    seen: list[float] = []
    Loading(lambda _, fraction: seen.append(fraction)).read_ahead(graphs)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert len(seen) == 1 + 2 + 1 + 1
    assert seen[-1] == pytest.approx(0.6)


def test_reading_stops_between_pieces(graphs: list[Path]) -> None:
    cancel = CancelToken()
    seen: list[float] = []

    def progress(_: str, fraction: float) -> None:
        seen.append(fraction)
        if fraction:
            cancel.cancel()

    with pytest.raises(LoadCancelledError):
        Loading(progress, cancel).read_ahead(graphs)
    assert len(seen) == 2


def test_nothing_is_read_ahead_that_memory_cannot_hold(graphs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "available_bytes", lambda: 1000)
    seen: list[float] = []
    Loading(lambda _, fraction: seen.append(fraction)).read_ahead(graphs)
    assert seen == [0]


def test_a_model_tells_its_stages_and_starts_empty() -> None:
    seen: list[tuple[str, float]] = []
    folder = ModelFolder.open(default_model_folder())
    model = LanguageModel.open(folder, provider="cpu", threads=1, progress=lambda *each: seen.append(each))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert list(dict.fromkeys(stage for stage, _ in seen)) == [
        "Reading the model",
        "Preparing the model",
        "Warming up",
        "Ready",
    ]
    assert model.cached_tokens == ()
    assert model.hidden_state is None
    assert not model.logits.any()
    model.close()


@pytest.mark.parametrize("stage", ["Reading the model", "Preparing the model", "Warming up"])
def test_loading_a_model_stops_at_every_stage(stage: str) -> None:
    cancel = CancelToken()

    def progress(now: str, _: float) -> None:
        if now == stage:
            cancel.cancel()

    folder = ModelFolder.open(default_model_folder())
    with pytest.raises(LoadCancelledError):
        LanguageModel.open(folder, provider="cpu", threads=1, progress=progress, cancel=cancel)


def test_freed_memory_goes_back_to_the_system() -> None:
    if not resident_bytes():
        pytest.skip("this system does not say how much memory a process has")
    release_unused()
    before = resident_bytes()["anonymous"]
    pieces = [np.ones(100_000, np.uint8) for _ in range(1000)]  # too small for the C library to hand back one by one
    held = resident_bytes()["anonymous"]
    keep = pieces[-1].copy()
    del pieces
    release_unused()
    assert held - before > 80_000_000
    assert resident_bytes()["anonymous"] - before < 20_000_000
    assert keep.all()


def test_available_memory_is_told_where_the_system_tells_it() -> None:
    available = available_bytes()
    assert available is None or available > 0


@pytest.mark.parametrize(
    ("own", "outer", "left"), [("max", "max", 8192_000), ("max", "5000000", 3_100_000), ("1000", "5000000", 0)]
)
def test_a_container_limits_what_is_available(tmp_path: Path, own: str, outer: str, left: int) -> None:
    group = tmp_path / "sys/fs/cgroup/outer/own"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    assert available_bytes(tmp_path) is None
    (tmp_path / "proc/meminfo").write_text("MemTotal: 16000 kB\nMemAvailable: 8000 kB\n")
    assert available_bytes(tmp_path) == 8192_000
    (tmp_path / "proc/self/cgroup").write_text("0::/outer/own\n")
    for folder, limit in ((group, own), (group.parent, outer)):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("2000000\n")
        (folder / "memory.stat").write_text("anon 1900000\ninactive_file 60000\nactive_file 40000\n")
    assert available_bytes(tmp_path) == left


def test_pages_of_a_mapped_file_are_handed_back_and_can_be_read_again(tmp_path: Path) -> None:
    if not resident_bytes():
        pytest.skip("this system does not say how much memory a process has")
    file, other = tmp_path / "with a space", tmp_path / "other"
    content = np.random.default_rng(0).integers(0, 256, 40 << 20, np.uint8)
    for each in (file, other):
        content.tofile(each)
    mapped = [np.memmap(each, np.uint8, "c") for each in (file, other)]
    own = content[: 1 << 20].copy()
    assert all((each == content).all() for each in mapped)
    before = resident_bytes()["mapped"]
    unmap_pages([file, tmp_path / "missing"])
    assert 35_000_000 < before - resident_bytes()["mapped"] < 45_000_000
    assert all((each == content).all() for each in mapped)
    assert (own == content[: 1 << 20]).all()
