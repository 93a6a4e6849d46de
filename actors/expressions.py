"""CEL expressions (https://cel.dev), compiled once and evaluated within a bound of cost. Pure; the one user of `cel`.

An expression sees the variables it is given, and no time, randomness or I/O. The library has no bound of its own and
copies each variable that an expression names, so the cost is told before: from the size of what is handed over, and
from how deep the expression's comprehensions (`map`, `filter`, `all`, `exists`, `exists_one`) are nested. Figures:
measured on one core with common-expression-language 0.10, rounded up.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    import cel

MOST_CHARS: Final = 2_000
MOST_BRACKETS: Final = 32  # in each other; the library's own bound differs by kind of bracket
MOST_NESTED: Final = 2  # comprehensions in each other
MOST_TEXT_BYTES: Final = 16 << 20  # that repeating all texts could make
MOST_DEPTH: Final = 64  # of a value in a value
NODE_US: Final = 3  # to copy one value
STEP_US: Final = 5  # of one comprehension
MACROS: Final = frozenset({"map", "filter", "all", "exists", "exists_one"})
FUNCTIONS: Final = frozenset(
    {
        "size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double", "bytes", "type",
        "timestamp", "duration", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfYear", "getDayOfWeek",
        "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    }
)  # fmt: skip
TYPES: Final = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})

_TOKEN = re.compile(
    r"""//[^\n]*
    |[rR](?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"]*"|'[^']*')
    |\"{3}(?:\\.|.)*?\"{3}|'{3}(?:\\.|.)*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'
    |[A-Za-z_]\w*|[^\s]""",
    re.VERBOSE | re.DOTALL,
)


class BadExpression(ValueError):
    """It cannot be compiled; the words say why."""


class Missing(Struct, frozen=True):
    """A field that the expression names is not there."""


class Failed(Struct, frozen=True):
    """It gave no value. `words` name nothing of the values."""

    words: str


class Size(Struct):
    """Of a value: how many values it has in it, its longest list or object, and all its texts."""

    nodes: int = 0
    longest: int = 0
    text_bytes: int = 0


class Budget:
    """What the expressions of one request may cost together, in microseconds as estimated."""

    __slots__ = ("left_us",)

    def __init__(self, left_us: int = 500_000) -> None:
        self.left_us = left_us

    def take(self, cost_us: int) -> bool:
        self.left_us -= cost_us
        return self.left_us >= 0


class Expression:
    """A compiled one."""

    __slots__ = ("_commas", "_program", "macros", "names", "nested", "text")

    def __init__(self, text: str, variables: Collection[str]) -> None:
        """Raises BadExpression: no CEL, an unknown name, too long, or too deep."""
        if len(text) > MOST_CHARS:
            raise BadExpression(f"is longer than {MOST_CHARS} characters")
        tokens = tokens_of(text)
        self.nested, bound = _comprehensions(tokens)
        self.macros = macros_in(tokens)
        self._commas = tokens.count(",")
        self._program = compile_cel(text)
        self.text = text
        told = self._program.references()
        self.names = frozenset(told["variables"]) - bound - TYPES
        _refuse_unknown(self.names, variables, "is no name here", f"there are {', '.join(variables)}")
        called = [name for name in told["functions"] if name.isidentifier()]
        _refuse_unknown(called, FUNCTIONS, "is no function", "contracts of CEL's standard functions hold")

    def evaluate(self, values: Mapping[str, Any], budget: Budget) -> Any | Missing | Failed:
        """The value, as JSON has it: amounts as decimals of 15 digits, times as RFC 3339."""
        given = {name: plain(values.get(name)) for name in self.names}
        size = size_of(given)
        cost_us = self.cost_us(size) if size is not None else None
        if cost_us is None or not budget.take(cost_us):
            return Failed("too much for one request: give it less, such as `item` instead of `body`")
        return run(self._program, given, as_json)

    def cost_us(self, size: Size, macros: int | None = None) -> int | None:
        """To evaluate it on values of that size; None where it is past all bounds. `macros`: how many comprehensions
        there are in what is evaluated, where that is not its own text."""
        steps: int = max(size.longest, self._commas + 1) ** self.nested if self.nested else 1
        steps *= max((self.macros if macros is None else macros) - self.nested + 1, 1)  # those beside each other
        if size.text_bytes * steps * (self.text.count("+") + 1) > MOST_TEXT_BYTES * (1 if self.nested else 4):
            return None
        return size.nodes * NODE_US + steps * (STEP_US + size.nodes // 50)


def run(program: "cel.Program", given: Any, convert: Callable[[Any], Any] | None = None) -> Any | Missing | Failed:
    """What the program gives on a table of values, or on a context of the library's. `convert`: what is made of it."""
    try:
        found = program.execute(given)
        return found if convert is None else convert(found)
    except KeyError:
        return Missing()
    except Exception as error:  # noqa: BLE001  the library's errors have no common class; their texts quote values
        return Failed(f"failed: {_kind(error)}")
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of the library's Rust, which no class of Python's stands for
            raise
        return Failed("failed: a fault of the CEL library")


