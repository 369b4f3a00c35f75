"""Runs chat templates, which are programs by somebody else, without letting them run away.

Jinja's sandbox keeps them from files and from the interpreter's inside, and its ranges short. This adds an end to
loops, calls, text and memory: what a template of good will never reaches.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

MAX_STEPS: Final = 3_000_000
"""Rounds of loops, calls and filters in one rendering; the official templates take a few dozen for a message."""
MAX_CHARACTERS: Final = 100_000_000
"""Text that one rendering may make, all that is thrown away again included."""
MAX_ITEMS: Final = 1_000_000
"""Values within one list or mapping, those inside of it included."""
MAX_SECONDS: Final = 30.0

_MAX_WIDTH: Final = 10_000
_MAX_BITS: Final = 4096
_NUMBER: Final = re.compile(r"\*|[0-9]{5}")
_PADDING: Final = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "to_bytes"})
_WIDE: Final = frozenset({"center", "indent", "wordwrap", "batch", "slice", "truncate", "tojson", "round"})
_SHALLOW: Final = frozenset(
    re.split(
        " ",
        "length count first last items dictsort sort select reject selectattr rejectattr map groupby unique list "
        "default d attr batch slice reverse sum min max int float abs round random",
    )
)
"""Filters that do not turn what is inside their values to text."""


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with limits; every rendering ends with a result or a :class:`jinja2.TemplateError`."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **settings: Any) -> None:
        super().__init__(finalize=self._finalize, **settings)
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        self.globals["dict"] = lambda *args, **kwargs: self.weighed(dict(*args, **kwargs))
        self._steps = self._characters = 0
        self._deadline = float("inf")

    def compiled(self, source: str) -> jinja2.Template:
        """Return the template with limits built in. Raises what Jinja raises for a template that is none."""
        for name, function in self.filters.items():
            if not hasattr(function, "bounded"):
                self.filters[name] = self._bounded(name, function)
        tree = _Instrument().visit(self.parse(source))
        return self.template_class.from_code(self, self.compile(tree), self.make_globals(None))

    def rendered(self, template: jinja2.Template, variables: Mapping[str, Any]) -> str:
        """Return what a template writes. Raises what Jinja raises, and :class:`SecurityError` at a limit."""
        self._steps = self._characters = 0
        self._deadline = time.monotonic() + MAX_SECONDS
        return "".join(self._counted(template.generate(variables)))

    def tick(self, characters: int = 0) -> None:
        """Count one step, in which the template itself writes so many characters."""
        self._steps += 1
        self._write(characters)
        if self._steps > MAX_STEPS or (self._steps % 256 == 0 and time.monotonic() > self._deadline):
            raise SecurityError("it does not come to an end")

    def weighed(self, value: Any) -> Any:
        """Return ``value`` if it is not too large."""
        if isinstance(value, str):
            self._write(len(value))
            return value
        left, characters, stack = MAX_ITEMS, 0, [value]
        while stack:
            item = stack.pop()
            left -= 1
            if isinstance(item, str | bytes):
                characters += len(item)
            elif isinstance(item, Mapping):
                stack += item.keys()
                stack += item.values()
            elif isinstance(item, list | tuple | set | frozenset):
                stack += item
            elif isinstance(item, Namespace):
                stack += vars(item).values()
            if left < len(stack) or characters > MAX_CHARACTERS:
                raise SecurityError("it needs too much memory")
        return value

    def tilde(self, *values: Any) -> str:
        """The operator ``~``."""
        texts = [str(self.weighed(value)) for value in values]
        return "".join(texts)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function or a method for the template."""
        if getattr(function, "__self__", None) is self:  # what _Instrument put there
            return function(*args)
        self.tick()
        method = getattr(function, "__wrapped__", function)
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str | bytes | int):
            if name in _PADDING:
                _check_width(*args, *kwargs.values())
            elif name in ("format", "format_map"):
                _check_format(owner, *args, *kwargs.values())
            self.weighed(args)
            self._check_replacement(name, owner, args)
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute with one of the intercepted operators."""
        if operator in ("*", "**"):
            _check_product(operator, left, right)
        elif operator == "%" and isinstance(left, str):
            _check_format(left, right)
            self.weighed(right)
        result = super().call_binop(context, operator, left, right)
        return result if isinstance(result, int | float) else self.weighed(result)

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        given = 1 if hasattr(function, "jinja_pass_arg") else 0  # the context, or the like, comes first

        @functools.wraps(function)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            value, rest = args[given], (*args[given + 1 :], *kwargs.values())
            if name in _WIDE:
                _check_width(*rest)
            if name == "format":
                _check_format(value, *rest)
            if name not in _SHALLOW:
                self.weighed((value, rest))
            self._check_replacement(name, value, args[given + 1 :])
            result = function(*args, **kwargs)
            return self.weighed(result) if isinstance(result, str | list) else result

        bounded.bounded = True  # type: ignore[attr-defined]
        return bounded

    def _check_replacement(self, name: str, text: Any, args: tuple[Any, ...]) -> None:
        if name == "replace" and len(args) > 1:
            text, old, new = str(text), str(args[0]), str(args[1])
            self._write(len(text) + text.count(old) * len(new))
        elif name == "join" and isinstance(text, str) and args and isinstance(args[0], list | tuple):
            self._write(len(text) * len(args[0]))
        elif name == "join" and args and isinstance(text, list | tuple):
            self._write(len(str(args[0])) * len(text))

    def _finalize(self, value: Any) -> Any:
        return self.weighed(value)

    def _write(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_CHARACTERS:
            raise SecurityError("it writes without end")

    def _counted(self, pieces: Iterator[str]) -> Iterator[str]:
        total = 0
        for piece in pieces:
            total += len(piece)
            if total > MAX_CHARACTERS:
                raise SecurityError("it writes without end")
            yield piece


class _Instrument(NodeTransformer):
    """Puts a step at the head of every loop and macro, and a check where values are put together."""

    def visit_For(self, node: nodes.For) -> Any:
        return self._counted(node)

    def visit_Macro(self, node: nodes.Macro) -> Any:
        return self._counted(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> Any:
        return self._counted(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _own_call("tilde", node.nodes, node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _own_call("weighed", [node], node.lineno)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _own_call("weighed", [node], node.lineno)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _own_call("weighed", [node], node.lineno) if node.ctx == "load" else node

    def _counted(self, node: Any) -> Any:
        characters = sum(len(data.data) for child in node.body for data in _template_data(child))
        self.generic_visit(node)
        step = _own_call("tick", [nodes.Const(characters)], node.lineno)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        return node


def _template_data(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    if isinstance(node, nodes.TemplateData):
        yield node
    yield from node.find_all(nodes.TemplateData)


def _own_call(method: str, arguments: list[Any], lineno: int) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(method), arguments, [], None, None, lineno=lineno)


def _check_width(*values: Any) -> None:
    if any(isinstance(value, int) and abs(value) > _MAX_WIDTH for value in values):
        raise SecurityError("it needs too much memory")


def _check_format(text: Any, *values: Any) -> None:
    """Widths in format strings ask for memory too, written there or given as a value."""
    if _NUMBER.search(str(text)):
        raise SecurityError("it needs too much memory")
    if "{" in str(text):
        _check_width(*values)


def _check_product(operator: str, left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * abs(right) if operator == "**" else left.bit_length() + right.bit_length()
        too_large = bits > _MAX_BITS
    else:
        sizes = [len(value) if isinstance(value, str | bytes | list | tuple) else value for value in (left, right)]
        numbers = [size for size in sizes if isinstance(size, int)]
        too_large = len(numbers) == 2 and numbers[0] * numbers[1] > MAX_ITEMS
    if too_large:
        raise SecurityError("it needs too much memory")
