"""Puts into the syntax tree of a chat template what counts its steps, and refuses trees that no chat template has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.visitor import NodeTransformer

MAX_NODES: Final = 10_000
"""Of a syntax tree; the official ones have 1,400."""
MAX_DEPTH: Final = 200
"""Of it; the official ones have 17."""

GIVEN: Final = "given "
"""Begins the names of filters that only the instruments use: no template can spell a blank in a filter's name."""

_KINDS: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Macro, nodes.CallBlock, nodes.With),
    *(nodes.FilterBlock, nodes.ExprStmt, nodes.Assign, nodes.AssignBlock, nodes.Continue, nodes.Break, nodes.Scope),
    *(nodes.BinExpr, nodes.UnaryExpr, nodes.Name, nodes.NSRef, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict),
    *(nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr),
    *(nodes.Slice, nodes.Concat, nodes.Compare, nodes.Operand),
)
_BODIES: Final = (nodes.For, nodes.Macro, nodes.CallBlock)


def instrumented(tree: nodes.Template) -> nodes.Template:
    """Return the tree with its counters.

    Raises:
        SecurityError: it is too large or too deep, or has a kind of statement that chat templates do not need.
    """
    _check(tree)
    counted: nodes.Template = _Instrument().visit(tree)
    return counted


def _check(tree: nodes.Template) -> None:
    count = 0
    level: list[Any] = [tree]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if not isinstance(node, _KINDS):
                raise SecurityError(f"it has a part that chat templates do not have: {type(node).__name__.lower()}")
            if isinstance(node, nodes.If) and len(node.elif_) > MAX_DEPTH:  # each is one within the other in Python
                raise SecurityError("it has too many alternatives")
            below += node.iter_child_nodes()
        count += len(level)
        if count > MAX_NODES:
            raise SecurityError("it has too many parts")
        if not below:
            return
        level = below
    raise SecurityError("it is nested too deeply")


class _Instrument(NodeTransformer):
    """Puts a step at the head of every loop and macro, and a charge where values are put together or compared."""

    def visit_For(self, node: nodes.For) -> Any:
        counted = self._counted(node)
        if node.test is not None:
            counted.test = _given("tested", node.test)
        return counted

    def visit_Macro(self, node: nodes.Macro) -> Any:
        return self._counted(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> Any:
        return self._counted(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        first, *others = node.nodes
        return _given("tilde", first, *others)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._weighed(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._weighed(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._weighed(node) if node.ctx == "load" else self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _given("sliced", node.node)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        left = node.expr
        constant = isinstance(left, nodes.Const)
        self.generic_visit(node)
        for operand in node.ops:
            within = operand.op in ("in", "notin")
            was_constant, constant = constant, isinstance(operand.expr, nodes.Const)
            if within and not _constants(operand.expr):
                operand.expr = _given("searched", operand.expr)
            elif not within and not constant and not was_constant:
                operand.expr = _given("compared", operand.expr)
        return node

    def _weighed(self, node: Any) -> nodes.Node:
        if _constants(node):
            return node  # type: ignore[no-any-return]
        self.generic_visit(node)
        return _given("weighed", node)

    def _counted(self, node: Any) -> Any:
        characters = sum(len(data.data) for child in node.body for data in _template_data(child))
        self.generic_visit(node)
        step = _given("step", nodes.Const(characters, lineno=node.lineno))
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        return node


def _constants(node: nodes.Node) -> bool:
    """Return whether a node is a list or tuple of constants, as in ``kind in ["a", "b"]``."""
    return isinstance(node, nodes.List | nodes.Tuple) and all(isinstance(item, nodes.Const) for item in node.items)


def _template_data(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    """Yield the text of a node that its own rounds write: not that of loops and macros within, which have steps too."""
    if isinstance(node, nodes.TemplateData):
        yield node
    elif not isinstance(node, _BODIES):
        for child in node.iter_child_nodes():
            yield from _template_data(child)


def _given(name: str, value: Any, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, GIVEN + name, list(arguments), [], None, None, lineno=value.lineno)
