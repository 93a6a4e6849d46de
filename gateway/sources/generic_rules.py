"""The rules by which a payload becomes events, read from the configuration: `[[sites.sources.events]]`.

A rule names the event's fields and where each comes from: a path, a CEL expression, a header or a constant. What is
wrong in it is kept as faults, each with its place, so that all are told at once.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.event import Consent
from actors.expressions import BadExpression, Expression
from gateway.form import CustomForm, EventForm, ItemForm, PageForm, UserForm
from gateway.sources.generic_paths import Path, read_path

VARIABLES: Final = ("body", "item", "index", "headers")
GROUPS: Final[Mapping[str, type[Struct]]] = {
    "page": PageForm, "user_data": UserForm, "custom_data": CustomForm, "consent": Consent,
}  # fmt: skip
FIELDS: Final = tuple(name for name in EventForm.__struct_fields__ if name not in GROUPS)
ITEM_FIELDS: Final = ItemForm.__struct_fields__
WAYS: Final = ("path", "cel", "header", "const", "each")
MOST_RULES: Final = 100

Fault = tuple[str, str]  # place, what is wrong and what would be right


class Constant(Struct, frozen=True):
    value: Any


class Header(Struct, frozen=True):
    name: str


class Each(Struct, frozen=True):
    """A list of objects, one for each element."""

    path: Path
    fields: Mapping[str, "Leaf"]


class Leaf(Struct, frozen=True):
    """Where one value comes from. `default`: where there it is none."""

    origin: Path | Expression | Header | Constant | Each
    default: Any = None


class Rule(Struct, frozen=True):
    """`leaves`: by their place in the event, as ("user_data", "email")."""

    leaves: Mapping[tuple[str, ...], Leaf]
    when: Expression | None = None
    each: Path | None = None


class Rules:
    """The rules of one source, and what is wrong with them. As the table it was read from, to be compared and shown."""

    __slots__ = ("_table", "faults", "found")

    def __init__(self, table: object) -> None:
        """Raises ValueError where it is no list."""
        if not isinstance(table, list) or not table or len(table) > MOST_RULES:
            raise ValueError(f"is no list of rules; give 1 to {MOST_RULES}, each under [[sites.sources.events]]")
        self._table = table
        self.faults: list[Fault] = []
        self.found = tuple(self._read(table))

    def __repr__(self) -> str:
        return f"Rules({self._table!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self._table == other._table

    def __hash__(self) -> int:
        return hash(repr(self))

    def headers(self) -> frozenset[str]:
        """Those that the rules read by name."""
        leaves = [leaf for rule in self.found for leaf in rule.leaves.values()]
        return frozenset(leaf.origin.name for leaf in leaves if isinstance(leaf.origin, Header))

    def _read(self, table: list[Any]) -> Iterator[Rule]:
        for index, one in enumerate(table):
            if isinstance(one, dict):
                yield _RuleReader(f"[{index}]", self.faults).rule(one)
            else:
                self.faults.append((f"[{index}]", "is no table"))


class _RuleReader:
    def __init__(self, place: str, faults: list[Fault]) -> None:
        self._place = place
        self._faults = faults

    def rule(self, table: dict[str, Any]) -> Rule:
        leaves: dict[tuple[str, ...], Leaf] = {}
        for name, value in table.items():
            if name in ("when", "each"):
                continue
            if name in GROUPS:
                leaves |= self._group(name, value)
            elif name in FIELDS:
                self._add(leaves, (name,), value)
            else:
                self._fault(
                    name, f"there is no such field; give one of {', '.join((*FIELDS, *GROUPS, 'when', 'each'))}"
                )
        if ("event_name",) not in leaves and "event_name" not in table:
            self._fault("event_name", "is missing; give a name such as 'lead_submitted', or where to find it")
        return Rule(leaves, self._expression(table.get("when"), "when"), self._path(table.get("each"), "each"))

    def _group(self, group: str, table: Any) -> dict[tuple[str, ...], Leaf]:
        leaves: dict[tuple[str, ...], Leaf] = {}
        if not isinstance(table, dict):
            self._fault(group, f"is no table; give its fields, as {group}.{GROUPS[group].__struct_fields__[0]} = '$.…'")
            return leaves
        for name, value in table.items():
            if group != "custom_data" and name not in GROUPS[group].__struct_fields__:
                self._fault(f"{group}.{name}", f"there is no such field; give one of {_listed(GROUPS[group])}")
            else:
                self._add(leaves, (group, name), value)
        return leaves

    def _add(self, leaves: dict[tuple[str, ...], Leaf], at: tuple[str, ...], value: Any) -> None:
        leaf = self._leaf(value, ".".join(at))
        if leaf is not None:
            leaves[at] = leaf

    def _leaf(self, value: Any, place: str) -> Leaf | None:
        """A text that begins with `$` or `@` is a path, any other value a constant, a table says which."""
        if isinstance(value, str) and value[:1] in ("$", "@"):
            path = self._path(value, place)
            return Leaf(path) if path is not None else None
        if not isinstance(value, dict):
            return Leaf(Constant(value))
        ways = [way for way in WAYS if way in value]
        unknown = [key for key in value if key not in (*WAYS, "default", "fields")]
        if len(ways) != 1 or unknown or ("fields" in value) != (ways == ["each"]):
            self._fault(
                place, "says not where it comes from; give one of path, cel, header, const, or each with fields"
            )
            return None
        origin = self._origin(ways[0], value, place)
        return Leaf(origin, value.get("default")) if origin is not None else None

    def _origin(
        self, way: str, table: dict[str, Any], place: str
    ) -> Path | Expression | Header | Constant | Each | None:
        given, where = table[way], f"{place}.{way}"
        match way:
            case "path":
                return self._path(given, where)
            case "cel":
                return self._expression(given, where)
            case "each":
                return self._each(given, table["fields"], place)
            case "header" if isinstance(given, str) and given:
                return Header(given.lower())
            case "const":
                return Constant(given)
        self._fault(where, "is no header's name")
        return None

    def _each(self, given: Any, fields: Any, place: str) -> Each | None:
        path = self._path(given, f"{place}.each")
        if not isinstance(fields, dict) or not fields:
            self._fault(f"{place}.fields", "is no table of fields; give one such as { id = '@.sku' }")
            return None
        if place == "custom_data.items" and (unknown := [name for name in fields if name not in ITEM_FIELDS]):
            self._fault(f"{place}.fields.{unknown[0]}", f"there is no such field; give one of {_listed(ItemForm)}")
        leaves = {name: self._leaf(value, f"{place}.fields.{name}") for name, value in fields.items()}
        found = {name: leaf for name, leaf in leaves.items() if leaf is not None}
        return Each(path, found) if path is not None else None

    def _path(self, text: Any, place: str) -> Path | None:
        if text is None:
            return None
        try:
            return read_path(text if isinstance(text, str) else "")
        except ValueError as error:
            self._fault(place, str(error))
            return None

    def _expression(self, text: Any, place: str) -> Expression | None:
        if text is None:
            return None
        try:
            return Expression(text if isinstance(text, str) else "", VARIABLES)
        except BadExpression as error:
            self._fault(place, f"{error}")
            return None

    def _fault(self, place: str, words: str) -> None:
        self._faults.append((f"{self._place}.{place}", words))


def _listed(kind: type[Struct]) -> str:
    return ", ".join(field.name for field in msgspec.structs.fields(kind))
