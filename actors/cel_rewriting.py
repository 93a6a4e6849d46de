"""An expression of a route as it is evaluated: over plain variables, with a question before each comparison.

The library gives up a whole expression where a field is missing, and it copies the event for each evaluation. So each
field becomes a plain variable `v3`, with `h3` for whether it is there, and each comparison asks first whether all that
it names is there: `event.custom_data.value > 10` becomes `(h3 ? v3 > 10 : false)`. This holds below `!` and `||`, and
inside `exists`, `filter` and their like.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from actors.cel_syntax import (
    RELATIONS,
    Binary,
    Call,
    Chain,
    Choice,
    Index,
    Listed,
    Literal,
    Mapped,
    Name,
    Node,
    Select,
    Sign,
)
from actors.expressions import MACROS, BadExpression
from actors.facts import VARIABLES, Named, Names
from actors.paths import BadPath

TESTS: Final = frozenset({"contains", "startsWith", "endsWith", "matches"})  # methods that compare
CONDITIONS: Final = frozenset({"exists", "all", "exists_one", "filter"})  # macros whose body is a condition
MOST_CHARS: Final = 20_000  # of an expression as it is evaluated
_PLAIN_TEXT: Final = re.compile(r"""'[^'\\]+'|"[^"\\]+\"""")


class Rewritten(Struct, frozen=True):
    """A part of an expression as it is evaluated; `given`: what must hold for it to have a value."""

    text: str
    given: tuple[str, ...] = ()


