"""The thread on which everything happens to the database: one job after another, waiting writes in one transaction.

A write that fails because the disk is full is kept and tried again before the next one, in order: as soon as there is
room, nothing is missing.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.error_report import describe
from app.store.errors import is_passing, readable

log = logging.getLogger(__name__)

THREAD_NAME = "larimar-store"
_TOGETHER = 256
"""Jobs that share a transaction at most."""
_Value = TypeVar("_Value")


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    writes: bool
    durable: bool
    """Whether it must have reached the disk, not only the operating system, before its future ends."""
    again: bool
    """Whether to try again later when there is no room now."""
    committed: Callable[[], None] = lambda: None
    erases: bool = False
    """Whether what it removed must be gone from all files before its future ends."""
    future: Future[Any] = field(default_factory=Future)


class StoreThread:
    """Owns the connection. Methods may be called on any thread and return at once."""

    def __init__(self, open_connection: Callable[[], sqlite3.Connection]) -> None:
        self._open = open_connection
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._backlog: list[_Job] = []
        self._full: BaseException | None = None
        self._durable: bool | None = None
        self._closed = False
        self._ended = False
        self._to_empty = False
        """Whether the log of changes may hold what was deleted: somebody read at the wrong moment."""
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Open the connection and begin."""
        self._thread.start()

    def read(self, work: Callable[[sqlite3.Connection], _Value]) -> Future[_Value]:
        """Call ``work``; it alters nothing."""
        return self._add(_Job(work, writes=False, durable=False, again=False))

    def write(
        self,
        work: Callable[[sqlite3.Connection], _Value],
        *,
        durable: bool = True,
        again: bool = True,
        committed: Callable[[], None] = lambda: None,
        erases: bool = False,
    ) -> Future[_Value]:
        """Call ``work`` within a transaction, then ``committed`` when that is over.

        ``work`` may be called more than once, until a transaction succeeds: what it changes besides the database
        belongs into ``committed``. One that ``erases`` also empties the log of changes, which else keeps what it
        removed.
        """
        return self._add(_Job(work, writes=True, durable=durable, again=again, committed=committed, erases=erases))

    def close(self) -> None:
        """Do what waits and end. Blocks."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _add(self, job: _Job) -> Future[Any]:
        if self._closed:
            job.future.set_exception(RuntimeError("the store is closed"))
        else:
            self._jobs.put(job)
        return job.future

    # --- on the thread ---

    def _run(self) -> None:
        try:
            connection = self._open()
        except Exception as error:
            log.error("The conversations could not be opened: %s", describe(error))  # not even in memory
            self._refuse(error)
            return
        try:
            while (jobs := self._take()) is not None:
                self._perform(connection, jobs)
            if self._backlog:
                self._perform(connection, [])
            if self._backlog:
                log.error("%d changes of conversations could not be written", len(self._backlog))
            else:
                connection.execute("PRAGMA optimize")
        except Exception as error:
            log.error("The store of conversations ended: %s", describe(error))
            self._refuse(readable(error))
        finally:
            connection.close()

    def _take(self) -> list[_Job] | None:
        """Wait for jobs and return those that are there; ``None`` at the end."""
        first = None if self._ended else self._jobs.get()
        if first is None:
            self._ended = True
            return None
        jobs = [first]
        while len(jobs) < _TOGETHER:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _perform(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        writes = any(job.writes for job in jobs)
        if self._backlog and (writes or not jobs):
            waiting, self._backlog = self._backlog, []
            if not self._together(connection, waiting):
                self._one_by_one(connection, waiting)
            if not self._backlog:
                self._full = None
        if jobs and (self._backlog or not self._together(connection, jobs)):
            self._one_by_one(connection, jobs)

    def _one_by_one(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        for job in jobs:
            if job.writes and self._backlog:  # what comes after a write that waits must wait too
                assert self._full is not None
                self._put_off(job, self._full)
                continue
            try:
                value = self._transact(connection, [job])[0]
            except Exception as error:
                if job.writes and is_passing(error):
                    self._full = readable(error)
                    self._put_off(job, self._full)
                elif not job.future.done():
                    job.future.set_exception(readable(error))
            else:
                _end(job, value)

    def _together(self, connection: sqlite3.Connection, jobs: list[_Job]) -> bool:
        """Do all jobs in one transaction; return false, with nothing done, when one of them fails."""
        try:
            values = self._transact(connection, jobs)
        except Exception:
            return False
        for job, value in zip(jobs, values, strict=True):
            _end(job, value)
        return True

    def _transact(self, connection: sqlite3.Connection, jobs: list[_Job]) -> list[Any]:
        if not any(job.writes for job in jobs):
            return [_work(job, connection) for job in jobs]
        durable = any(job.durable for job in jobs)
        if durable is not self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        connection.execute("BEGIN IMMEDIATE")
        try:
            values = [_work(job, connection) for job in jobs]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        for job in jobs:
            job.committed()
        if self._to_empty or any(job.erases for job in jobs):
            self._to_empty = not empty_log(connection)
        return values

    def _put_off(self, job: _Job, error: BaseException) -> None:
        if job.again:
            self._backlog.append(job)
        if job.future.done():
            return
        if job.again:
            job.future.set_exception(error)
        else:
            job.future.set_result(None)  # one of many, and those after it bring what it would have brought

    def _refuse(self, error: BaseException) -> None:
        """Let every job fail, until the end."""
        while (jobs := self._take()) is not None:
            for job in jobs:
                if job.writes and not job.again:
                    job.future.set_result(None)
                else:
                    job.future.set_exception(error)


def empty_log(connection: sqlite3.Connection) -> bool:
    """Move the log of changes into the database and cut it to nothing; return whether that was possible now."""
    try:
        return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        log.warning("The log of changes could not be emptied: %s", describe(error))
        return False


@dataclass(frozen=True, slots=True)
class _Failed:
    """The outcome of a read that failed, which is no reason to undo the writes around it."""

    error: BaseException


def _work(job: _Job, connection: sqlite3.Connection) -> Any:
    if job.writes:
        return job.work(connection)
    try:
        return job.work(connection)
    except Exception as error:
        return _Failed(error)


def _end(job: _Job, value: Any) -> None:
    if job.future.done():
        return
    if isinstance(value, _Failed):
        job.future.set_exception(readable(value.error))
    else:
        job.future.set_result(value)
