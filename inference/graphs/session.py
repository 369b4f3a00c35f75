"""Opens ONNX Runtime sessions, and turns the runtime's complaints into sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError, OutOfMemoryError, RuntimeSetupError

if TYPE_CHECKING:
    import onnxruntime

ProviderChoice = Literal["auto", "cpu", "cuda"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_EXTERNAL_DATA_FOLDER = "session.model_external_initializers_file_folder_path"
_FATAL_ONLY = 3  # the runtime's severity "error": its warnings are about graphs, not about anything a user can mend


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime

        onnxruntime.InferenceSession  # noqa: B018 — an emptied namespace package imports fine and lacks this
    except (ImportError, AttributeError) as error:
        raise RuntimeSetupError(
            "ONNX Runtime is missing or broken. Install exactly one of the extras “cpu” and “gpu”; “main.py doctor” "
            "says what it finds."
        ) from error
    return onnxruntime


def open_session(
    path: Path, provider: ProviderChoice = "auto", threads: int | None = None, content: bytes | None = None
) -> onnxruntime.InferenceSession:
    """Open a graph.

    Args:
        path: the ``.onnx`` file; its external data lies beside it.
        provider: "cpu", "cuda", or "auto" for CUDA where the runtime offers and can load it, else the CPU.
        threads: of one operator; ``None`` takes one per physical core.
        content: what to open in place of the file's own content; external data is still looked for beside ``path``.

    Returns:
        The session; ``get_providers()`` tells what it really runs on.

    Raises:
        ModelFolderError: the file or its external data is missing or damaged.
        RuntimeSetupError: the runtime is missing, or cannot use the provider that was asked for.
        OutOfMemoryError: the model does not fit into memory.
    """
    runtime = _import_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    if threads is not None:
        options.intra_op_num_threads = threads
    # spinning between operators is what makes decoding fast; spinning between runs would burn a core for nothing
    options.add_session_config_entry("session.force_spinning_stop", "1")
    wanted = [_PROVIDERS["cpu"]]
    if provider == "cuda" or (provider == "auto" and _PROVIDERS["cuda"] in runtime.get_available_providers()):
        wanted.insert(0, _PROVIDERS["cuda"])
    try:
        if content is not None:
            options.add_session_config_entry(_EXTERNAL_DATA_FOLDER, str(path.parent))
        session = runtime.InferenceSession(path if content is None else content, options, providers=wanted)
    except MemoryError as error:
        raise OutOfMemoryError(_NO_MEMORY) from error
    except Exception as error:
        if _is_memory_error(error):
            raise OutOfMemoryError(_NO_MEMORY) from error
        raise ModelFolderError(
            f"{path} cannot be loaded: it or the data beside it is damaged or incomplete. Convert or download the "
            "model again."
        ) from error
    if provider == "cuda" and _PROVIDERS["cuda"] not in session.get_providers():
        raise RuntimeSetupError(
            "ONNX Runtime cannot use the GPU: the CUDA libraries or the driver are missing. “main.py doctor” says "
            "more; without --provider cuda, Larimar runs on the CPU."
        )
    return session


def provider_name(session: onnxruntime.InferenceSession) -> str:
    """Return the provider that a session really uses, for people: "CUDA" or "CPU"."""
    return "CUDA" if _PROVIDERS["cuda"] in session.get_providers() else "CPU"


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
    runtime = _import_onnxruntime()
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
    return isinstance(error, MemoryError) or "bad_alloc" in text or "failed to allocate memory" in text
