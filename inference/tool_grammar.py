"""The grammar of the calls that declared tools allow, in llguidance's dialect of Lark.

It describes what the model writes between ``<|tool_call>`` and ``<tool_call|>``, the latter included, in the form in
which the chat template writes calls: no white space, bare keys, strings between two tokens ``<|"|>``. All that it
admits, :func:`inference.tool_calls.parse_call` reads.

Every value that a tool's JSON schema admits can be written. In one point the grammar is stricter than JSON schema: an
object that declares properties and says nothing of others has only these, as in the strict modes of other engines.
Where a grammar cannot hold a call to a keyword, it admits more than the schema, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.errors import SchemaError
from inference.messages import Tool
from inference.tool_calls import is_bare_name
from inference.tool_rules import RuleWriter


@dataclass(frozen=True, slots=True)
class ToolGrammar:
    """The grammar of one call of any of the tools."""

    text: str
    notes: tuple[str, ...]
    """What calls are not held to though a schema asks for it, a sentence each."""


def tool_call_grammar(tools: Sequence[Tool], quote: int, close: int) -> ToolGrammar:
    """Return the grammar of one call of any of ``tools``, after ``<|tool_call>``.

    ``quote`` and ``close`` are the ids of ``<|"|>`` and ``<tool_call|>``. Raises :class:`SchemaError` for a tool whose
    name cannot stand in a call, whose schema admits no call at all, or is too large.
    """
    writer = RuleWriter(quote)
    calls: list[str] = []
    ignored: list[tuple[str, Mapping[str, None]]] = []
    for tool in tools:
        if not is_bare_name(tool.name):
            raise SchemaError(
                f"The tool “{tool.name}” cannot be called by this name; give it one of letters, digits and underscores."
            )
        try:
            arguments, notes = writer.arguments(tool.parameters)
        except SchemaError as error:
            raise SchemaError(
                f"The declaration of the tool “{tool.name}” cannot be followed: {error}. Simplify it."
            ) from error
        except (RecursionError, ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
            raise SchemaError(f"The declaration of the tool “{tool.name}” is no JSON schema. Correct it.") from error
        calls.append(f"{writer.literal(tool.name)} {arguments}")
        ignored.append((tool.name, notes))
    start = f'start: "call:" ({" | ".join(calls)}) <[{close}]>'
    text = "\n".join([start, *writer.lines()])
    return ToolGrammar(text, tuple(f"Calls of “{name}” are not held to {what}." for name, of in ignored for what in of))
