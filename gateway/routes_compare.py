"""What differs between two versions of a site's routes: route by route, setting by setting. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from gateway.routes_text import Table

SHOWN_CHARS: Final = 300
PLACE: Final = "place"  # among the others


class SettingChange(Struct, frozen=True, kw_only=True):
    """`path` as in `sample.rate` or `transform[2].set`; null: it is not there."""

    path: str
    before: Any
    after: Any


class RouteChange(Struct, frozen=True, kw_only=True):
    route: str
    what: Literal["added", "removed", "changed"]
    settings: tuple[SettingChange, ...]


def compare(before: Sequence[Table], after: Sequence[Table]) -> tuple[RouteChange, ...]:
    """From `before` to `after`, in the order of `after`, what is gone at the end."""
    old, new = _by_id(before), _by_id(after)
    moved = _moved([id for id in old if id in new], [id for id in new if id in old])
    found = [_change(id, old.get(id), one, moved.get(id, ())) for id, one in new.items()]
    found += [_change(id, one, None, ()) for id, one in old.items() if id not in new]
    return tuple(one for one in found if one.settings)


def compare_tables(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """Of any two tables, by the paths that differ."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [
        SettingChange(path=path, before=old.get(path), after=new.get(path))
        for path in dict.fromkeys((*old, *new))
        if old.get(path) != new.get(path)
    ]


def lines_of(changes: Sequence[RouteChange]) -> Iterator[str]:
    """For people: `+` what comes, `-` what goes, `~` what becomes another."""
    for change in changes:
        yield {"added": "+ route ", "removed": "- route ", "changed": "~ route "}[change.what] + change.route
        for one in change.settings:
            if one.before is not None:
                yield f"    - {one.path} = {_shown(one.before)}"
            if one.after is not None:
                yield f"    + {one.path} = {_shown(one.after)}"


def _change(id: str, before: Table | None, after: Table | None, place: Sequence[SettingChange]) -> RouteChange:
    settings = compare_tables(before or {}, after or {})
    what: Literal["added", "removed", "changed"] = (
        "added" if before is None else "removed" if after is None else "changed"
    )
    return RouteChange(route=id, what=what, settings=(*settings, *place))


def _by_id(routes: Sequence[Table]) -> dict[str, Table]:
    """One without an id, which no version that was published has, goes by its place."""
    return {str(one.get("id", f"[{index}]")): one for index, one in enumerate(routes)}


def _moved(old: Sequence[str], new: Sequence[str]) -> Mapping[str, tuple[SettingChange]]:
    """Places among the routes that both have: the order of the list decides where `order` says nothing."""
    return {
        id: (SettingChange(path=PLACE, before=old.index(id) + 1, after=place + 1),)
        for place, id in enumerate(new)
        if old[place] != id
    }


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Tables by their settings, lists of tables by their items; other lists as a whole."""
    for name, one in value.items():
        where = f"{path}.{name}" if path else name
        if isinstance(one, dict) and one:
            yield from _flat(one, where)
        elif isinstance(one, list) and one and all(isinstance(inner, dict) for inner in one):
            for index, inner in enumerate(one):
                yield from _flat(inner, f"{where}[{index}]")
        else:
            yield where, one


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
