"""The fields of an event by their paths, as filters and transformations name them: `custom_data.items[].price`.

Fields are the canonical event's (actors/event.py). A name that is none of `custom_data`'s is a custom property, which
lies in `properties`: `canonical` puts it there. Identifiers that are kept as digests have no value of their own; they
are there or not, and their digests have names: `user_data.email.sha256`.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from actors.event import (
    Consent,
    CustomData,
    Digest,
    EmailDigests,
    Item,
    NameDigests,
    Page,
    PhoneDigests,
    UserData,
)

DIGEST_SETS: Final[Mapping[str, type[Struct]]] = MappingProxyType(
    {
        "email": EmailDigests, "phone": PhoneDigests, "first_name": NameDigests, "last_name": NameDigests,
        "street": Digest, "date_of_birth": Digest, "gender": Digest,
    }
)  # fmt: skip
SEALED: Final = frozenset({"sealed", "plain"})  # plaintext, which nothing but an adapter sees
GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "page": Page.__struct_fields__,
        "user_data": tuple(name for name in UserData.__struct_fields__ if name not in SEALED),
        "custom_data": CustomData.__struct_fields__,
        "consent": Consent.__struct_fields__,
    }
)
SCALARS: Final = (
    "site", "event_name", "event_id", "source", "action_source", "occurred_at", "received_at", "occurred_at_ms",
    "received_at_ms", "marks",
)  # fmt: skip
LISTS: Final = frozenset({"items", "product_ids"})
ITEM_FIELDS: Final = Item.__struct_fields__
MOST_DEPTH: Final = 8

Path = tuple[str, ...]  # of names from the event on; "[]" stands for every element of a list


class BadPath(ValueError):
    """It names no field; the words say what would be right."""


def read_path(text: str) -> Path:
    """A path as it is written: `custom_data.items[].price`, or `items[].price` for short. Raises BadPath."""
    names: list[str] = []
    for part in text.strip().split("."):
        name, bracket, rest = part.partition("[")
        names += [name, "[]"] if bracket and rest == "]" else [part]
    if names[:2] == ["items", "[]"]:
        names = ["custom_data", *names]
    if not all(names) or any("[" in name or "]" in name for name in names if name != "[]"):
        raise BadPath(f"{text!r} is no path; give names with dots between, as 'custom_data.value' or 'items[].price'")
    return canonical(names)


def canonical(names: Sequence[str]) -> Path:
    """The path with `properties` before the name of a custom property. Raises BadPath where there is no such field."""
    if len(names) > MOST_DEPTH:
        raise BadPath(f"{'.'.join(names)} is deeper than {MOST_DEPTH} names")
    head, *rest = names
    if head in SCALARS:
        return _ended((head,), rest)
    if head not in GROUPS:
        raise BadPath(f"there is no field {head!r}; {_nearest(head, (*SCALARS, *GROUPS))}")
    if not rest:
        return (head,)
    if head == "custom_data":
        return _custom(rest)
    name, *inner = rest
    if name not in GROUPS[head]:
        raise BadPath(f"there is no field '{head}.{name}'; {_nearest(name, GROUPS[head])}")
    if head == "user_data" and name in DIGEST_SETS and inner:
        return _digest(name, inner)
    return _ended((head, name), inner)


def _custom(rest: Sequence[str]) -> Path:
    name, *inner = rest
    if name == "[]":
        raise BadPath("custom_data is no list")
    if name == "properties":
        return _custom(inner) if inner and inner[0] != "properties" else ("custom_data", *rest)
    if name not in GROUPS["custom_data"]:
        return ("custom_data", "properties", *rest)
    if name == "items" and inner[:1] == ["[]"] and len(inner) == 2:
        if inner[1] not in ITEM_FIELDS:
            raise BadPath(f"an item has no field {inner[1]!r}; {_nearest(inner[1], ITEM_FIELDS)}")
        return ("custom_data", *rest)
    if name in LISTS and inner == ["[]"]:
        return ("custom_data", *rest)
    return _ended(("custom_data", name), inner)


def _digest(name: str, inner: Sequence[str]) -> Path:
    forms = DIGEST_SETS[name].__struct_fields__
    if inner[0] not in forms:
        raise BadPath(f"user_data.{name} has no form {inner[0]!r}; {_nearest(inner[0], forms)}")
    return _ended(("user_data", name, inner[0]), inner[1:])


def _ended(path: Path, rest: Sequence[str]) -> Path:
    if rest:
        raise BadPath(f"{'.'.join(path)} holds no {'.'.join(rest)!r}: it is a single value")
    return path


def shown(path: Path) -> str:
    """As it is written."""
    names = [name for index, name in enumerate(path) if not (name == "properties" and index == 1)] or list(path)
    return ".".join(names).replace(".[]", "[]")


def is_digest_set(path: Path) -> bool:
    return len(path) == 2 and path[0] == "user_data" and path[1] in DIGEST_SETS


def look(value: Any, names: Iterable[str]) -> Any:
    """What is at the path in a record, or in a table of the same shape; None where nothing is."""
    for name in names:
        if value is None:
            return None
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, Struct):
            value = getattr(value, name, None)
        else:
            return None
    return value


def _nearest(word: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"give {near[0]!r}" if near else f"there are {', '.join(names)}"
