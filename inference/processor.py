"""How many threads are worth starting: one for each physical core that this process may use.

Two threads of one core share its arithmetic units, and a container's limit of processor time stalls whoever goes past
it: in both cases more threads than cores make every operator wait for the slowest of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path("/")


def threads(root: Path = _ROOT) -> int:
    """Return how many threads one operator should have; 0 where only the runtime itself can count (Windows).

    That is the number of physical cores among those that the process may run on, fast ones alone where a processor has
    two kinds, and no more than a container's limit of processor time gives.

    Args:
        root: where ``/sys`` and ``/proc`` are looked for; for tests.
    """
    logical = _allowed()
    cores = _physical(logical, root) or _counted(len(logical))
    limit = _time_limit(root)
    return cores if limit is None or not cores else max(1, min(cores, round(limit)))


def _allowed() -> set[int]:
    """Return the logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _physical(logical: set[int], root: Path) -> int:
    """Return the number of physical cores among some logical ones (Linux); 0 where the system does not say."""
    fast = _cpu_list(_read(root / "sys/devices/cpu_core/cpus"))  # of Intel's two kinds, the larger
    if fast & logical:
        logical = fast & logical
    cores = set()
    for cpu in logical:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        package, core = _read(topology / "physical_package_id"), _read(topology / "core_id")
        if not core:
            return 0
        cores.add((package, core))
    return len(cores)


def _counted(logical: int) -> int:
    """Return a number of cores where the system does not list them."""
    if sys.platform == "darwin":
        import subprocess

        for name in ("hw.perflevel0.physicalcpu", "hw.physicalcpu"):
            try:
                answer = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False)
                return int(answer.stdout)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                continue
    if sys.platform == "win32":
        return 0  # the runtime counts them itself, and cores of two kinds are told apart by it
    return logical


def _time_limit(root: Path) -> float | None:
    """Return how many cores' worth of time a container may use (Linux); None without a limit."""
    limits = []
    group = next((line[3:] for line in _read(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    top = root / "sys/fs/cgroup"
    here = top / group.lstrip("/")
    for folder in (here, *here.parents):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        limits.append((quota, period))
        if folder == top:
            break
    limits.append((_read(top / "cpu/cpu.cfs_quota_us"), _read(top / "cpu/cpu.cfs_period_us")))  # the older kind
    cores = [int(quota) / int(period) for quota, period in limits if quota.isdigit() and period.isdigit()]
    return min(cores, default=None)


def _cpu_list(text: str) -> set[int]:
    """Return the numbers of a list such as ``0-3,8``."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
