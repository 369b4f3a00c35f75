"""The engine in a process of its own, behind the interface of :class:`inference.engine.Engine`.

A model is native code at work on a stranger's weights: a driver may crash, a mapped file may be cut short (SIGBUS), a
kernel may hang, memory may run out. In a process of its own that costs a reply, not the window; a call that does not
honour a stop is killed; and what a closed model held is given back to the system to the last byte.

::

    window's process                                        engine's process
    session ── worker thread ── EngineProcess               reader thread ── main thread ── Engine
                  │ requests: pickled turns, options  ──▶ stdin │ cancels at once
                  ◀── answers: JSON, checked (wire.py) ─ stdout │

The parent trusts nothing that comes back: no pickle, only the few kinds of answers of :mod:`app.engine_process.wire`.
The child ends with its parent, opens no connection, and writes to no terminal, because a library that gives up may
quote the text at hand; what it logs goes through the parent's log.
"""
