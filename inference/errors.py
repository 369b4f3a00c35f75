"""Typed errors of the inference layer.

Each error carries one sentence for the user: what happened and what to do. ``str(error)`` is that sentence;
the technical cause, where there is one, is chained with ``raise … from``.
"""

from __future__ import annotations

from inference.foreign_names import printable


class LarimarError(Exception):
    """Base of every error that is meant to be read by a user."""


class ForeignFileError(LarimarError):
    """A file that somebody else made is not what it should be.

    Args:
        source: the file, or words for what was read.
        reason: what is wrong, as the second half of a sentence without its full stop ("is a pipe").
        missing: whether there is no such file.
    """

    def __init__(self, source: object, reason: str, *, missing: bool = False) -> None:
        super().__init__(f"{printable(str(source))} {reason}.")
        self.reason = reason
        self.missing = missing


class ModelFolderError(LarimarError):
    """A model folder is missing, incomplete or damaged."""


class UnsupportedModelError(LarimarError):
    """The folder or checkpoint holds something that is not a Gemma 4 model we can run."""


class UnsupportedInputError(LarimarError):
    """The loaded model cannot take this kind of input (an image for a text model, say)."""


class SchemaError(LarimarError):
    """A JSON schema, or the declaration of a tool, asks for something that answers cannot be held to."""


class ContextFullError(LarimarError):
    """The conversation is longer than the model's context."""


class RuntimeSetupError(LarimarError):
    """ONNX Runtime is missing, doubled, or cannot use the device that was asked for."""


class LoadCancelledError(LarimarError):
    """Loading a model was stopped by its user."""


class EngineBusyError(LarimarError):
    """The engine answers one question at a time, and is at it; or it was closed."""


class OutOfMemoryError(LarimarError):
    """The machine has too little memory for the model or the context."""


class CheckpointError(LarimarError):
    """A checkpoint cannot be converted: a missing shard, a wrong dtype, a damaged file."""


class DiskSpaceError(LarimarError):
    """There is too little room on the disk; nothing was written."""


class OutputFileError(LarimarError):
    """A file cannot be written where the user wants it; what was there is unchanged.

    Args:
        target: the file.
        reason: why, as the second half of a sentence without its full stop.
    """

    def __init__(self, target: object, reason: str) -> None:
        super().__init__(f"{printable(str(target))} cannot be written: {reason}.")
        self.reason = reason


class MediaError(LarimarError):
    """A picture, recording or video cannot be used: damaged, empty, too large, or of an unknown kind."""
