"""Where the references of a JSON schema lead: JSON pointers, anchors and identifiers inside the same schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeGuard
from urllib.parse import unquote

MISSING: Final = object()
"""What a reference that leads nowhere, or out of the schema, stands for."""

_MOST_SEARCHED: Final = 20_000
"""Subschemas that are looked through for an anchor."""


def referred(root: Any, reference: str) -> Any:
    """Return the part of ``root`` that ``reference`` names, or :data:`MISSING`.

    Understood are pointers (``#``, ``#/$defs/My%20Type``, ``#/anyOf/1``), anchors (``#name``) and the ``$id`` of a
    subschema, with or without a pointer behind it. Nothing is ever fetched.
    """
    address, _, fragment = reference.partition("#")
    base = root
    if address:
        base = _search(root, lambda schema: schema.get("$id") == address or schema.get("id") == address)
    fragment = unquote(fragment)
    if base is MISSING or not fragment:
        return base
    if fragment.startswith("/"):
        return _pointed(base, fragment)
    return _search(base, lambda schema: fragment in (schema.get("$anchor"), schema.get("$dynamicAnchor")))


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether ``value`` is what JSON calls an array."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _pointed(base: Any, pointer: str) -> Any:
    for step in pointer[1:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(base, Mapping) and key in base:
            base = base[key]
        elif is_list(base) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(base):
            base = base[int(key)]
        else:
            return MISSING
    return base


def _search(root: Any, wanted: Any) -> Any:
    return next((schema for schema in _mappings(root) if wanted(schema)), MISSING)


def _mappings(root: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings inside ``root``, the outer ones first; at most so many."""
    waiting: list[Any] = [root]
    for _ in range(_MOST_SEARCHED):
        if not waiting:
            return
        value = waiting.pop(0)
        if isinstance(value, Mapping):
            yield value
            waiting += value.values()
        elif is_list(value):
            waiting += value[:_MOST_SEARCHED]
