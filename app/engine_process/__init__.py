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

**What it costs**, measured in turn with ``tests/measure_engine_process.py`` and the demo model, on two cores that other
programs kept busy; medians, the engine in the window's process and in its own:

- an event takes 18 µs more (48 µs on the busiest machine), of some milliseconds for a token of the smallest model;
- 57 and 64 tokens a second; the first text after 72 and 45 ms; a recording is encoded 177 and 216 ms after its last
  sample, in another run 136 and 109 ms: all within the noise of that machine, as is the longest gap of the event loop;
- memory of all processes with a model loaded, 155 and 172 MB; unloaded, 138 and 117 MB with a spare process waiting,
  with which loading again takes 2.4 and 2.3 s;
- processor time of the window's process until the model is ready, 1.5 and 1.1 s; but the engine's process needs 0.4 s
  of its own for imports. Where there are four cores it is therefore started before the window is imported. On two,
  that made the window come later by 0.3 s; there it is started when the window is shown, which then comes as before,
  and the model is ready 0.4 s later.
"""
