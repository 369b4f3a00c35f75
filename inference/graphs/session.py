"""Opens ONNX Runtime sessions, and turns the runtime's complaints into sentences."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference import processor
from inference.cancellation import CancelToken
from inference.errors import LoadCancelledError, ModelFolderError, OutOfMemoryError, RuntimeSetupError
from inference.graphs import native_operators
from inference.graphs.graph_file import check_graph_file
from inference.graphs.loading import weight_files
from inference.graphs.native_products import with_native_products
from inference.graphs.providers import (
    CPU,
    CUDA,
    ProviderChoice,
    import_onnxruntime,
    provider_name,
    remember_failure,
    wanted_providers,
    why_not_cuda,
)
from inference.memory import available_bytes

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["ProviderChoice", "RunCancelled", "cancellable", "open_session", "provider_name"]

_LOG = logging.getLogger(__name__)

_EXTERNAL_DATA_FOLDER = "session.model_external_initializers_file_folder_path"
_LARGEST_GRAPH = 256 << 20  # bytes; one with its weights inside is not worth a copy
_ROOM_TO_LEAVE = 2 << 30  # bytes, for other programs
_FATAL_ONLY = 3  # the runtime's severity "error": its warnings are about graphs, not about anything a user can mend


def open_session(
    path: Path,
    provider: ProviderChoice = "auto",
    threads: int | None = None,
    content: bytes | None = None,
    cancel: CancelToken | None = None,
) -> onnxruntime.InferenceSession:
    """Open a graph.

    Weights beside the graph are mapped into memory, so that a table of which single rows are read stays on the disk;
    what the runtime's kernels want in an order of their own is copied once. On the CPU, our own operators take part
    where there are any: :mod:`inference.graphs.native_operators`.

    Args:
        path: the ``.onnx`` file; its external data lies beside it.
        provider: "cpu", "cuda", or "auto" for CUDA where the runtime offers and can load it, else the CPU:
            :func:`inference.graphs.providers.why_not_cuda` then tells why.
        threads: of one operator; ``None`` takes one per physical core that this process may use.
        content: what to open in place of the file's own content; external data is still looked for beside ``path``.
        cancel: ends the loading early.

    Returns:
        The session; :func:`provider_name` tells what it really runs on.

    Raises:
        ModelFolderError: the file or its external data is missing or damaged, or names our own operators.
        RuntimeSetupError: the runtime is missing, or cannot use the provider that was asked for.
        OutOfMemoryError: the model does not fit into memory.
        LoadCancelledError: ``cancel`` was set.
    """
    runtime = import_onnxruntime()
    cancel = cancel or CancelToken()
    check_graph_file(path)
    wanted = wanted_providers(provider)
    session = None
    if CUDA in wanted and provider == "auto":
        try:
            session = _open(runtime, path, wanted, threads, content, cancel)
        except (OutOfMemoryError, ModelFolderError) as error:  # a damaged model fails again below
            _LOG.warning("%s does not open on CUDA: going on without", path.name, exc_info=error)
            full = isinstance(error, OutOfMemoryError)
            remember_failure("the GPU has too little free memory for the model" if full else f"it failed: {error}")
            gc.collect()
            wanted = [CPU]
    if session is None:
        session = _open(runtime, path, wanted, threads, content, cancel)
    if provider == "cuda" and provider_name(session) != "CUDA":
        raise RuntimeSetupError(
            f"ONNX Runtime cannot use the GPU: {why_not_cuda()}. “main.py doctor” says more; without --provider cuda, "
            "Larimar runs on the CPU."
        )
    return session


def _open(
    runtime: Any, path: Path, providers: list[str], threads: int | None, content: bytes | None, cancel: CancelToken
) -> onnxruntime.InferenceSession:
    options = runtime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = processor.threads() if threads is None else threads
    # spinning between operators is what makes decoding fast; spinning between runs would burn a core for nothing
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if providers == [CPU]:
        content = _with_native_operators(path, content, options) or content
    if content is not None:
        options.add_session_config_entry(_EXTERNAL_DATA_FOLDER, str(path.parent))
    try:
        with cancel.terminating(lambda: options.set_load_cancellation_flag(True)):
            return runtime.InferenceSession(path if content is None else content, options, providers=providers)
    except Exception as error:
        if cancel.cancelled:
            raise LoadCancelledError("The model was not loaded: it was stopped before it was ready.") from None
        if _is_memory_error(error):
            raise OutOfMemoryError(_NO_MEMORY) from error
        if "escapes model directory" in str(error):
            raise ModelFolderError(
                f"The weights beside {path} are a link to another folder, which ONNX Runtime refuses to follow. Put a "
                "copy in its place; caches of downloads keep such links."
            ) from error
        raise ModelFolderError(
            f"{path} cannot be loaded: it or the data beside it is damaged or incomplete. Convert or download the "
            "model again."
        ) from error


def _with_native_operators(path: Path, content: bytes | None, options: Any) -> bytes | None:
    """Let the session know our own operators; return the graph's content with those products that they make."""
    library = native_operators.library()
    if library is None:
        return None
    try:
        options.register_custom_ops_library(str(library))
        if content is None and path.stat().st_size > _LARGEST_GRAPH:
            return None
        room = _has_room(path)
        eight_bits = room and native_operators.takes_8_bits()
        return with_native_products(path.read_bytes() if content is None else content, pack=room, eight_bits=eight_bits)
    except OSError:  # the opening of the file says it better
        return None
    except Exception as error:  # of the runtime: it does without
        _LOG.warning("%s does not load", library, exc_info=error)
        return None


def _has_room(path: Path) -> bool:
    """Return whether the weights of a graph fit into memory a second time: once in the system's cache of files, which
    can drop them, and once as the operators like them."""
    room = available_bytes()
    return room is not None and room > sum(file.stat().st_size for file in weight_files(path)) + _ROOM_TO_LEAVE


class RunCancelled(Exception):  # noqa: N818 — control flow between the graphs and their owner, not a fault
    """A run was ended by its cancel token."""


@contextmanager
def cancellable(cancel: CancelToken) -> Iterator[onnxruntime.RunOptions]:
    """Yield run options that ``cancel`` terminates in the middle of a run.

    Raises:
        RunCancelled: the run was ended, or the stop had been asked for before.
        OutOfMemoryError: the run needed more memory than there is.
    """
    if cancel.cancelled:
        raise RunCancelled
    runtime = import_onnxruntime()
    options = runtime.RunOptions()
    options.log_severity_level = 4  # a terminated run is logged as an error; ours are raised

    def terminate() -> None:
        options.terminate = True

    with cancel.terminating(terminate):
        try:
            yield options
        except Exception as error:
            if cancel.cancelled:
                raise RunCancelled from None
            if _is_memory_error(error):
                raise OutOfMemoryError(_NO_MEMORY) from error
            raise


_NO_MEMORY = (
    "There is not enough memory for this model and this conversation. Close other programs, start a new chat, or "
    "choose a smaller model."
)


def _is_memory_error(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("bad_alloc", "failed to allocate memory", "cannot allocate memory", "out of memory")
    )
