"""The cancel token: idempotent, thread-safe, and deaf to runs that are over."""

from __future__ import annotations

import threading

from inference.cancellation import CancelToken


def test_cancel_is_idempotent() -> None:
    token = CancelToken()
    calls: list[int] = []
    assert not token.cancelled
    with token.terminating(lambda: calls.append(1)):
        token.cancel()
        token.cancel()
    assert token.cancelled
    assert calls == [1]


def test_a_run_that_begins_after_the_stop_is_ended_at_once() -> None:
    token = CancelToken()
    token.cancel()
    calls: list[int] = []
    with token.terminating(lambda: calls.append(1)):
        assert calls == [1]


def test_a_run_that_is_over_is_left_alone() -> None:
    token = CancelToken()
    calls: list[int] = []
    with token.terminating(lambda: calls.append(1)):
        pass
    token.cancel()
    assert calls == []


def test_cancel_from_another_thread() -> None:
    token = CancelToken()
    ended = threading.Event()
    with token.terminating(ended.set):
        thread = threading.Thread(target=token.cancel)
        thread.start()
        assert ended.wait(10)
        thread.join()
