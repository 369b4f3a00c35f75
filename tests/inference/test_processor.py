"""How many threads are started, on made-up machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference import processor


def _machine(root: Path, cores: dict[int, tuple[int, int]]) -> Path:
    """Write the topology of a machine: by logical core, its package and physical core."""
    for cpu, (package, core) in cores.items():
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{package}\n")
        (topology / "core_id").write_text(f"{core}\n")
    return root


def _allow(monkeypatch: pytest.MonkeyPatch, cores: set[int]) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)


def test_two_threads_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(tmp_path, {0: (0, 0), 1: (0, 1), 2: (0, 0), 3: (0, 1), 4: (1, 0), 5: (1, 0)})
    _allow(monkeypatch, {0, 1, 2, 3, 4, 5})
    assert processor.threads(tmp_path) == 3


def test_only_cores_that_the_process_may_use_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(tmp_path, {cpu: (0, cpu) for cpu in range(8)})
    _allow(monkeypatch, {2, 5, 6})
    assert processor.threads(tmp_path) == 3


def test_of_two_kinds_of_cores_the_fast_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(tmp_path, {cpu: (0, cpu // 2 if cpu < 4 else cpu) for cpu in range(12)})
    (tmp_path / "sys/devices/cpu_core").mkdir()
    (tmp_path / "sys/devices/cpu_core/cpus").write_text("0-3\n")
    _allow(monkeypatch, set(range(12)))
    assert processor.threads(tmp_path) == 2
    _allow(monkeypatch, {8, 9, 10})  # only slow ones left to it
    assert processor.threads(tmp_path) == 3


@pytest.mark.parametrize(
    ("own", "outer", "threads"),
    [("max 100000", "max 100000", 8), ("150000 100000", "max", 2), ("max", "300000 100000", 3), ("1000 100000", "", 1)],
)
def test_a_container_limits_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, outer: str, threads: int
) -> None:
    _machine(tmp_path, {cpu: (0, cpu) for cpu in range(8)})
    _allow(monkeypatch, set(range(8)))
    group = tmp_path / "sys/fs/cgroup/outer/own"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(own)
    (group.parent / "cpu.max").write_text(outer)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:cpu:/elsewhere\n0::/outer/own\n")
    assert processor.threads(tmp_path) == threads


def test_an_older_kind_of_container_limits_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(tmp_path, {cpu: (0, cpu) for cpu in range(4)})
    _allow(monkeypatch, set(range(4)))
    folder = tmp_path / "sys/fs/cgroup/cpu"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("200000")
    (folder / "cpu.cfs_period_us").write_text("100000")
    assert processor.threads(tmp_path) == 2
    (folder / "cpu.cfs_quota_us").write_text("-1")
    assert processor.threads(tmp_path) == 4


def test_this_machine_has_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processor.threads() >= (0 if os.name == "nt" else 1)
