"""A child process that is called: its limits, its ends, and what it may not do."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import select
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isolation_jobs import Point

from inference.cancellation import CancelToken
from inference.errors import LarimarError, MediaError
from inference.isolation import (
    BrokeDownError,
    CallCancelled,
    Limits,
    NeededTooMuchMemoryError,
    TookTooLongError,
    Worker,
    wire,
)
from inference.isolation.child import REQUEST
from tests.fuzzing import examples

ROOT = Path(__file__).resolve().parents[3]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what only Linux enforces")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and descriptors are POSIX's")


def test_results_come_back(worker: Worker) -> None:
    value = {
        "nothing": None, "truth": True, "number": -(2**64) + 1, "real": 0.1, "text": "ä\0💎", "bytes": b"\0\xff",
        "list": [1, [2, ()]], "tuple": (1, "a", (None,)), "dict": {"": {}}, "infinity": math.inf,
    }  # fmt: skip
    assert worker.call("isolation_jobs:echo", value) == value
    for dtype in ("uint8", "int16", "float16", "float32", "float64", "int64", "bool"):
        for shape in ((), (0,), (3,), (2, 0, 3), (2, 3, 4)):
            array = (np.arange(math.prod(shape)) % 2).reshape(shape).astype(dtype)
            back = worker.call("isolation_jobs:echo", array)
            np.testing.assert_array_equal(back, array, strict=True)
    turned = np.arange(12, dtype=np.float32).reshape(3, 4).T[::-1]
    np.testing.assert_array_equal(worker.call("isolation_jobs:echo", turned), turned)


def test_dataclasses_come_back_where_they_are_expected(worker: Worker) -> None:
    assert worker.call("isolation_jobs:point", 3, accepts=[Point]) == Point(3, 1.5, "p")
    with pytest.raises(BrokeDownError):
        worker.call("isolation_jobs:point", 3)


def test_one_child_answers_again_and_again(worker: Worker) -> None:
    first = worker.call("isolation_jobs:process")
    assert first == worker.pid != os.getpid()
    assert [worker.call("isolation_jobs:keep", None) for _ in range(3)] == [1, 2, 3]
    assert worker.call("isolation_jobs:process") == first


def test_what_libraries_print_does_no_harm(worker: Worker) -> None:
    assert worker.call("isolation_jobs:chatter") == "done"
    assert worker.call("isolation_jobs:chatter") == "done"


def test_our_errors_are_carried_over(worker: Worker) -> None:
    with pytest.raises(MediaError, match=r"^“a\.png” is odd\. Choose another\.$"):
        worker.call("isolation_jobs:fail", "“a.png” is odd. Choose another.")
    assert worker.alive, "an error that was foreseen is no reason for a new child"


def test_an_error_of_a_class_that_only_the_child_knows(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.isolation.worker._error_classes", lambda: {"MediaError": MediaError})
    with pytest.raises(LarimarError, match="Nobody knows this class") as caught:
        worker.call("isolation_jobs:fail_unknown")
    assert type(caught.value) is LarimarError


@pytest.mark.parametrize("job", [("fail_badly", "a secret"), ("panic",)])
def test_errors_that_nobody_foresaw(job: tuple[str, ...], worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BrokeDownError, match="broke down"):
        worker.call(f"isolation_jobs:{job[0]}", *job[1:])
    assert not worker.alive
    assert "a secret" not in caplog.text


def test_too_slow(worker: Worker) -> None:
    for job in ("spin",):
        with pytest.raises(TookTooLongError, match="too long"):
            worker.call(f"isolation_jobs:{job}", limits=Limits(seconds=0.2))
    assert worker.join(60)
    assert not worker.alive


def test_too_large(worker: Worker) -> None:
    with pytest.raises(NeededTooMuchMemoryError, match="too much memory"):
        worker.call("isolation_jobs:eat", limits=Limits(memory=200 << 20))
    assert not worker.alive


@linux
def test_too_large_at_once(worker: Worker) -> None:
    with pytest.raises(NeededTooMuchMemoryError):
        worker.call("isolation_jobs:allocate", 4 << 30, limits=Limits(memory=200 << 20))


def test_without_limits_it_may_take_what_it_needs(worker: Worker) -> None:
    assert worker.call("isolation_jobs:allocate", 600 << 20, limits=Limits(memory=None, seconds=None)) == 600 << 20


def test_an_answer_that_is_too_large(worker: Worker) -> None:
    with pytest.raises(BrokeDownError):
        worker.call("isolation_jobs:echo", np.zeros(2000, np.uint8), limits=Limits(answer=1999))


@pytest.mark.parametrize("job", ["wait_for_ever", "spin"])
def test_cancelling_kills_it(job: str, worker: Worker) -> None:
    worker.call("isolation_jobs:process")
    cancel = CancelToken()
    threading.Timer(0.05, cancel.cancel).start()
    with pytest.raises(CallCancelled):
        worker.call(f"isolation_jobs:{job}", cancel=cancel)
    assert worker.join(60)


def test_a_token_that_comes_late_ends_nobody_elses_call(worker: Worker) -> None:
    """The thread that cancels may be held up between looking at whom to tell and telling it."""
    token = CancelToken()
    items = worker.stream("isolation_jobs:count", 1, cancel=token)
    next(items)
    told = list(token._callbacks)
    assert len(told) == 1
    assert list(items) == []
    told[0]()
    assert worker.call("isolation_jobs:echo", 1) == 1


def test_cancelled_before_it_was_asked(worker: Worker) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CallCancelled):
        worker.call("isolation_jobs:process", cancel=cancel)


def test_killed_before_it_was_asked(worker: Worker) -> None:
    worker.kill()
    assert not worker.alive
    with pytest.raises(CallCancelled):
        worker.call("isolation_jobs:process")


@posix
@pytest.mark.parametrize("job", [("die_by_signal",), ("end", 0), ("end", 7)])
def test_a_child_that_ends(job: tuple[object, ...], worker: Worker) -> None:
    with pytest.raises(BrokeDownError, match="broke down"):
        worker.call(f"isolation_jobs:{job[0]}", *job[1:])
    assert not worker.alive


@posix
def test_memory_of_the_parent_is_not_the_childs(worker: Worker) -> None:
    """What the system counts for a child begins with the process that forked, which may hold a model."""
    held = bytearray(b"x") * (300 << 20)
    with pytest.raises(BrokeDownError, match="broke down"):
        worker.call("isolation_jobs:end", 7, limits=Limits(memory=320 << 20))
    assert len(held)


def test_a_child_that_cannot_be_started(worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("inference.isolation.launching.child_command", lambda: [str(tmp_path / "nothing")])
    with pytest.raises(BrokeDownError, match="could not be started"):
        worker.call("isolation_jobs:process")


def test_a_child_that_ends_at_its_start(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.isolation.launching.child_command", lambda: [sys.executable, "-c", "pass"])
    with pytest.raises(BrokeDownError):
        worker.call("isolation_jobs:process")


class TestStreams:
    def test_items_come_one_by_one(self, worker: Worker) -> None:
        items = list(worker.stream("isolation_jobs:count", 5))
        assert [float(item[0, 0]) for item in items] == [0, 1, 2, 3, 4]
        assert worker.call("isolation_jobs:process") == worker.pid

    def test_the_error_at_the_end(self, worker: Worker) -> None:
        items = worker.stream("isolation_jobs:count_then_fail", 2)
        assert [next(items), next(items)] == [0, 1]
        with pytest.raises(MediaError, match="That was all"):
            next(items)
        assert worker.alive

    def test_closed_early(self, worker: Worker) -> None:
        items = worker.stream("isolation_jobs:count", 10**9)
        next(items)
        items.close()
        assert worker.join(60)

    def test_time_counts_for_each_item(self, worker: Worker) -> None:
        items = worker.stream("isolation_jobs:count", 3, True, limits=Limits(seconds=0.5))
        assert len([next(items) for _ in range(3)]) == 3
        with pytest.raises(TookTooLongError):
            next(items)

    def test_cancelled_while_an_item_is_awaited(self, worker: Worker) -> None:
        cancel = CancelToken()
        items = worker.stream("isolation_jobs:count", 1, True, cancel=cancel)
        next(items)
        threading.Timer(0.05, cancel.cancel).start()
        with pytest.raises(CallCancelled):
            next(items)


class TestRights:
    @linux
    def test_what_it_may_not_do(self, worker: Worker, tmp_path: Path) -> None:
        (tmp_path / "there").write_bytes(b"x")
        assert worker.call("isolation_jobs:forbidden", str(tmp_path), os.getpid()) == []
        assert [file.name for file in tmp_path.iterdir()] == ["there"]

    @pytest.mark.skipif(not sys.platform.startswith("linux") or platform.machine() != "x86_64", reason="its numbers")
    def test_which_calls_reach_nobody_else(self, worker: Worker, tmp_path: Path) -> None:
        file = tmp_path / "there"
        file.write_bytes(b"x")
        with contextlib.suppress(OSError):  # not every file system has them
            os.setxattr(file, "user.larimar", b"x")
        victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        try:
            assert worker.call("isolation_jobs:forbidden_calls", str(file), victim.pid) == []
            assert victim.poll() is None
        finally:
            victim.communicate(b"\n")
        assert worker.call("isolation_jobs:what_libraries_need") == "works"

    @linux
    def test_what_it_has(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/bus")
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        about = worker.call("isolation_jobs:surroundings")
        os.close(reading)
        os.close(writing)
        assert not {"HF_TOKEN", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"} & set(about["environment"])
        assert len(about["descriptors"]) <= 6  # nothing three times, the two pipes, and the folder that is read
        assert (about["core"], about["file"], about["group"], about["qt"]) == (0, 0, True, False)

    @linux
    def test_it_ends_with_its_parent(self) -> None:
        script = (
            "import sys, threading\n"
            "from inference.isolation import Worker\n"
            "worker = Worker()\n"
            "worker.call('isolation_jobs:process')\n"
            "threading.Timer(0.01, lambda: print(worker.pid, flush=True)).start()\n"
            "worker.call('isolation_jobs:spin')\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
        assert parent.stdout is not None
        with parent.stdout:
            child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        assert select.select([child], [], [], 60)[0], "the child goes on without its parent"
        os.close(child)

    @posix
    def test_the_thread_that_called_first_may_end(self, worker: Worker) -> None:
        """Linux ends a process with the thread that started it, where it is asked to end with its parent."""
        thread = threading.Thread(target=worker.call, args=("isolation_jobs:process",))
        thread.start()
        thread.join()
        assert worker.call("isolation_jobs:process") == worker.pid

    @posix
    def test_ctrl_c_is_for_the_parent(self, worker: Worker) -> None:
        pid = worker.call("isolation_jobs:process")
        os.kill(pid, signal.SIGINT)
        assert worker.call("isolation_jobs:process") == pid


def message(header: bytes, *blobs: bytes) -> bytes:
    return struct.pack("<I", len(header)) + header + b"".join(blobs)


WRONG = {
    "nothing": b"",
    "cut off": struct.pack("<I", 100) + b'{"kind"',
    "an impossible length": struct.pack("<I", 2**32 - 1) + b"x" * 100,
    "no JSON": message(b"not JSON"),
    "no dictionary": message(b"[1, 2]"),
    "deeply nested": message(b"[" * 200_000),
    "another kind": message(b'{"kind": "ready", "value": null, "blobs": []}'),
    "a blob that is too long": message(b'{"kind": "result", "value": null, "blobs": [99999999999999]}'),
    "a blob of negative length": message(b'{"kind": "result", "value": null, "blobs": [-1]}'),
    "a blob that is not there": message(b'{"kind": "result", "value": ["bytes", 7], "blobs": []}'),
    "a shape that lies": message(
        b'{"kind": "result", "value": ["array", 0, "float32", [1000000]], "blobs": [4]}', b"1234"
    ),
    "a shape that wraps": message(
        b'{"kind": "result", "value": ["array", 0, "uint8", [4294967296, 4294967296]], "blobs": [0]}'
    ),
    "an array of objects": message(b'{"kind": "result", "value": ["array", 0, "object", [1]], "blobs": [8]}', bytes(8)),
    "a class": message(b'{"kind": "result", "value": ["object", "Popen", []], "blobs": []}'),
    "a number of 200 digits": message(b'{"kind": "result", "value": ' + b"9" * 200 + b', "blobs": []}'),
    "a number of 5,000 digits": message(b'{"kind": "result", "value": ' + b"9" * 5000 + b', "blobs": []}'),
    "an error without a sentence": message(b'{"kind": "error", "value": ["list", ["MediaError"]], "blobs": []}'),
    "a pickle": b"\x80\x05\x95" + bytes(100),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=list(WRONG))
def test_answers_that_make_no_sense(content: bytes, worker: Worker) -> None:
    with pytest.raises(BrokeDownError):
        worker.call("isolation_jobs:speak", content, limits=Limits(answer=1 << 20), accepts=[Point])
    assert not worker.alive


@pytest.mark.parametrize(
    "fields",
    ['[["x", "1"], ["y", 1.0], ["name", ""]]', '[["x", 1], ["y", 1.0]]', '[["x", true], ["y", null], ["name", ""]]'],
)
def test_dataclasses_whose_fields_lie(fields: str, worker: Worker) -> None:
    header = f'{{"kind": "result", "value": ["object", "Point", {fields}], "blobs": []}}'
    with pytest.raises(BrokeDownError):
        worker.call("isolation_jobs:speak", message(header.encode()), accepts=[Point])


def reader(content: bytes):
    rest = memoryview(content)

    def receive(buffer: memoryview) -> None:
        nonlocal rest
        if len(rest) < len(buffer):
            raise EOFError
        buffer[:] = rest[: len(buffer)]
        rest = rest[len(buffer) :]

    return receive


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=examples(100))
@given(values)
def test_every_value_survives_the_wire(value: object) -> None:
    content = b"".join(bytes(piece) for piece in wire.encode("result", value))
    assert wire.read(reader(content), 1 << 20) == ("result", value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["bytes", "array", "list", "tuple", "dict", "object", "uint8", "float32", "Point"])
    | st.sampled_from(["x", "y", "name"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def test_what_is_sent_once_is_there_once() -> None:
    value = ["list", [["bytes", 0]] * 1000]
    header = json.dumps({"kind": "result", "value": value, "blobs": [1 << 20]}).encode()
    with pytest.raises(wire.MalformedError):  # a gigabyte, of one that was allowed
        wire.read(reader(message(header) + bytes(1 << 20)), 1 << 20)


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow])
@given(json_values, st.lists(st.integers(-2, 40), max_size=3), st.binary(max_size=100))
def test_whatever_a_child_says_is_a_value_or_refused(body: object, sizes: list[int], rest: bytes) -> None:
    header = json.dumps({"kind": "result", "value": body, "blobs": sizes}).encode()
    with contextlib.suppress(EOFError, wire.MalformedError):
        wire.read(reader(message(header) + rest), 64, [Point])


@settings(max_examples=examples(200))
@given(st.binary(max_size=200))
def test_noise_on_the_wire(content: bytes) -> None:
    for begin in (b"", struct.pack("<I", max(0, len(content) - 4))):
        with contextlib.suppress(EOFError, wire.MalformedError):
            wire.read(reader(begin + content), 1 << 16)


def test_requests_say_their_length() -> None:
    assert REQUEST.size == 8
