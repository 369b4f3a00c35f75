"""The measurements run and are complete; what they measure is never asserted."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import main
from app.commands.bench import encoder_peer, peers_against
from inference import bench, bench_encoders
from inference.bench_peers import LlamaCpp, PeerError
from inference.bench_results import Comparison, Measurement, table, write_json
from inference.errors import ModelFolderError


class _Peer:
    """An engine that takes a second for everything."""

    name = "llama.cpp"

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def prefill(self, tokens: int) -> float:
        self.asked.append((tokens,))
        return 1.0

    def decode(self, depth: int, tokens: int) -> float:
        self.asked.append((depth, tokens))
        return 1.0


def test_a_model_is_measured_beside_a_peer(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_READ_BYTES", 1 << 20)
    peer = _Peer()
    folder = project_root / "resources" / "demo_model"
    found = list(bench.measure_model(folder, 1, 1, prefill=40, depths=(32, 100, 10**6), peers=[peer]))
    names = [each.name for each in found]
    assert names[:3] == ["memory, read by all threads", "load, files in memory", "prefill of 40 tokens on CPU"]
    assert {"decoding at depth 32", "decoding at depth 100", "second turn: 16 new tokens after 2000"} <= set(names)
    assert sum(name.startswith("first token") for name in names) == 3
    assert "decoding at depth 1000000" not in names
    assert {depth for depth, *_ in peer.asked} == {40, 32, 100}
    beside = next(each for each in found if each.name == "decoding at depth 32").against
    assert [each.name for each in beside] == ["llama.cpp (1.0)", "reading the weights from memory"]
    assert beside[0].ratio == pytest.approx(found[names.index("decoding at depth 32")].value)


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError):
        list(bench.measure_model(tmp_path / "nothing", runs=1))
    with pytest.raises(ModelFolderError):
        list(bench_encoders.measure_encoders(tmp_path / "nothing", runs=1))


def test_results_become_a_table_and_json(tmp_path: Path) -> None:
    found = [
        Measurement("speed", 12.345, "tokens/s", (Comparison("another", 1.25, 1.3), Comparison("limit", 0.5)), "noted"),
        Measurement("time", 0.5, "s", (Comparison("alone", 1.04, 1.1, most=True),)),
    ]
    seen: list[Measurement] = []
    lines = list(table(iter(found), seen))
    assert lines[2] == "| speed | 12.3 tokens/s | 1.25 × another, goal ≥ 1.3; 0.50 × limit; noted |"
    assert lines[3] == "| time | 0.50 s | 1.04 × alone, goal ≤ 1.1 |"
    assert seen == found
    write_json(tmp_path / "b.json", {"model": "m"}, seen)
    content = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert content["model"] == "m"
    assert content["measurements"][0]["against"][0] == {"name": "another", "ratio": 1.25, "goal": 1.3, "most": False}


def _llama_bench(folder: Path, says: str) -> LlamaCpp:
    """Return a peer whose program writes its arguments to a file and then ``says`` something."""
    program, model = folder / "llama-bench", folder / "model.gguf"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> {folder}/asked\nprintf '%s' '{says}'\necho broken >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    model.touch()
    return LlamaCpp(program, model, threads=3)


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_llama_cpp_is_asked_for_the_same_lengths(tmp_path: Path) -> None:
    peer = _llama_bench(tmp_path, '[{"avg_ts": 4.0}]')
    assert peer.prefill(512) == 128
    assert peer.decode(4096, 8) == 0.25
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "-t 3 -p 512 -n 0" in asked[0]
    assert "-p 0 -n 8 -d 4096" in asked[1]


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
@pytest.mark.parametrize("says", ["", "[]", '[{"avg_ts": 0}]', "{"])
def test_a_peer_without_a_result_is_told(tmp_path: Path, says: str) -> None:
    with pytest.raises(PeerError, match="broken"):
        _llama_bench(tmp_path, says).prefill(8)


def test_a_missing_peer_is_told(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="llama-bench"):
        LlamaCpp(tmp_path / "nothing", tmp_path / "model.gguf")


@pytest.mark.parametrize(
    "arguments", [["--runs", "0"], ["--depths", "0"], ["--against", "llama.cpp"], ["--against", "x"]]
)
def test_the_command_line_is_checked(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(["bench", "model", *arguments])
    assert left.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_transformers_is_left_out_with_a_sentence_where_it_is_missing(
    project_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "inference.export.bench_peer", raising=False)
    options = main.build_parser().parse_args(["bench", "--against", "transformers", str(project_root)])
    assert peers_against(options, main.build_parser()) == []
    assert encoder_peer(options) is None
    assert "torch is not installed" in capsys.readouterr().err


def test_the_command_writes_json(project_root: Path, tmp_path: Path) -> None:
    arguments = [
        "bench",
        "model",
        "--runs",
        "1",
        "--depths",
        "32",
        "--prefill",
        "16",
        "--json",
        str(tmp_path / "b.json"),
    ]
    done = subprocess.run(
        [sys.executable, "main.py", *arguments], cwd=project_root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| what | measured | beside |")
    names = [each["name"] for each in json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["measurements"]]
    assert "decoding at depth 32" in names


def test_what_was_measured_before_a_failure_is_kept(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails_late(*_: object, **__: object) -> Iterator[Measurement]:
        yield Measurement("load, files in memory", 1.0, "s")
        raise ModelFolderError("The chat template is missing.")

    monkeypatch.setattr(bench, "measure_model", fails_late)
    file = tmp_path / "b.json"
    assert main.main(["bench", "model", "--json", str(file)]) == 1
    assert "The chat template is missing." in capsys.readouterr().err
    assert [each["name"] for each in json.loads(file.read_text(encoding="utf-8"))["measurements"]] == [
        "load, files in memory"
    ]


def test_drafts_are_measured_where_there_is_a_drafter(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    asked: list[tuple[float, int | None]] = []

    def measure(_: object, acceptance: float, drafts: int | None, runs: int) -> SimpleNamespace:
        asked.append((acceptance, drafts))
        return SimpleNamespace(ratio=1.5)

    monkeypatch.setattr(bench, "measure_speculation", measure)
    found = list(bench._measure_drafts(SimpleNamespace(has_drafter=True), 1))  # type: ignore[arg-type]
    assert {acceptance for acceptance, _ in asked} == {0.0, 0.6, 0.75, 0.9}
    goals = {each.name: each.against[0].goal for each in found}
    assert goals["drafts, adaptive, 0% right"] == 0.97
    assert goals["drafts, adaptive, 75% right"] == 1.35
    assert not list(bench._measure_drafts(SimpleNamespace(has_drafter=False), 1))  # type: ignore[arg-type]
