"""CEL's grammar (https://github.com/google/cel-spec, langdef.md): a text to the tree of what it says. Pure.

Only for texts that the library compiled already, so a text that is no CEL is not told well here. The library tells
nothing of its own tree; what is asked of a filter's parts (actors/filters.py) is asked of this one. Every node keeps
its place in the text.
"""

import re
from typing import Final

import msgspec
from msgspec import Struct

RELATIONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
SUMS: Final = frozenset({"+", "-"})
PRODUCTS: Final = frozenset({"*", "/", "%"})
WORDS: Final = frozenset({"true", "false", "null"})

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[bB]?[rR][bB]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"]*"|'[^']*')
        |[bB]?(?:\"{3}(?:\\.|.)*?\"{3}|'{3}(?:\\.|.)*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|\d*\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)


class Unread(ValueError):
    """The text has a form that is not read; the words say where."""


class Node(Struct, frozen=True, kw_only=True):
    start: int
    end: int


class Literal(Node, frozen=True, kw_only=True):
    """A number, text, `true`, `false` or `null`, as it is written."""

    text: str
    is_text: bool = False


class Name(Node, frozen=True, kw_only=True):
    name: str


class Select(Node, frozen=True, kw_only=True):
    of: Node
    field: str


class Index(Node, frozen=True, kw_only=True):
    of: Node
    index: Node


class Call(Node, frozen=True, kw_only=True):
    """A function's call, or a method's where `of` is there."""

    name: str
    args: tuple[Node, ...]
    of: Node | None = None


class Sign(Node, frozen=True, kw_only=True):
    """`!` or `-` before a value."""

    sign: str
    of: Node


class Binary(Node, frozen=True, kw_only=True):
    """Arithmetic or a relation."""

    sign: str
    left: Node
    right: Node


class Chain(Node, frozen=True, kw_only=True):
    """Two or more parts, all joined by `&&` or all by `||`."""

    sign: str
    parts: tuple[Node, ...]


class Choice(Node, frozen=True, kw_only=True):
    """`when ? then : otherwise`."""

    when: Node
    then: Node
    otherwise: Node


class Listed(Node, frozen=True, kw_only=True):
    parts: tuple[Node, ...]


class Mapped(Node, frozen=True, kw_only=True):
    keys: tuple[Node, ...]
    values: tuple[Node, ...]


class Token(Struct, frozen=True):
    kind: str
    text: str
    start: int
    end: int


def parse(text: str) -> Node:
    """Raises Unread."""
    parser = _Parser(_tokens(text))
    try:
        found = parser.expression()
    except RecursionError:
        raise Unread("is nested too deep") from None
    if parser.next.kind != "end":
        raise Unread(f"1:{parser.next.start + 1}: {parser.next.text!r} is not expected there")
    return found


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Unread(f"1:{place + 1}: {text[place]!r} is not expected there")
        place = match.end()
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup or "", match.group(), match.start(), place))
    return [*tokens, Token("end", "", place, place)]


class _Parser:
    """Recursive descent, one method a level of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._place]

    def expression(self) -> Node:
        when = self._chain("||")
        if not self._is("?"):
            return when
        self._take("?")
        then = self._chain("||")
        self._take(":")
        otherwise = self.expression()
        return Choice(start=when.start, end=otherwise.end, when=when, then=then, otherwise=otherwise)

    def _chain(self, sign: str) -> Node:
        parts = [self._part(sign)]
        while self._is(sign):
            self._take(sign)
            parts.append(self._part(sign))
        if len(parts) == 1:
            return parts[0]
        return Chain(start=parts[0].start, end=parts[-1].end, sign=sign, parts=tuple(parts))

    def _part(self, sign: str) -> Node:
        return self._chain("&&") if sign == "||" else self._binary(0)

    def _binary(self, level: int) -> Node:
        levels = (RELATIONS, SUMS, PRODUCTS)
        if level == len(levels):
            return self._signed()
        left = self._binary(level + 1)
        while self.next.text in levels[level] and self.next.kind in ("sign", "name"):
            sign = self._take(self.next.text).text
            right = self._binary(level + 1)
            left = Binary(start=left.start, end=right.end, sign=sign, left=left, right=right)
        return left

    def _signed(self) -> Node:
        if not (self._is("!") or self._is("-")):
            return self._member()
        token = self._take(self.next.text)
        of = self._signed()
        return Sign(start=token.start, end=of.end, sign=token.text, of=of)

    def _member(self) -> Node:
        found = self._primary()
        while self._is(".") or self._is("["):
            if self._take(self.next.text).text == "[":
                index = self.expression()
                found = Index(start=found.start, end=self._take("]").end, of=found, index=index)
                continue
            field = self._name()
            if self._is("("):
                args, end = self._args(")")
                found = Call(start=found.start, end=end, name=field.text, args=args, of=found)
            else:
                found = Select(start=found.start, end=field.end, of=found, field=field.text)
        return found

    def _primary(self) -> Node:
        token = self.next
        if token.kind in ("text", "number") or token.text in WORDS:
            self._place += 1
            return Literal(start=token.start, end=token.end, text=token.text, is_text=token.kind == "text")
        if token.kind == "name":
            return self._named()
        match token.text:
            case "(":
                self._take("(")
                inner = self.expression()
                end = self._take(")").end
                return msgspec.structs.replace(inner, start=token.start, end=end)
            case "[":
                parts, end = self._args("]")
                return Listed(start=token.start, end=end, parts=parts)
            case "{":
                return self._mapped()
        raise Unread(f"1:{token.start + 1}: {token.text or 'the end'!r} is not expected there")

    def _named(self) -> Node:
        token = self._name()
        if self._is("{"):
            raise Unread(f"1:{token.start + 1}: {token.text!r} makes an object; there are none here")
        if not self._is("("):
            return Name(start=token.start, end=token.end, name=token.text)
        args, end = self._args(")")
        return Call(start=token.start, end=end, name=token.text, args=args)

    def _args(self, closing: str) -> tuple[tuple[Node, ...], int]:
        """What stands between brackets, and where they end."""
        self._take(self.next.text)
        parts: list[Node] = []
        while not self._is(closing):
            parts.append(self.expression())
            if not self._is(closing):
                self._take(",")
        return tuple(parts), self._take(closing).end

    def _mapped(self) -> Node:
        start = self._take("{").start
        keys: list[Node] = []
        values: list[Node] = []
        while not self._is("}"):
            keys.append(self.expression())
            self._take(":")
            values.append(self.expression())
            if not self._is("}"):
                self._take(",")
        return Mapped(start=start, end=self._take("}").end, keys=tuple(keys), values=tuple(values))

    def _name(self) -> Token:
        if self.next.kind != "name":
            raise Unread(f"1:{self.next.start + 1}: a name is expected there")
        self._place += 1
        return self._tokens[self._place - 1]

    def _is(self, text: str) -> bool:
        return self.next.text == text and self.next.kind in ("sign", "end")

    def _take(self, text: str) -> Token:
        token = self.next
        if token.text != text or token.kind == "end":
            raise Unread(f"1:{token.start + 1}: {text!r} is expected there")
        self._place += 1
        return token
