"""Functions of ours, called in a child process that can be killed: for what decodes a stranger's files.

A child is started once and kept warm; it answers one call after the other. It has limits of memory and of time, may
write no file, start no program and open no socket, and is killed when a limit is passed, when the call is cancelled
and when its parent ends. What it sends back is data in a narrow format (:mod:`inference.isolation.wire`), of which the
parent believes nothing unchecked: never a pickle.

How to use it, from any thread but the GUI's, because it waits::

    from inference.isolation import POOL, Limits

    pages = POOL.call(pdf.count_pages, path, limits=Limits(memory=2**29, seconds=10), cancel=token)
    with POOL.stream(jobs.sound, path, limits=Limits(...)) as blocks:
        for block in blocks:      # what the function, a generator, yields; the child is never far ahead
            ...

The function is one of a module's (or its name, ``module:function``, where importing it here would cost too much);
arguments are pickled, for the child has nothing to fear from its parent.
What it returns or yields may be made of ``None``, ``bool``, ``int``, ``float``, ``str``, ``bytes``, numpy arrays,
lists, tuples, dictionaries with ``str`` as keys, and of the dataclasses that the caller names with ``accepts``.
A :class:`~inference.errors.LarimarError` that it raises is raised here, with its class and its sentence.

Children that own something for long, such as an engine, are a :class:`Worker` each, without a pool: what a module of
theirs keeps stays until they end.
"""

from inference.isolation.errors import (
    BrokeDownError,
    CallCancelled,
    IsolationError,
    NeededTooMuchMemoryError,
    TookTooLongError,
)
from inference.isolation.limits import Limits
from inference.isolation.pool import POOL, WorkerPool
from inference.isolation.worker import Worker

__all__ = [
    "POOL",
    "BrokeDownError",
    "CallCancelled",
    "IsolationError",
    "Limits",
    "NeededTooMuchMemoryError",
    "TookTooLongError",
    "Worker",
    "WorkerPool",
]
