"""Conversions that are interrupted, stopped and taken up again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures_checkpoints import build_checkpoint
from fuzzing import examples

from inference.cancellation import CancelToken
from inference.errors import CheckpointError
from inference.export import convert
from inference.export.convert import ConversionCancelled, convert_checkpoint
from inference.export.embedder import build_embedder
from inference.export.graph_files import Reporter
from inference.export.recipes import GraphRecipe


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", "31b")


@pytest.fixture
def checkpoint(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "tiny"))


@pytest.fixture(autouse=True)
def two_quick_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs that need no tracing: what is tested is what happens between them."""

    def build(source: Any, plan: Any, report: Any) -> Any:
        report(1.0)
        return build_embedder(source.text_config, source.text_prefix, plan)

    names = ("decoder_model_merged", "embed_tokens")
    monkeypatch.setattr(convert, "RECIPES", tuple(GraphRecipe(name, lambda _: True, build) for name in names))


class Stages:
    """Remembers the stages, and calls something at one of them."""

    def __init__(self, stage: str = "", then: Any = None) -> None:
        self.seen: list[str] = []
        self._stage, self._then = stage, then

    def __call__(self, stage: str, fraction: float, detail: str = "") -> None:
        if stage not in self.seen:
            self.seen.append(stage)
        if stage == self._stage:
            self._then()


def _interrupt() -> None:
    raise KeyboardInterrupt


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _interrupted(checkpoint: Path, out: Path, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(checkpoint, out, progress=Stages("Writing embed tokens", _interrupt), **options)
    assert not out.exists()
    assert [path.name for path in out.parent.glob(".out*")] == [".out.partial"]


def test_an_interrupted_conversion_goes_on_where_it_stopped(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _interrupted(checkpoint, out)
    assert not list((tmp_path / ".out.partial" / "onnx").glob("embed*")), "half a file was kept"
    stages = Stages()
    convert_checkpoint(checkpoint, out, progress=stages)
    assert "Tracing decoder model merged" not in stages.seen
    assert "Writing decoder model merged" not in stages.seen
    assert "Writing embed tokens" in stages.seen
    whole = convert_checkpoint(checkpoint, tmp_path / "whole")
    assert _files(out) == _files(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", "out", "whole"}


@pytest.mark.parametrize("change", ["checkpoint", "options", "fresh", "damage"])
def test_what_no_longer_fits_is_made_again(checkpoint: Path, tmp_path: Path, change: str) -> None:
    _interrupted(checkpoint, tmp_path / "out")
    options: dict[str, Any] = {}
    if change == "checkpoint":
        file = checkpoint / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif change == "damage":
        (data,) = (tmp_path / ".out.partial" / "onnx").glob("decoder*_data")
        data.write_bytes(data.read_bytes()[:-1])
    else:
        options = {"symmetric": False} if change == "options" else {"fresh": True}
    stages = Stages()
    convert_checkpoint(checkpoint, tmp_path / "out", progress=stages, **options)
    assert "Writing decoder model merged" in stages.seen
    whole = convert_checkpoint(checkpoint, tmp_path / "whole", **options)
    assert _files(tmp_path / "out") == _files(whole)


def test_a_failure_leaves_nothing(checkpoint: Path, tmp_path: Path) -> None:
    file = checkpoint / "model.safetensors"

    def truncate() -> None:
        file.write_bytes(file.read_bytes()[:20_000])

    with pytest.raises(CheckpointError, match="ends too early"):
        convert_checkpoint(checkpoint, tmp_path / "out", progress=Stages("Writing embed tokens", truncate))
    assert {path.name for path in tmp_path.iterdir()} == {"tiny"}


def test_a_stop_is_honoured_while_weights_are_written(checkpoint: Path, tmp_path: Path) -> None:
    cancel = CancelToken()
    with pytest.raises(ConversionCancelled, match="goes on where it stopped"):
        convert_checkpoint(
            checkpoint, tmp_path / "out", progress=Stages("Writing embed tokens", cancel.cancel), cancel=cancel
        )
    stages = Stages()
    convert_checkpoint(checkpoint, tmp_path / "out", progress=stages, cancel=CancelToken())
    assert "Writing decoder model merged" not in stages.seen


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_conversion_that_was_killed_goes_on_whatever_the_moment(checkpoint: Path, tmp_path: Path) -> None:
    """Also while the weights of a later graph are written: a folder of the library's is left then, not a file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    script = Path(__file__).with_name("killed_conversions.py")
    result = subprocess.run(
        [sys.executable, str(script), str(checkpoint), str(folder), "7", str(examples(25))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith(" kills"), f"{result.stdout}\n{result.stderr}"
    assert int(result.stdout.split()[0]) >= 20


def test_what_lies_in_the_way_is_removed(checkpoint: Path, tmp_path: Path) -> None:
    partial = tmp_path / ".out.partial"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "letter.txt").write_text("dear")
    for make in (lambda: partial.write_text("a file"), lambda: partial.symlink_to(elsewhere)):
        make()
        shutil.rmtree(convert_checkpoint(checkpoint, tmp_path / "out"))
    assert (elsewhere / "letter.txt").read_text() == "dear"


def test_progress_says_bytes_and_time_left() -> None:
    seconds = iter([100.0, 101.0, 110.0, 400.0])
    heard: list[tuple[str, float, str]] = []
    report = Reporter(lambda *said: heard.append(said), clock=lambda: next(seconds))
    report.expect(4_000_000_000)
    report.wrote("Writing", 0.1, 400_000_000)
    report.wrote("Writing", 0.25, 600_000_000)
    report.wrote("Writing", 0.5, 1_000_000_000)
    assert [detail for _, _, detail in heard] == [
        "0.4 of 4.0 GB",
        "1.0 of 4.0 GB, 30 s left",
        "2.0 of 4.0 GB, 5 min left",
    ]
