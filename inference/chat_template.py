"""Turns and tools to the text of a prompt, by the chat template that came with the model.

The templates are Jinja programs that write control tokens such as ``<turn|>`` as text. What people, tools and
documents wrote must never become a control token, even where it spells one. So the characters that can begin one are
replaced in everything that goes into the template, and put back afterwards with their positions noted.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import jinja2
from jinja2.runtime import Context

from inference.errors import ModelFolderError
from inference.foreign_names import display_name
from inference.messages import Tool, Turn
from inference.template_messages import declarations_of, messages_of
from inference.template_sandbox import BoundedEnvironment

_NONCHARACTERS = range(0xFDD0, 0xFDF0)
"""Code points that Unicode keeps for a program's internal use."""
_LONGEST_PATTERN = 200
_ANY_CHARACTERS = range(0x10FFFF, 0xE000, -1)
"""Where somebody typed those: private ones first, and no surrogates."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The rendered conversation.

    ``typed`` holds the positions, ascending, of those characters of ``text`` that could begin a control token but
    came from a turn or a tool and not from the template: no control token may be read there.
    """

    text: str
    typed: tuple[int, ...] = ()


class ChatTemplate:
    """A compiled chat template.

    ``guarded`` are the characters that control tokens begin with. Raises :class:`ModelFolderError` when the template
    is not valid Jinja.
    """

    def __init__(self, source: str, *, bos_token: str = "<bos>", eos_token: str = "<eos>", guarded: str = "<") -> None:
        self._special_tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._guarded = guarded
        self._source = source
        try:
            self._environment = _environment()
            self._template = self._environment.compiled(source)
        except (jinja2.TemplateError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ModelFolderError(
                f"The model's chat template cannot be used ({_reason(error)}); download or convert the model again."
            ) from error

    def render(self, turns: Sequence[Turn], tools: Sequence[Tool] = (), *, thinking: bool = False) -> Prompt:
        """Render a conversation up to the point where the model goes on.

        Raises :class:`ModelFolderError` when the template refuses the conversation or fails.
        """
        messages = messages_of(turns)
        declarations = declarations_of(tools)
        guard = _Guard(self._guarded, (messages, declarations), reserved=self._source)
        try:
            variables = {
                "messages": guard.hide(messages),
                "tools": guard.hide(declarations) or None,
                "enable_thinking": thinking,
                "add_generation_prompt": True,
                "reveal": guard.reveal,
                **self._special_tokens,
            }
            rendered = self._environment.rendered(self._template, variables, guard.characters)
        except Exception as error:  # a template is a foreign program: anything may go wrong in it
            raise ModelFolderError(
                f"The model's chat template cannot write this conversation ({_reason(error)}); "
                "start a new conversation or choose another model."
            ) from error
        return guard.prompt(rendered)


class _Guard:
    """Replaces the guarded characters by ones that occur nowhere else, and finds them again."""

    def __init__(self, guarded: str, values: Any, *, reserved: str) -> None:
        strings = list(_strings(values))
        self.characters = sum(map(len, strings))
        """In all texts."""
        used = set().union(*strings)
        taken = used.union(reserved)
        free = (chr(code) for code in chain(_NONCHARACTERS, _ANY_CHARACTERS) if chr(code) not in taken)
        self._hidden = {character: next(free) for character in guarded if character in used}
        self._hide = str.maketrans(self._hidden)
        self._reveal = str.maketrans({hidden: character for character, hidden in self._hidden.items()})

    def hide(self, value: Any) -> Any:
        """Return a copy of plain dicts, lists and scalars with the guarded characters replaced in every string."""
        if isinstance(value, str):
            return value.translate(self._hide)
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hide(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.hide(item) for item in value]
        return value

    def reveal(self, value: Any) -> Any:
        """Undo :meth:`hide` in one string; everything else is returned as it is."""
        return value.translate(self._reveal) if isinstance(value, str) else value

    def prompt(self, rendered: str) -> Prompt:
        if not self._hidden:
            return Prompt(rendered)
        hidden = re.compile("[" + re.escape("".join(self._hidden.values())) + "]")
        return Prompt(self.reveal(rendered), tuple(match.start() for match in hidden.finditer(rendered)))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)


def _environment() -> BoundedEnvironment:
    environment = BoundedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.give("raise_exception", _raise_exception)
    environment.give("strftime_now", _strftime_now)
    environment.replace_filter("tojson", _tojson)
    environment.replace_filter("dictsort", _dictsort)
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _strftime_now(pattern: str) -> str:
    if len(pattern) > _LONGEST_PATTERN:
        raise jinja2.TemplateError("its pattern for the time is too long")
    return datetime.datetime.now().strftime(pattern)


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON for a prompt: unlike Jinja's own filter it does not escape for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


@jinja2.pass_context
def _dictsort(
    context: Context, value: Mapping[Any, Any], case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[tuple[Any, Any]]:
    """Jinja's filter, but in the order of the strings as they were before guarded characters were replaced."""
    reveal = context["reveal"]
    position = {"key": 0, "value": 1}[by]

    def order(item: tuple[Any, Any]) -> Any:
        revealed = reveal(item[position])
        return revealed.lower() if isinstance(revealed, str) and not case_sensitive else revealed

    return sorted(value.items(), key=order, reverse=reverse)


def _reason(error: BaseException) -> str:
    """The first line of an error: the rest of a Jinja message quotes the template or the conversation."""
    lines = str(error)[:2000].strip().splitlines()
    return display_name(lines[0].rstrip("."), 200) if lines else type(error).__name__