class Rewriter:
    """Turns a tree into an expression over plain variables. Raises BadExpression."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.used: set[str] = set()

    # --- conditions ---

    def condition(self, node: Node, bound: frozenset[str]) -> str:
        """Always true or false as far as fields are concerned."""
        match node:
            case Chain(sign=sign, parts=parts):
                return "(" + f" {sign} ".join(self.condition(part, bound) for part in parts) + ")"
            case Sign(sign="!", of=of):
                return f"!{self.condition(of, bound)}"
            case Choice(when=when, then=then, otherwise=otherwise):
                parts = (when, then, otherwise)
                first, second, third = (self.condition(part, bound) for part in parts)
                return f"({first} ? {second} : {third})"
            case Binary(sign=sign, left=left, right=right) if sign in RELATIONS:
                one, other = self.value(left, bound), self.value(right, bound)
                return _guarded((*one.given, *other.given), f"{one.text} {sign} {other.text}")
            case Call(name="has", args=(asked,), of=None):
                return self._has(asked, bound)
            case Call(name=name, of=Node()) if name in TESTS or name in CONDITIONS - {"filter"}:
                found = self._call(node, bound)
                return _guarded(found.given, found.text)
        found = self.value(node, bound)
        return _guarded(found.given, found.text)

    def _has(self, asked: Node, bound: frozenset[str]) -> str:
        path = _path_of(asked, bound)
        if path is not None:
            return self._named(asked, path, is_asked=True).there
        if not isinstance(asked, Select):
            raise BadExpression(f"1:{asked.start + 1}: has(…) asks for a field, as has(event.custom_data.value)")
        of = self.value(asked.of, bound)
        return _guarded(of.given, f"has({of.text}.{asked.field})")

    def _named(self, node: Node, path: tuple[str, ...], *, is_asked: bool = False) -> Named:
        try:
            named = self._names.named(path, is_asked=is_asked)
        except BadPath as error:
            raise BadExpression(f"1:{node.start + 1}: {error}") from None
        self.used.add(named.value)
        return named

    # --- values ---

    def value(self, node: Node, bound: frozenset[str]) -> Rewritten:
        path = _path_of(node, bound)
        if path is not None:
            named = self._named(node, path)
            return Rewritten(named.value, () if named.is_always else (named.there,))
        match node:
            case Literal(text=text):
                return Rewritten(text)
            case Name(name=name):
                return Rewritten(name)
            case Select(of=of, field=field):
                inner = self.value(of, bound)
                return Rewritten(f"{inner.text}.{field}", (*inner.given, f"has({inner.text}.{field})"))
            case Index(of=of, index=index):
                return self._index(of, index, bound)
            case Call(name=name) if name != "has" and name not in TESTS and name not in CONDITIONS - {"filter"}:
                return self._call(node, bound)
            case Sign(sign="-", of=of):
                inner = self.value(of, bound)
                return Rewritten(f"(-{inner.text})", inner.given)
            case Binary(sign=sign, left=left, right=right) if sign not in RELATIONS:
                one, other = self.value(left, bound), self.value(right, bound)
                return Rewritten(f"({one.text} {sign} {other.text})", (*one.given, *other.given))
            case Choice(when=when, then=then, otherwise=otherwise):
                return self._choice(when, then, otherwise, bound)
            case Listed(parts=parts):
                found = [self.value(part, bound) for part in parts]
                return Rewritten(f"[{_joined(found)}]", _given(found))
            case Mapped(keys=keys, values=values):
                ends = [
                    (self.value(key, bound), self.value(value, bound)) for key, value in zip(keys, values, strict=True)
                ]
                text = ", ".join(f"{key.text}: {value.text}" for key, value in ends)
                return Rewritten(f"{{{text}}}", _given([part for pair in ends for part in pair]))
        return Rewritten(self.condition(node, bound))

    def _index(self, of: Node, index: Node, bound: frozenset[str]) -> Rewritten:
        """An element that is there: of a list by its number, of an object by its name."""
        one, other = self.value(of, bound), self.value(index, bound)
        given = (*one.given, *other.given)
        match index:
            case Literal(is_text=True):
                given = (*given, f"{other.text} in {one.text}")
            case _:  # what it is of, and its number or name, may be known only when it is evaluated
                place = f"{other.text} >= 0 && {other.text} < size({one.text})"
                given = (*given, f"(type({one.text}) == list ? {place} : {other.text} in {one.text})")
        return Rewritten(_bounded(f"{one.text}[{other.text}]", given), given)

    def _choice(self, when: Node, then: Node, otherwise: Node, bound: frozenset[str]) -> Rewritten:
        test, one, other = self.condition(when, bound), self.value(then, bound), self.value(otherwise, bound)
        text = f"({test} ? {one.text} : {other.text})"
        if not one.given and not other.given:
            return Rewritten(text)
        given = (f"({test} ? {all_of(one.given)} : {all_of(other.given)})",)
        return Rewritten(_bounded(text, given), given)

    def _call(self, node: Call, bound: frozenset[str]) -> Rewritten:
        of = self.value(node.of, bound) if node.of is not None else None
        if of is not None and node.name in MACROS and len(node.args) >= 2 and isinstance(node.args[0], Name):
            return self._macro(node, of, bound | {node.args[0].name})
        args = [self.value(arg, bound) for arg in node.args]
        given = (*(of.given if of is not None else ()), *_given(args))
        return Rewritten(f"{of.text + '.' if of is not None else ''}{node.name}({_joined(args)})", given)

    def _macro(self, node: Call, of: Rewritten, bound: frozenset[str]) -> Rewritten:
        """Its body is a condition, or for `map` a value that each element must have."""
        bind = node.args[0]
        assert isinstance(bind, Name), "who calls looked"
        *conditions, last = node.args[1:]
        texts = [self.condition(arg, bound) for arg in conditions]
        given = of.given
        if node.name in CONDITIONS:
            texts.append(self.condition(last, bound))
        else:
            body = self.value(last, bound)
            texts.append(body.text)
            if body.given:
                wanted = all_of(body.given)
                wanted = f"({texts[0]} ? {wanted} : true)" if conditions else wanted
                given = (*given, f"{of.text}.all({bind.name}, {wanted})")
        return Rewritten(f"{of.text}.{node.name}({bind.name}, {', '.join(texts)})", given)


def _path_of(node: Node, bound: frozenset[str]) -> tuple[str, ...] | None:
    """Names from a variable on; None where it is no such path, or the variable is one that a macro binds."""
    names: list[str] = []
    while True:
        match node:
            case Select(of=of, field=field):
                names.append(field)
                node = of
            case Index(of=of, index=Literal(text=text, is_text=True)) if _PLAIN_TEXT.fullmatch(text):
                names.append(text[1:-1])
                node = of
            case Name(name=name) if name in VARIABLES and name not in bound:
                return (name, *reversed(names))
            case _:
                return None


def _guarded(given: Iterable[str], text: str) -> str:
    wanted = tuple(dict.fromkeys(given))
    return f"({all_of(wanted)} ? {_bounded(text, wanted)} : false)" if wanted else f"({text})"


def _bounded(text: str, given: Iterable[str]) -> str:
    """The text. Each question repeats what it asks about, so what nests them doubles with each level."""
    if len(text) + sum(map(len, given)) > MOST_CHARS:
        raise BadExpression("asks for too much at once; nest fewer indexes and choices (… ? … : …) in each other")
    return text


def all_of(given: Iterable[str]) -> str:
    return " && ".join(dict.fromkeys(given)) or "true"


def _given(parts: Iterable[Rewritten]) -> tuple[str, ...]:
    return tuple(one for part in parts for one in part.given)


def _joined(parts: Iterable[Rewritten]) -> str:
    return ", ".join(part.text for part in parts)