def compile_cel(text: str) -> "cel.Program":
    import cel  # half a second, and only where there is an expression

    try:
        return cel.compile(text)
    except Exception as error:  # noqa: BLE001  ValueError today; whatever it is, the expression is wrong
        reason = str(error).partition("ERROR: ")[2].partition("\n")[0].removeprefix("<input>:")
        raise BadExpression(f"is no CEL: {reason[:200] or 'it cannot be parsed'}") from None


def macros_in(tokens: Sequence[str]) -> int:
    """How many comprehensions there are."""
    return sum(one in MACROS and then == "(" for one, then in pairwise(tokens))


def tokens_of(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(text) if not token.startswith("//")]


def _comprehensions(tokens: list[str]) -> tuple[int, set[str]]:
    """How deep they are nested, and the names they bind. Raises BadExpression where anything is nested too deep."""
    stack: list[bool] = []
    deepest, bound = 0, set[str]()
    for index, token in enumerate(tokens):
        if token in ("(", "[", "{"):
            is_macro = token == "(" and index >= 2 and tokens[index - 1] in MACROS and tokens[index - 2] == "."
            if is_macro and index + 1 < len(tokens):
                bound.add(tokens[index + 1])
            stack.append(is_macro)
            deepest = max(deepest, sum(stack))
        elif token in (")", "]", "}") and stack:
            stack.pop()
        if len(stack) > MOST_BRACKETS:
            raise BadExpression(f"has more than {MOST_BRACKETS} brackets in each other")
    if deepest > MOST_NESTED:
        raise BadExpression(f"nests more than {MOST_NESTED} comprehensions (map, filter, …)")
    return deepest, bound


def _refuse_unknown(names: Collection[str], known: Collection[str], words: str, hint: str) -> None:
    unknown = sorted(name for name in names if name not in known)
    if unknown:
        raise BadExpression(f"{unknown[0]!r} {words}; {hint}")


def size_of(given: Mapping[str, Any]) -> Size | None:
    """Of all that is handed over; None where it is nested too deep."""
    found, level = Size(), list(given.values())
    for _ in range(MOST_DEPTH):
        if not level:
            return found
        found.nodes += len(level)
        found.text_bytes += sum(len(one) for one in level if isinstance(one, str))
        inner = [one for one in level if isinstance(one, dict | list)]
        found.longest = max([found.longest, *map(len, inner)])
        level = [value for one in inner for value in (one.values() if isinstance(one, dict) else one)]
    return None


def plain(value: Any) -> Any:
    """A JSON value as CEL takes it: amounts as doubles, whole numbers within 64 bits."""
    match value:
        case bool() | str() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else float(min(max(value, -(10**308)), 10**308))
        case Decimal():
            return float(value)
        case dict():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
    return str(value)


def as_json(value: Any) -> Any:
    """A result as JSON has it. Raises TypeError for what JSON has not."""
    match value:
        case bool() | str() | int() | None:
            return value
        case float():
            return Decimal(format(value, ".15g"))  # all that a double surely holds: 0.1 + 0.2 is 0.3
        case datetime():
            return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).isoformat()
        case list():
            return [as_json(inner) for inner in value]
        case dict():
            return {str(name): as_json(inner) for name, inner in value.items()}
    raise TypeError("no value that JSON has")


def _kind(error: Exception) -> str:
    return next((words for kind, words in _kinds() if isinstance(error, kind)), "it gives no value here")


def _kinds() -> Iterator[tuple[type[Exception], str]]:
    yield ZeroDivisionError, "a division by zero"
    yield OverflowError, "a number is too large"
    yield TypeError, "the values are of other types than it takes"
    yield ValueError, "a value cannot be converted"
    yield IndexError, "a list is shorter than it takes"
