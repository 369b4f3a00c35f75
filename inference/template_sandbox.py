"""Runs chat templates, which are programs by somebody else, without letting them run away.

Jinja's sandbox keeps them from files and from the interpreter's inside, and its ranges short. This adds an end to
everything else: a template has a size; it has the statements, filters, tests and methods that chat templates use and
no others; and each of these is charged before it runs, so that no rendering takes more steps, text, memory or time
than a budget has, which a template of good will never reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import jinja2
from jinja2 import pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from inference.template_budget import SLOT, Budget, namespace_values
from inference.template_instruments import GIVEN, instrumented
from inference.template_operations import FILTERS, METHODS, TESTS, charged, price_of_format, price_of_product

MAX_SOURCE: Final = 100_000
"""Characters of a template; the official ones have 19,000."""

_HIDDEN_ARGUMENTS: Final = ("_loop_vars", "_block_vars")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with limits; every rendering ends with a result or a :class:`jinja2.TemplateError`."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **settings: Any) -> None:
        self._budget = Budget()
        super().__init__(finalize=self._finalize, **settings)
        self._functions: dict[int, Callable[..., Any]] = {}
        self.globals.clear()
        self.give("range", jinja2.sandbox.safe_range)
        self.give("namespace", Namespace)
        self.give("dict", dict)
        self.filters = {name: charged(self._budget, price, self.filters[name]) for name, price in FILTERS.items()}
        tests: Mapping[str, Any] = self.tests
        self.tests = {
            name: tests[name] if price is None else charged(self._budget, price, tests[name])
            for name, price in TESTS.items()
        }
        self.filters |= {
            GIVEN + "step": self._step,
            GIVEN + "tested": self._tested,
            GIVEN + "weighed": self._weighed,
            GIVEN + "compared": self._compared,
            GIVEN + "searched": self._searched,
            GIVEN + "sliced": self._sliced,
            GIVEN + "tilde": self._tilde,
        }

    def give(self, name: str, function: Callable[..., Any]) -> None:
        """Let templates call a function."""
        self.globals[name] = function
        self._functions[id(function)] = function

    def replace_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Let another function be the filter of a name, at the same price."""
        self.filters[name] = charged(self._budget, FILTERS[name], function)

    def compiled(self, source: str) -> jinja2.Template:
        """Return the template with limits built in. Raises what Jinja raises for a template that is none."""
        if len(source) > MAX_SOURCE:
            raise SecurityError(f"it is longer than {MAX_SOURCE:,} characters")
        self._budget.start()  # what is constant is computed here
        tree = instrumented(self.parse(source))
        return self.template_class.from_code(self, self.compile(tree), self.make_globals(None))

    def rendered(self, template: jinja2.Template, variables: Mapping[str, Any], given: int = 0) -> str:
        """Return what a template writes.

        Args:
            template: from :meth:`compiled`.
            variables: what it can use.
            given: characters in these: a long conversation may be written by more work than a short one.

        Raises:
            SecurityError: at a limit; besides, what Jinja raises.
        """
        self._budget.start(given)
        return "".join(self._counted(template.generate(variables)))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute or an item, as the sandbox does; the usual ones without its many questions."""
        kind = type(obj)
        if kind is dict:
            if attribute in obj and not hasattr(dict, attribute):
                return obj[attribute]
        elif kind is Namespace and not attribute.startswith("_"):
            values = namespace_values(obj)
            return values[attribute] if attribute in values else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item or an attribute, as the sandbox does."""
        self._budget.work(1)
        return super().getitem(obj, argument)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function or a method for the template."""
        self._budget.step()
        if isinstance(function, Macro | LoopContext | Undefined):
            return super().call(context, function, *args, **kwargs)
        for name in _HIDDEN_ARGUMENTS:
            kwargs.pop(name, None)
        if id(function) in self._functions:
            self._budget.size((args, kwargs))
            return self._budget.weighed(function(*map(self._budget.listed, args), **kwargs))
        method = getattr(function, "__wrapped__", function)  # the sandbox wraps str.format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        kind = next((kind for kind in METHODS if isinstance(owner, kind)), None)
        price = None if kind is None else METHODS[kind].get(name)
        if price is not None:
            args = tuple(map(self._budget.listed, args))  # "".join() takes iterators
            price(self._budget, owner, *args, **kwargs)
            return function(*args, **kwargs)
        if isinstance(owner, LoopContext) and name in ("cycle", "changed"):
            self._budget.size(args)
            return function(*args, **kwargs)
        raise SecurityError(f"it calls “{name or type(function).__name__}”, which chat templates cannot")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute with one of the intercepted operators."""
        if operator in ("*", "**"):
            price_of_product(operator, left, right)
        elif operator == "%" and isinstance(left, str):
            price_of_format(self._budget, left, right)
        elif operator == "+" and (hasattr(left, "__html__") or hasattr(right, "__html__")):
            self._budget.write(6 * (self._budget.text_size(left) + self._budget.text_size(right)))
        return self._budget.weighed(super().call_binop(context, operator, left, right))

    @pass_context  # so that Jinja writes no constant ahead, uncounted
    def _finalize(self, context: Context, value: Any) -> Any:
        self._budget.write(len(value) if isinstance(value, str) else self._budget.text_size(value))
        return value

    # What the instruments call: as filters, since Jinja calls these directly; with the context, so that it computes
    # none of them ahead.

    @pass_context
    def _step(self, context: Context, characters: int) -> None:
        self._budget.step()
        self._budget.write(characters)

    @pass_context
    def _tested(self, context: Context, value: Any) -> Any:
        self._budget.step()
        return value

    @pass_context
    def _weighed(self, context: Context, value: Any) -> Any:
        return self._budget.weighed(value)

    @pass_context
    def _compared(self, context: Context, value: Any) -> Any:
        if isinstance(value, str):
            self._budget.work(len(value) >> 7)
        else:
            self._budget.size(value)
        return value

    @pass_context
    def _searched(self, context: Context, value: Any) -> Any:
        value = self._budget.listed(value)
        return value if isinstance(value, dict) else self._compared(context, value)

    @pass_context
    def _sliced(self, context: Context, value: Any) -> Any:
        if isinstance(value, str):
            self._budget.write(len(value))
        elif isinstance(value, list | tuple):
            self._budget.write(SLOT * len(value))
        return value

    @pass_context
    def _tilde(self, context: Context, *values: Any) -> str:
        self._budget.write(sum(map(self._budget.text_size, values)))
        return "".join(map(str, values))

    def _counted(self, pieces: Iterator[str]) -> Iterator[str]:
        for piece in pieces:
            self._budget.write(len(piece))
            yield piece
