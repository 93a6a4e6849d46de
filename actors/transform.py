"""An event as its route wants it: the steps of a transformation on a copy (contracts/routing.md, section 4.4). Pure.

Compiled once for a route. A step that fails ends it, and the event does not go out by this route: nothing is sent half
changed. The result is checked as a canonical event is, and for what no transformation may do: another id, source, site,
consent or time of arrival, another digest, a later time, a value in another currency than its own.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.canonical import fault_of
from actors.event import Event
from actors.expressions import BadExpression, Budget, Failed, Missing
from actors.facts import Facts, Handed, Names
from actors.filters import Filter, Value
from actors.paths import DIGEST_SETS, BadPath, Path, read_path
from actors.routes import AnyStep, DropIf, EventName, Hash, Keep, Map, Problem, Remove, Rename, Set
from actors.steps import BadStep, Tree, Unfit, keep, map_each, read_target, remove, rename, sha256_of, write

FIXED: Final = ("site", "event_id", "received_at_ms", "source", "consent")


class Dropped(Struct, frozen=True):
    """`drop_if` was true: there is no delivery."""


class Unmade(Struct, frozen=True):
    """The transformation failed. `words` name the step and the field, no value."""

    words: str


Outcome = Event | Dropped | Unmade
Apply = Callable[[Tree, Facts, Budget], None]


class _Drop(Exception):
    """`drop_if` was true."""


class Transformation:
    """The steps of one route. `problems`: what is wrong with them, by the field of the route."""

    __slots__ = ("_asked", "_steps", "problems")

    def __init__(self, steps: Sequence[AnyStep]) -> None:
        self.problems: list[Problem] = []
        self._asked: list[Names] = []
        self._steps: list[tuple[str, Apply]] = []
        for index, step in enumerate(steps):
            self._add(f"transform[{index}]", step)
        self.problems += _money_problems(steps)

    def apply(self, event: Event, facts: Facts, budget: Budget, max_age_s: int | None = None) -> Outcome:
        """`max_age_s`: how old an event the platform takes; an event is not made older than that."""
        if self.problems:
            return Unmade("the transformation cannot be compiled")
        tree = _tree_of(event)
        for place, step in self._steps:
            try:
                step(tree, facts, budget)
            except _Drop:
                return Dropped()
            except Unfit as error:
                return Unmade(f"{place}: {error}")
        return _checked(event, tree, max_age_s)

    def variables(self) -> Iterator[str]:
        """Of which its expressions read something."""
        return (named.path[0] for names in self._asked for named in names)

    def _add(self, place: str, step: AnyStep) -> None:
        try:
            names = Names()
            self._steps.append((place, _compiled(step, names)))
            self._asked.append(names)
        except (BadExpression, BadStep) as error:
            field = "expression" if isinstance(error, BadExpression) else error.args[1]
            self.problems.append((f"{place}.{field}", str(error.args[0])))


# --- compiling ---


def _compiled(step: AnyStep, names: Names) -> Apply:
    """Raises BadExpression, BadStep."""
    match step:
        case Set(path=path, expression=text):
            return _setting(path, text, names)
        case Remove(path=path):
            gone = read_target(path, "path", is_removed=True)
            return lambda tree, facts, budget: remove(tree, gone)
        case Keep(paths=paths):
            kept = [read_target(path, f"paths[{index}]", is_removed=True) for index, path in enumerate(paths)]
            if any(one[0] not in ("custom_data", "user_data") for one in kept):
                raise BadStep("keeps fields of custom_data and user_data only", "paths")
            return lambda tree, facts, budget: keep(tree, kept)
        case Rename(path=path, to=to):
            old, new = _renamed(path, to)
            return lambda tree, facts, budget: rename(tree, old, new)
        case EventName(name=name):
            return lambda tree, facts, budget: tree.update(event_name=name.strip())
        case Map(path=path, table=table, otherwise=otherwise):
            looked_up = read_target(path, "path")
            return lambda tree, facts, budget: map_each(tree, looked_up, lambda value: _mapped(value, table, otherwise))
        case Hash(path=path):
            hashed = read_target(path, "path", is_hashed=True)
            return lambda tree, facts, budget: map_each(tree, hashed, sha256_of)
        case DropIf(expression=text):
            return _dropping(text, names)


def _renamed(path: str, to: str) -> tuple[Path, Path]:
    """Raises BadStep."""
    old, new = read_target(path, "path"), read_target(to, "to")
    if ("action_source",) in (old, new):
        raise BadStep("action_source cannot be renamed; set it", "path")
    if old.count("[]") != new.count("[]") or ("[]" in old and old[:-1] != new[:-1]):
        raise BadStep("is not in the same list; rename within each item, as items[].id to items[].variant", "to")
    return old, new


def _setting(path: str, text: str, names: Names) -> Apply:
    target = read_target(path, "path", is_set=True)
    value = Value(text, names)

    def apply(tree: Tree, facts: Facts, budget: Budget) -> None:
        found = value.evaluate(Handed(names, msgspec.structs.replace(facts, event=tree)), budget)
        if isinstance(found, Missing):
            raise Unfit("a field that the expression names is not there; ask has(…) ? … : … first")
        if isinstance(found, Failed):
            raise Unfit(found.words)
        write(tree, target, found)

    return apply


def _dropping(text: str, names: Names) -> Apply:
    condition = Filter(text, names)

    def apply(tree: Tree, facts: Facts, budget: Budget) -> None:
        found = condition.evaluate(Handed(names, msgspec.structs.replace(facts, event=tree)), budget)
        if isinstance(found, Failed):
            raise Unfit(found.words)
        if found:
            raise _Drop

    return apply


def _mapped(value: Any, table: dict[str, Any], otherwise: Any) -> Any:
    key = str(value).lower() if isinstance(value, bool) else str(value)
    if key in table:
        return table[key]
    return value if otherwise is msgspec.UNSET else otherwise


def _money_problems(steps: Sequence[AnyStep]) -> list[Problem]:
    """Who changes `value` says of `currency` what it becomes, and the other way round."""
    touched: dict[str, int] = {}
    for index, step in enumerate(steps):
        paths = {_canonical(getattr(step, name, "")) for name in ("path", "to")}
        touched |= {name: index for name in _MONEY if ("custom_data", name) in paths}
        if isinstance(step, Keep):
            kept = {_canonical(path) for path in step.paths}
            if len([name for name in _MONEY if ("custom_data", name) in kept]) == 1:
                return [(f"transform[{index}].paths", _TOGETHER)]
    if len(touched) != 1:
        return []
    (index,) = touched.values()
    return [(f"transform[{index}].path", _TOGETHER)]


def _canonical(text: str) -> Path:
    try:
        return read_path(text)
    except BadPath:
        return ()


_MONEY: Final = ("value", "currency")
_TOGETHER: Final = (
    "value and currency change together or not at all; where the currency stays, say so: "
    'set custom_data.currency with the expression "event.custom_data.currency"'
)


# --- the copy ---


def _tree_of(event: Event) -> Tree:
    """The event as tables that the steps change. Sealed plaintext is not among them."""
    tree: Tree = msgspec.to_builtins(event, builtin_types=(Decimal, bytes))
    tree["action_source"] = event.action_source
    for group in ("user_data", "custom_data", "page"):
        tree.setdefault(group, {})
    tree["user_data"].pop("sealed", None)
    return tree


def _checked(before: Event, tree: Tree, max_age_s: int | None) -> Event | Unmade:
    try:
        after = msgspec.convert(tree, Event)
    except msgspec.ValidationError as error:
        return Unmade(f"the result is no event: {_without_values(str(error))}")
    if before.user_data.sealed is not None:
        user_data = msgspec.structs.replace(after.user_data, sealed=before.user_data.sealed)
        after = msgspec.structs.replace(after, user_data=user_data)
    words = fault_of(after) or _forbidden(before, after, max_age_s)
    return Unmade(f"the result is no event: {words}") if words is not None else after


def _forbidden(before: Event, after: Event, max_age_s: int | None) -> str | None:
    """What no transformation may do."""
    for name in FIXED:
        if getattr(before, name) != getattr(after, name):
            return f"{name} was changed"
    for name in DIGEST_SETS:
        if getattr(after.user_data, name) not in (None, getattr(before.user_data, name)):
            return f"user_data.{name} became another digest"
    if after.occurred_at_ms > before.occurred_at_ms:
        return "occurred_at may be set only backwards"
    is_older = after.occurred_at_ms < before.occurred_at_ms
    if is_older and max_age_s is not None and before.received_at_ms - after.occurred_at_ms > max_age_s * 1_000:
        return f"occurred_at is older than the {max_age_s} s that the platform takes"
    is_told = [_has_money(event) for event in (before, after)]
    if is_told[0] != is_told[1] and len(set(is_told[1])) > 1:
        return "value and currency change together or not at all"
    return None


def _has_money(event: Event) -> tuple[bool, bool]:
    return event.custom_data.value is not None, event.custom_data.currency is not None


def _without_values(text: str) -> str:
    """msgspec's words: a type, a rule and a place. Of a text that fits no choice they quote it."""
    words, _, place = text.partition(" - at `$.")
    head = "a value that is none of the choices" if words.startswith("Invalid") else words
    return f"{place.rstrip('`') or 'event'}: {head}"
