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
quote the text at hand; what it logs goes through the parent's log. Where the system starts no process, the engine works
in the window's own.

**A process that is gone.** The session goes back to “unloaded”: the next question loads the model again. What the
engine had not begun with is asked again by itself, once; what it was at work on ends in a sentence.

**What it costs**, measured with ``tests/measure_engine_process.py`` and the demo model on two busy cores, the engine
here and apart in turn: an event takes 18 µs more, of some milliseconds for a token of the smallest model there is; it
speaks no slower (100 and 130 tokens a second), since the window no longer takes Python's lock from it; the first text
comes after 48 and 39 ms, the end of a recording is encoded after 136 and 109 ms; with a model loaded, both processes
have 198 MB instead of 178. Imports cost the engine's process 0.4 s of one core: it is therefore started before the
window is imported, and a spare one when a model was unloaded. The window's own process needs 1.3 instead of 1.7 s of
processor time until the model is ready.
"""
