"""Bring a tool's JSON schema into the part of JSON schema that Gemma 4's chat template writes.

The template knows description, type, properties, required, nullable, items and enum, and silently drops the rest;
without a type it even leaves a brace open. So references and alternatives are resolved here, before rendering.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from inference.schema_references import is_list as _is_list
from inference.schema_references import referred

MAX_DEPTH: Final = 12
"""Deeper levels of a schema are declared as plain objects."""
MAX_PARTS: Final = 5_000
"""So are further parts of one: a few references that each name two others come to any number of them."""

_NO_REFERENCES: Final[frozenset[str]] = frozenset()


def flatten_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's parameters without references and alternatives; empty stays empty."""
    if not parameters:
        return {}
    return {**_Flattener(parameters).flat(parameters, _NO_REFERENCES, 0), "type": "object"}


def flatten_for_grammar(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with what the template does not write but a call can be held to.

    That is ``enum`` of all types, and ``additionalProperties``.
    """
    if not parameters:
        return {}
    return {**_Flattener(parameters, for_template=False).flat(parameters, _NO_REFERENCES, 0), "type": "object"}


class _Flattener:
    """Carries the whole schema, which references point into.

    ``followed`` in the methods is the set of references that led here: a schema that contains itself ends there.
    """

    def __init__(self, root: Mapping[str, Any], *, for_template: bool = True) -> None:
        self._root = root
        self._for_template = for_template
        self._parts = 0

    def flat(self, schema: Any, followed: frozenset[str], depth: int) -> dict[str, Any]:
        self._parts += 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._parts > MAX_PARTS:
            return {"type": "object", "properties": {}} if isinstance(schema, Mapping) else {"type": "string"}
        merged, followed = self._resolved(schema, followed)
        merged, followed = self._combined(merged, followed, depth)
        kind, nullable = _type(merged)
        flat: dict[str, Any] = {"type": kind}
        if merged.get("description"):
            flat["description"] = str(merged["description"])
        if nullable or merged.get("nullable"):
            flat["nullable"] = True
        values = [merged["const"]] if "const" in merged else merged.get("enum")
        if _is_list(values) and not self._for_template:
            flat["enum"] = list(values)
        elif _is_list(values) and kind == "string":
            flat["enum"] = [text for value in values if (text := _scalar_text(value))]
        if isinstance(merged.get("properties"), Mapping):
            flat["properties"] = {
                str(name): self.flat(value, followed, depth + 1) for name, value in merged["properties"].items()
            }
        elif kind == "object":
            # Without them the template takes the schema's own keys for properties.
            flat["properties"] = {}
        others = merged.get("additionalProperties")
        if isinstance(others, bool | Mapping) and not self._for_template:
            shaped = isinstance(others, Mapping) and others
            flat["additionalProperties"] = self.flat(others, followed, depth + 1) if shaped else others is not False
        if isinstance(merged.get("items"), Mapping):
            flat["items"] = self.flat(merged["items"], followed, depth + 1)
        if _is_list(merged.get("required")) and merged["required"]:
            flat["required"] = list(dict.fromkeys(str(name) for name in merged["required"]))
        return flat

    def _resolved(
        self, schema: Mapping[str, Any], followed: frozenset[str]
    ) -> tuple[Mapping[str, Any], frozenset[str]]:
        """Follow ``$ref``; one that leads nowhere is dropped, of one that was followed before only the type stays."""
        while isinstance(reference := schema.get("$ref"), str):
            target = referred(self._root, reference)
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            if not isinstance(target, Mapping):
                return rest, followed
            if reference in followed:
                return {"type": target.get("type", "object"), **rest}, followed
            followed |= {reference}
            schema = {**target, **rest}
        return schema, followed

    def _combined(
        self, schema: Mapping[str, Any], followed: frozenset[str], depth: int
    ) -> tuple[Mapping[str, Any], frozenset[str]]:
        """Merge all of ``allOf``, and of ``anyOf`` and ``oneOf`` the first alternative that is not null."""
        for combination in ("allOf", "anyOf", "oneOf"):
            alternatives = schema.get(combination)
            merged = {key: value for key, value in schema.items() if key != combination}
            if _is_list(alternatives) and depth <= MAX_DEPTH:
                options = [option for option in alternatives if isinstance(option, Mapping)]
                chosen = [option for option in options if option.get("type") != "null"]
                if len(chosen) < len(options):
                    merged["nullable"] = True
                for option in chosen if combination == "allOf" else chosen[:1]:
                    option, followed = self._resolved(option, followed)
                    option, followed = self._combined(option, followed, depth + 1)
                    merged = _merge(merged, option)
            schema = merged
        return schema, followed


def _merge(schema: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**other, **schema}
    if isinstance(schema.get("properties"), Mapping) and isinstance(other.get("properties"), Mapping):
        merged["properties"] = {**other["properties"], **schema["properties"]}
    if _is_list(schema.get("required")) and _is_list(other.get("required")):
        merged["required"] = [*schema["required"], *other["required"]]
    return merged


def _type(schema: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the type, guessed where the schema names none, and whether null is among several types."""
    kind = schema.get("type")
    if isinstance(kind, str) and kind:
        return kind, False
    if _is_list(kind):
        return next((str(name) for name in kind if name != "null"), "string"), "null" in kind
    if isinstance(schema.get("properties"), Mapping):
        return "object", False
    if isinstance(schema.get("items"), Mapping):
        return "array", False
    return "string", False


def _scalar_text(value: object) -> str:
    """Return a value of an ``enum`` as a text; empty for null, arrays, objects, and numbers beyond all measure."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return ""
    return str(value) if isinstance(value, str | bool | int | float) else ""
