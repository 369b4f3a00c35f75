"""Other engines that ``main.py bench`` measures in turn with ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

from inference import processor
from inference.errors import LarimarError

_LONGEST = 1800  # seconds that one measurement of a peer may take


class PeerError(LarimarError):
    """Another engine does not run, or says something that is not understood."""


class Peer(Protocol):
    """Another engine with the same model. Times leave out loading."""

    name: str

    def prefill(self, tokens: int) -> float:
        """Return the seconds of reading a prompt of that many tokens."""

    def decode(self, depth: int, tokens: int) -> float:
        """Return the seconds of one of ``tokens`` tokens, drawn when ``depth`` are in the cache."""


class LlamaCpp:
    """llama.cpp through its own ``llama-bench``, on the CPU, a process a measurement.

    Args:
        program: ``llama-bench``.
        model: a GGUF of the same shape.
        threads: as ours; None takes one per physical core.

    Raises:
        PeerError: one of the two is not there.
    """

    name = "llama.cpp"

    def __init__(self, program: Path, model: Path, threads: int | None = None) -> None:
        for file, what in ((program, "llama-bench"), (model, "GGUF model")):
            if not file.is_file():
                raise PeerError(f"There is no {what} at {file}: give --against llama.cpp LLAMA_BENCH MODEL.gguf.")
        self._command = [str(program), "-m", str(model), "-ngl", "0", "-r", "1", "-o", "json"]
        if count := threads or processor.threads():
            self._command += ["-t", str(count)]

    def prefill(self, tokens: int) -> float:
        """See :class:`Peer`."""
        return tokens * self._seconds("-p", str(tokens), "-n", "0")

    def decode(self, depth: int, tokens: int) -> float:
        """See :class:`Peer`."""
        return self._seconds("-p", "0", "-n", str(tokens), "-d", str(depth))

    def _seconds(self, *arguments: str) -> float:
        """Return the seconds of one token."""
        try:
            done = subprocess.run(
                [*self._command, *arguments], capture_output=True, text=True, check=False, timeout=_LONGEST
            )
            results: list[dict[str, Any]] = json.loads(done.stdout)
            return 1 / float(results[0]["avg_ts"])
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerError(f"llama-bench does not run: {error}") from error
        except (ValueError, LookupError, TypeError, ZeroDivisionError) as error:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise PeerError(f"llama-bench gave no result: {last}") from error
