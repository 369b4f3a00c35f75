"""The format of what a child process sends back: a JSON header of bounded size, then raw bytes.

The child may have been taken over by the file that it decoded, so that its parent never unpickles anything of it, and
builds nothing but plain values, arrays of known types whose sizes agree, and dataclasses that the caller expects, with
fields of the types that they declare.

A message is the length of the header (``<I``), the header, and the blobs, whose lengths the header gives.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PREFIX: Final = struct.Struct("<I")
HEADER_BYTES: Final = 1 << 20
_BLOBS: Final = 4096
_BITS: Final = 64  # of a whole number
_DIMENSIONS: Final = 8
_DTYPES: Final = frozenset(
    {"uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64", "bool"}
)

Buffer = bytes | bytearray | memoryview


class MalformedError(ValueError):
    """A message is not what the format allows, or not what the caller expects."""


def encode(kind: str, value: object) -> list[Buffer]:
    """Return a message in pieces, to be written one after the other.

    Raises:
        TypeError: ``value`` holds something that cannot be sent.
    """
    blobs: list[Buffer] = []
    body = _encoded(value, blobs)
    header = json.dumps({"kind": kind, "value": body, "blobs": [memoryview(blob).nbytes for blob in blobs]}).encode()
    if len(header) > HEADER_BYTES or len(blobs) > _BLOBS:
        raise TypeError("the answer has too many parts to be sent")
    return [PREFIX.pack(len(header)), header, *blobs]


def read(receive: Callable[[memoryview], None], most: int, accepts: Sequence[type] = ()) -> tuple[str, Any]:
    """Read a message and return its kind and its value.

    Args:
        receive: fills the buffer that it is given, or raises ``EOFError``.
        most: bytes that its blobs may have together.
        accepts: dataclasses that may be in it.

    Raises:
        EOFError: the other end has closed.
        MalformedError: the message is wrong.
    """
    length = PREFIX.unpack(_received(receive, PREFIX.size).data)[0]
    if not 2 <= length <= HEADER_BYTES:
        raise MalformedError("the header has an impossible length")
    try:
        header = json.loads(_received(receive, length).tobytes())
    except (ValueError, RecursionError) as error:
        raise MalformedError("the header is no JSON") from error
    if not isinstance(header, dict) or header.keys() != {"kind", "value", "blobs"}:
        raise MalformedError("the header lacks something")
    kind, sizes = header["kind"], header["blobs"]
    if not isinstance(kind, str) or not isinstance(sizes, list) or len(sizes) > _BLOBS:
        raise MalformedError("the header lacks something")
    if not all(type(size) is int and 0 <= size <= most for size in sizes) or sum(sizes) > most:
        raise MalformedError("the answer is larger than it may be")
    # Each is for one place: a value of a few bytes that named one a thousand times would be a thousand copies of it.
    blobs = {index: _received(receive, size) for index, size in enumerate(sizes)}
    try:
        return kind, _decoded(header["value"], blobs, {each.__name__: each for each in accepts})
    except (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise MalformedError(f"a value cannot be read ({type(error).__name__})") from error


def _received(receive: Callable[[memoryview], None], size: int) -> NDArray[np.uint8]:
    content = np.empty(size, np.uint8)  # not filled with zeros first, as a bytearray is
    if size:
        receive(content.data)
    return content


def _encoded(value: object, blobs: list[Buffer]) -> object:
    """Return what stands for a value in JSON: scalars for themselves, everything else as [tag, …]."""
    if isinstance(value, np.integer | np.floating | np.bool_):
        value = value.item()
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        if value.bit_length() > _BITS:
            raise TypeError("the number is too large to be sent")
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        blobs.append(value)
        return ["bytes", len(blobs) - 1]
    if isinstance(value, np.ndarray):
        array: NDArray[Any] = np.ascontiguousarray(value).reshape(value.shape)
        if array.dtype.name not in _DTYPES or not array.dtype.isnative:
            raise TypeError(f"arrays of {array.dtype} cannot be sent")
        blobs.append(array.reshape(-1).view(np.uint8).data)
        return ["array", len(blobs) - 1, array.dtype.name, list(array.shape)]
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", [_encoded(each, blobs) for each in value]]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of a dictionary that is sent must be str")
        return ["dict", [[key, _encoded(each, blobs)] for key, each in value.items()]]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [
            [each.name, _encoded(getattr(value, each.name), blobs)] for each in dataclasses.fields(value) if each.init
        ]
        return ["object", type(value).__name__, fields]
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _decoded(body: Any, blobs: dict[int, NDArray[np.uint8]], accepts: dict[str, type]) -> Any:
    if body is None or isinstance(body, bool | float | str):
        return body
    if isinstance(body, int) and body.bit_length() <= _BITS:
        return body
    if not isinstance(body, list) or not body:
        raise MalformedError("a value of no known kind")
    match body:
        case ["bytes", int(index)]:
            return blobs.pop(index).tobytes()
        case ["array", int(index), str(dtype), list(shape)]:
            return _array(blobs.pop(index), dtype, shape)
        case ["list", list(items)]:
            return [_decoded(each, blobs, accepts) for each in items]
        case ["tuple", list(items)]:
            return tuple(_decoded(each, blobs, accepts) for each in items)
        case ["dict", list(pairs)]:
            return {_text(key): _decoded(each, blobs, accepts) for key, each in pairs}
        case ["object", str(name), list(pairs)]:
            return _object(accepts[name], {_text(key): _decoded(each, blobs, accepts) for key, each in pairs})
    raise MalformedError("a value of no known kind")


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise MalformedError("a key that is no text")
    return key


def _array(content: NDArray[np.uint8], dtype: str, shape: list[Any]) -> NDArray[Any]:
    if dtype not in _DTYPES or len(shape) > _DIMENSIONS:
        raise MalformedError("an array of no known type")
    if not all(type(size) is int and 0 <= size < 1 << 40 for size in shape):
        raise MalformedError("an array of no possible shape")
    if math.prod(shape) * np.dtype(dtype).itemsize != len(content):
        raise MalformedError("an array whose shape and bytes disagree")
    return content.view(dtype).reshape(shape)


def _object(kind: type, fields: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    expected = {each.name for each in dataclasses.fields(kind) if each.init}
    if fields.keys() != expected or not all(_conforms(value, hints[name]) for name, value in fields.items()):
        raise MalformedError(f"no {kind.__name__} has such fields")
    return kind(**fields)


def _conforms(value: Any, hint: Any) -> bool:
    """Return whether a value is of a declared type; of those that dataclasses of results use."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_conforms(value, each) for each in arguments)
    if origin is typing.Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and _of_dtype(value, arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_conforms(each, arguments[0]) for each in value)
        return len(value) == len(arguments) and all(map(_conforms, value, arguments))
    if origin is list:
        return isinstance(value, list) and all(_conforms(each, arguments[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_conforms(each, arguments[1]) for each in value.values())
    if hint is float:
        return type(value) in (int, float)
    if hint in (int, bool, str, bytes, type(None)):
        return type(value) is hint
    return isinstance(hint, type) and type(value) is hint


def _of_dtype(array: NDArray[Any], arguments: tuple[Any, ...]) -> bool:
    """Return whether an array has the type that ``NDArray[…]`` names; any where it names none."""
    names = typing.get_args(arguments[1]) if len(arguments) == 2 else ()
    return not names or not isinstance(names[0], type) or array.dtype == np.dtype(names[0])
