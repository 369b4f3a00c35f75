"""Children that are shared: kept warm, replaced after they were killed, and ended when nobody needs them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from inference.cancellation import CancelToken
from inference.isolation import POOL, BrokeDownError, CallCancelled, Limits, TookTooLongError, WorkerPool
from inference.isolation.launching import CHILD_ARGUMENT, child_command


def test_a_warm_child_is_taken_again(pool: WorkerPool) -> None:
    first = pool.call("isolation_jobs:process")
    assert [pool.call("isolation_jobs:process") for _ in range(3)] == [first] * 3


def test_making_a_pool_starts_nothing() -> None:
    before = threading.active_count()
    assert WorkerPool().pids == []
    assert threading.active_count() == before
    assert isinstance(POOL, WorkerPool)


@pytest.mark.parametrize("job", [("end", 1), ("fail_badly", "x"), ("panic",)])
def test_a_child_that_broke_down_is_replaced(job: tuple[object, ...], pool: WorkerPool) -> None:
    first = pool.call("isolation_jobs:process")
    with pytest.raises(BrokeDownError):
        pool.call(f"isolation_jobs:{job[0]}", *job[1:])
    assert pool.call("isolation_jobs:process") != first


def test_a_child_that_was_stopped_is_replaced(pool: WorkerPool) -> None:
    first = pool.call("isolation_jobs:process")
    with pytest.raises(TookTooLongError):
        pool.call("isolation_jobs:spin", limits=Limits(seconds=0.1))
    assert pool.call("isolation_jobs:process") != first


def test_a_child_that_was_killed_from_outside_while_idle(pool: WorkerPool) -> None:
    first = pool.call("isolation_jobs:process")
    if sys.platform == "win32":
        pytest.skip("needs POSIX signals")
    import signal

    waiter = os.pidfd_open(first) if sys.platform.startswith("linux") else None
    os.kill(first, signal.SIGKILL)
    if waiter is not None:
        import select

        assert select.select([waiter], [], [], 60)[0]
        os.close(waiter)
    assert pool.call("isolation_jobs:process") != first


def test_calls_run_side_by_side_and_the_rest_waits() -> None:
    pool = WorkerPool(2)
    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda number: pool.call("isolation_jobs:echo", number), range(12)))
    assert results == list(range(12))
    assert 1 <= len(pool.pids) <= 2
    pool.kill_all()


def test_waiting_for_a_child_can_be_cancelled() -> None:
    pool = WorkerPool(1)
    held, waits = CancelToken(), CancelToken()
    ended: list[type] = []

    def hold() -> None:
        try:
            pool.call("isolation_jobs:wait_for_ever", cancel=held)
        except CallCancelled as end:
            ended.append(type(end))

    thread = threading.Thread(target=hold)
    thread.start()
    while not pool.pids:
        thread.join(0.01)
    threading.Timer(0.05, waits.cancel).start()
    with pytest.raises(CallCancelled):
        pool.call("isolation_jobs:process", cancel=waits)
    assert thread.is_alive()
    held.cancel()
    thread.join()
    assert ended == [CallCancelled]
    assert pool.call("isolation_jobs:echo", 5) == 5
    pool.kill_all()


def test_who_reads_a_stream_can_make_calls() -> None:
    pool = WorkerPool(1)
    with ExitStack() as stack:
        streams = [stack.enter_context(pool.stream("isolation_jobs:count", 3)) for _ in range(3)]
        for stream in streams:
            next(stream)
        assert pool.call("isolation_jobs:echo", 1) == 1
    pool.kill_all()


def test_streams_give_their_child_back(pool: WorkerPool) -> None:
    first = pool.call("isolation_jobs:process")
    with pool.stream("isolation_jobs:count", 3) as items:
        assert len(list(items)) == 3
    assert pool.call("isolation_jobs:process") == first
    with pool.stream("isolation_jobs:count", 3) as items:
        next(items)  # the rest is not wanted
    assert pool.call("isolation_jobs:process") != first


def test_all_calls_end_when_the_program_does(pool: WorkerPool) -> None:
    begun = threading.Event()

    def work() -> None:
        with pool.stream("isolation_jobs:count", 1, True) as items:
            next(items)
            begun.set()
            with pytest.raises(CallCancelled):
                next(items)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    pool.kill_all()
    thread.join(60)
    assert not thread.is_alive()
    assert pool.call("isolation_jobs:echo", 1) == 1


def test_idle_children_end() -> None:
    pool = WorkerPool(warm_seconds=0, look=0.01)
    pool.call("isolation_jobs:process")
    keeper = next(thread for thread in threading.enumerate() if thread.name == "isolation-keeper")
    keeper.join(60)
    assert pool.pids == []
    assert pool.call("isolation_jobs:echo", 2) == 2
    pool.kill_all()


def test_the_last_one_stays_warm_longer() -> None:
    pool = WorkerPool(2, spare_seconds=0, look=0.01)
    with pool.stream("isolation_jobs:count", 2) as items:
        next(items)
        pool.call("isolation_jobs:process")
        list(items)
    done = threading.Event()
    for _ in range(6000):
        if len(pool.pids) == 1:
            break
        done.wait(0.01)
    assert len(pool.pids) == 1
    pool.kill_all()


def test_a_frozen_program_is_its_own_child(monkeypatch: pytest.MonkeyPatch) -> None:
    import main

    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child_command() == [sys.executable, CHILD_ARGUMENT]
    assert main._CHILD == CHILD_ARGUMENT


def test_the_program_becomes_a_child_by_its_argument(project_root: object, pool: WorkerPool) -> None:
    """What a frozen program does, with ``main.py`` in place of it."""
    with pytest.MonkeyPatch.context() as patch:
        command = [sys.executable, str(project_root / "main.py"), CHILD_ARGUMENT]  # type: ignore[operator]
        patch.setattr("inference.isolation.launching.child_command", lambda: command)
        assert pool.call("isolation_jobs:echo", "frozen") == "frozen"


def test_nothing_is_left_when_the_interpreter_ends(project_root: object) -> None:
    script = "from inference.isolation import POOL\nprint(POOL.call('builtins:len', 'abc'), POOL.pids[0])\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=str(project_root), capture_output=True, text=True, timeout=120, check=True
    )
    length, pid = map(int, done.stdout.split())
    assert length == 3
    assert done.stderr == ""
    if sys.platform.startswith("linux"):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
