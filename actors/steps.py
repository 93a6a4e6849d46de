"""What a transformation's steps do to the tables of an event's copy: set, remove, keep, rename, look up, hash.

A table has the shape of the event's record. `[]` in a path stands for every element of a list.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from actors.paths import DIGEST_SETS, GROUPS, BadPath, Path, read_path, shown

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
COUNTS: Final = frozenset({"num_items", "quantity"})
CHANGEABLE: Final = frozenset({"page", "user_data", "custom_data", "action_source", "occurred_at"})

Tree = dict[str, Any]


class BadStep(ValueError):
    """A step that may not be: what would be right, and which of its fields."""


class Unfit(Exception):
    """A step cannot be done on this event; the words name no value."""


def read_target(
    text: str, field: str, *, is_set: bool = False, is_removed: bool = False, is_hashed: bool = False
) -> Path:
    """The path that a step changes. Raises BadStep where it may not."""
    try:
        path = read_path(text)
    except BadPath as error:
        raise BadStep(str(error), field) from None
    head = path[0].removesuffix("_ms")
    if head == "event_name":
        raise BadStep('the name has a step of its own: step = "event_name"', field)
    if head not in CHANGEABLE:
        raise BadStep(f"{shown(path)} is never changed; give a field of {', '.join(sorted(CHANGEABLE))}", field)
    if head == "occurred_at" and not is_set:
        raise BadStep("occurred_at can only be set", field)
    if len(path) == 1 and head in GROUPS:
        raise BadStep(f"{head} is a group; give a field of it, as '{head}.{GROUPS[head][0]}'", field)
    if path[0] == "user_data" and path[1] in DIGEST_SETS and not (len(path) == 2 and (is_removed or is_hashed)):
        raise BadStep(f"user_data.{path[1]} is kept as digests, which are never changed; it can be removed", field)
    if path[0] == "action_source" and is_removed:
        raise BadStep("action_source cannot be removed", field)
    return path


def write(tree: Tree, path: Path, value: Any) -> None:
    """Puts the value there; None takes it away. Tables on the way are made, elements of lists are not."""
    if path[0].startswith("occurred_at"):
        tree["occurred_at_ms"] = _milliseconds(value)
        return
    name = path[-1]
    for table in _tables(tree, path[:-1], is_made=value is not None):
        if name == "[]":
            raise Unfit(f"{shown(path)}: give the list itself, without []")
        if value is None:
            table.pop(name, None)
        else:
            table[name] = _fitting(name, value, is_own="properties" in path[1:2])


def remove(tree: Tree, path: Path) -> None:
    if path[-1] == "[]":
        path = path[:-1]
    for table in _tables(tree, path[:-1]):
        table.pop(path[-1], None)


def keep(tree: Tree, paths: Sequence[Path]) -> None:
    """Of each group that is named, only what is named."""
    wanted: dict[str, Any] = {}
    for path in paths:
        level = wanted
        for name in path:
            level = level.setdefault(name, {})
    for group, inner in wanted.items():
        tree[group] = _pruned(tree.get(group, {}), inner)


def rename(tree: Tree, old: Path, new: Path) -> None:
    """Moves the value; nothing where there is none."""
    if "[]" in old:
        for table in _tables(tree, old[:-1]):
            if old[-1] in table:
                table[new[-1]] = table.pop(old[-1])
        return
    for table in _tables(tree, old[:-1]):
        if old[-1] in table:
            value = table.pop(old[-1])
            write(tree, new, value)


def map_each(tree: Tree, path: Path, change: Callable[[Any], Any]) -> None:
    """Each value at the path becomes what `change` makes of it; None takes it away."""
    is_own = "properties" in path[1:2]
    if path[-1] == "[]":
        for table in _tables(tree, path[:-2]):
            found = [change(one) for one in table.get(path[-2]) or ()]
            table[path[-2]] = [one for one in found if one is not None]
        return
    for table in _tables(tree, path[:-1]):
        if table.get(path[-1]) is None:
            continue
        value = change(table[path[-1]])
        if value is None:
            del table[path[-1]]
        else:
            table[path[-1]] = _fitting(path[-1], value, is_own=is_own)


def sha256_of(value: Any) -> Any:
    """A digest of the trimmed text. Digests, and the sets of them, stay as they are."""
    if isinstance(value, dict) and "sha256" in value:
        return value
    if isinstance(value, bool | dict | list | tuple):
        raise Unfit("only text and numbers are hashed; give a path to one")
    text = str(value).strip()
    return text if DIGEST.fullmatch(text) else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _tables(tree: Tree, path: Path, *, is_made: bool = False) -> Iterator[Tree]:
    """The tables that the path leads to: several below `[]`, none where one on the way is missing."""
    level: list[Any] = [tree]
    for index, name in enumerate(path):
        if name == "[]":
            level = [inner for one in level if isinstance(one, list) for inner in one]
            continue
        is_list = path[index + 1 : index + 2] == ("[]",)
        found = []
        for table in level:
            if not isinstance(table, dict):
                continue
            inner = _opened(table, name, is_made=is_made and not is_list)
            found += [inner] if inner is not None else []
        level = found
    yield from (one for one in level if isinstance(one, dict))


def _opened(table: Tree, name: str, *, is_made: bool) -> Any:
    """What is below the name, as something that can be changed: the copy shares nothing with the event."""
    inner = table.get(name)
    if inner is None:
        if not is_made:
            return None
        inner = table[name] = {}
    elif isinstance(inner, list | tuple):
        inner = table[name] = [dict(one) if isinstance(one, dict) else one for one in inner]
    elif isinstance(inner, dict):
        inner = table[name] = dict(inner)
    elif is_made:
        raise Unfit(f"{name} holds a single value, nothing can be put below it")
    return inner


def _pruned(value: Any, wanted: dict[str, Any]) -> Any:
    if not wanted:
        return value
    if isinstance(value, dict):
        return {name: _pruned(value[name], inner) for name, inner in wanted.items() if name in value}
    if isinstance(value, list | tuple):
        return [_pruned(one, wanted["[]"]) for one in value] if "[]" in wanted else list(value)
    return value


def _fitting(name: str, value: Any, *, is_own: bool) -> Any:
    """Amounts stay decimals; counts and custom properties are numbers as JSON has them."""
    if isinstance(value, list):
        return [_fitting(name, one, is_own=is_own) for one in value]
    if isinstance(value, dict):
        return {key: _fitting(key, one, is_own=is_own) for key, one in value.items() if one is not None}
    if isinstance(value, Decimal) and (is_own or name in COUNTS):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not is_own:
        return Decimal(repr(value))
    return value


def _milliseconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Unfit("occurred_at takes a time, as timestamp(…) or RFC 3339, or Unix milliseconds") from None
    if at.tzinfo is None:
        raise Unfit("occurred_at takes a time with its offset from UTC")
    return round(at.timestamp() * 1_000)
