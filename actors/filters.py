"""Conditions and values of routes: CEL in which a missing field makes its comparison false, never an error.

An expression is compiled once, from its tree (actors/cel_rewriting.py); an event is converted once for all expressions
of its site, and only the fields that some of them names (contracts/routing.md, section 4.3). A null is a field that is
not there. `a != b` is a comparison too: it is false where either is missing; ask `!has(a)`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from actors.cel_rewriting import Rewriter, all_of
from actors.cel_syntax import Chain, Literal, Node, Sign, Unread, parse
from actors.expressions import (
    BadExpression,
    Budget,
    Expression,
    Failed,
    Missing,
    Size,
    as_json,
    compile_cel,
    macros_in,
    run,
    tokens_of,
)
from actors.facts import VARIABLES, Handed, Names

EVENT_BUDGET_US: Final = 50_000  # what all expressions of a site may cost for one event, as estimated
EMAIL: Final = re.compile(r"[^\s@'\"]+@[^\s@'\"]+\.[A-Za-z]{2,}")
SIMPLE_SUMS: Final = 4  # so many `+` make no text that matters

T = TypeVar("T")


class Filter:
    """A condition on the facts, compiled for one site's `names`."""

    __slots__ = ("_expression", "_is_simple", "_macros", "_names", "_program", "_used", "text", "tree")

    def __init__(self, text: str, names: Names) -> None:
        """Raises BadExpression, with the place as `1:7` where it is known."""
        self.text = text
        self._names = names
        self._expression, self.tree = read(text)
        rewriter = Rewriter(names)
        condition = _bounded(lambda: rewriter.condition(self.tree, frozenset()))
        self._program = compile_cel(condition)
        self._macros = macros_in(tokens_of(condition))
        self._used = frozenset(rewriter.used)
        self._is_simple = is_simple(self._expression)

    def evaluate(self, handed: Handed, budget: Budget) -> bool | Failed:
        if not (self._is_simple and self._used.isdisjoint(handed.large)):
            failed = too_much(self._expression, self._macros, self._used, handed, budget)
            if failed is not None:
                return failed
        found = run(self._program, handed.context)
        if isinstance(found, bool | Failed):
            return found
        if isinstance(found, Missing):  # under a name that is only known when it is evaluated
            return False
        return Failed("gives no true or false")

    def decided_by(self, handed: Handed) -> str:
        """The part of the text that decided: of `a && b` the first that is false, of `a || b` the first true one."""
        node = self.tree
        while (part := self._decisive(node, handed)) is not None:
            node = part
        return self.text[node.start : node.end]

    def _decisive(self, node: Node, handed: Handed) -> Node | None:
        match node:
            case Sign(sign="!", of=of):
                return of
            case Chain(sign=sign, parts=parts):
                wanted = sign == "||"
                return next((part for part in parts if self._holds(part, handed) is wanted), None)
        return None

    def _holds(self, node: Node, handed: Handed) -> bool | None:
        program = compile_cel(Rewriter(self._names).condition(node, frozenset()))
        found = run(program, handed.context)
        return found if isinstance(found, bool) else None


class Value:
    """An expression that gives a value: what `set` puts into a path."""

    __slots__ = ("_expression", "_given", "_is_simple", "_macros", "_program", "_used", "text")

    def __init__(self, text: str, names: Names) -> None:
        """Raises BadExpression."""
        self.text = text
        self._expression, tree = read(text)
        rewriter = Rewriter(names)
        found = _bounded(lambda: rewriter.value(tree, frozenset()))
        self._program = compile_cel(found.text)
        self._given = compile_cel(all_of(found.given)) if found.given else None
        self._macros = macros_in(tokens_of(" ".join((found.text, *found.given))))
        self._used = frozenset(rewriter.used)
        self._is_simple = is_simple(self._expression)

    def evaluate(self, handed: Handed, budget: Budget) -> Any | Missing | Failed:
        """As JSON has it; None for null. Missing where a field that it needs is not there."""
        if not (self._is_simple and self._used.isdisjoint(handed.large)):
            failed = too_much(self._expression, self._macros, self._used, handed, budget)
            if failed is not None:
                return failed
        if self._given is not None:
            given = run(self._given, handed.context)
            if given is not True:
                return given if isinstance(given, Failed) else Missing()
        return run(self._program, handed.context, as_json)


def read(text: str) -> tuple[Expression, Node]:
    """The expression, checked by the library, and its tree. Raises BadExpression."""
    expression = Expression(text, VARIABLES)
    try:
        tree = parse(text)
    except Unread as error:
        raise BadExpression(f"is not read: {error}") from None
    for node in walk(tree):
        if isinstance(node, Literal) and node.is_text and EMAIL.search(node.text):
            place = f"1:{node.start + 1}"
            raise BadExpression(
                f"{place}: holds an e-mail address; compare event.user_data.email.sha256 with its SHA-256"
            )
    return expression, tree


def walk(node: Node) -> Iterator[Node]:
    """The node and all in it."""
    rest: list[Any] = [node]
    while rest:
        one = rest.pop()
        if isinstance(one, Node):
            yield one
            rest += [getattr(one, name) for name in one.__struct_fields__]
        elif isinstance(one, tuple):
            rest += one


def is_simple(expression: Expression) -> bool:
    """Whether its cost is that of the fields it names: nothing in it repeats them."""
    return not expression.nested and expression.text.count("+") <= SIMPLE_SUMS


def too_much(expression: Expression, macros: int, used: Iterable[str], handed: Handed, budget: Budget) -> Failed | None:
    """Why it is not evaluated, where it would cost more than is left. `macros`: in it as it is evaluated."""
    if any(name in handed.too_large for name in used):
        return Failed("a field that it names is too large")
    sizes = [handed.sizes[name] for name in used if name in handed.sizes]
    size = Size(
        nodes=sum(one.nodes for one in sizes),
        longest=max((one.longest for one in sizes), default=0),
        text_bytes=sum(one.text_bytes for one in sizes),
    )
    cost_us = expression.cost_us(size, macros)
    if cost_us is None or not budget.take(cost_us):
        return Failed("would cost too much for one event")
    return None


def _bounded(make: Callable[[], T]) -> T:
    """What a rewriter makes. Raises BadExpression."""
    try:
        return make()
    except RecursionError:
        raise BadExpression("is nested too deep") from None
