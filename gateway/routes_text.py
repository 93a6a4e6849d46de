"""Routes as text: the TOML or JSON that people write of a draft, and back.

A document has `[[routes]]` tables, each with the settings of `[[sites.routes]]`; JSON may also be the bare list.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.errors import SettingsError

Table = dict[str, Any]

ROUTES_BYTES: Final = 60_000  # of a site's routes as JSON: a request of the API has room for them
ROUTES_MOST: Final = 200
DEPTH: Final = 8  # of tables and lists in each other
TEXT_BYTES: Final = 4 * ROUTES_BYTES

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_IS_JSON: Final = re.compile(rb"\s*(\{|\[\s*[{\]])")


def read_text(text: bytes) -> list[Table]:
    """The routes of a document, in TOML or JSON. Raises SettingsError with the place and the reason."""
    if len(text) > TEXT_BYTES:
        raise SettingsError(
            [("", f"the text has more than {TEXT_BYTES} bytes; a site has {ROUTES_BYTES} bytes of routes")]
        )
    try:
        found: Any = msgspec.json.decode(text) if _IS_JSON.match(text) else msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError([("", f"is neither TOML nor JSON: {error}")]) from None
    if isinstance(found, dict):
        if wrong := [name for name in found if name != "routes"]:
            raise SettingsError([(wrong[0], "there is no such setting here; give [[routes]] tables")])
        found = found.get("routes", [])
    return read_tables(found)


def read_tables(value: object) -> list[Table]:
    """The tables of a list of routes, of bounded size. Raises SettingsError."""
    if not isinstance(value, list):
        raise SettingsError([("routes", "is no list; give a list of tables, one for each route")])
    if len(value) > ROUTES_MOST:
        raise SettingsError([("routes", f"there are {len(value)}; give at most {ROUTES_MOST}")])
    faults = [
        (f"routes[{index}]", "is no table; give one") for index, one in enumerate(value) if not isinstance(one, dict)
    ]
    faults += [fault for index, one in enumerate(value) for fault in _unstorable(one, f"routes[{index}]", DEPTH)]
    if faults:
        raise SettingsError(faults)
    if (size := len(encoded(value))) > ROUTES_BYTES:
        raise SettingsError([("routes", f"have {size} bytes as JSON; give at most {ROUTES_BYTES}")])
    return value


def _unstorable(value: object, path: str, depth: int) -> list[tuple[str, str]]:
    """What JSON cannot hold, or nobody should have to walk through."""
    if depth < 0:
        return [(path, f"is nested deeper than {DEPTH} levels; give fewer")]
    match value:
        case dict():
            return [fault for name, one in value.items() for fault in _unstorable(one, f"{path}.{name}", depth - 1)]
        case list():
            parts = enumerate(value)
            return [fault for index, one in parts for fault in _unstorable(one, f"{path}[{index}]", depth - 1)]
        case bool() | int():
            return []
        case float():
            return [] if math.isfinite(value) else [(path, f"is {value}; give a finite number")]
        case str():
            return [] if _is_text(value) else [(path, "holds what is no text in UTF-8")]
        case None:
            return [(path, "is null; leave it out")]
    return [(path, "is a date or time; give a text")]


def _is_text(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)


def encoded(routes: Sequence[Table]) -> bytes:
    """As they are stored: one text for one content."""
    return msgspec.json.encode(routes)


def decoded(raw: bytes) -> list[Table]:
    return msgspec.json.decode(raw, type=list[Table])


def as_toml(routes: Sequence[Table]) -> str:
    """What `read_text` reads back."""
    return "\n".join(_table(one) for one in routes)


def _table(route: Mapping[str, Any]) -> str:
    lines = [f"{_key(name)} = {_block(value)}" for name, value in route.items()]
    return "\n".join(["[[routes]]", *lines, ""])


def _block(value: object) -> str:
    """A list of tables has a line for each: steps of a transformation are read one by one."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return "\n".join(["[", *(f"  {_inline(one)}," for one in value), "]"])
    return _inline(value)


def _inline(value: object) -> str:
    match value:
        case dict():
            return (
                "{ " + ", ".join(f"{_key(name)} = {_inline(one)}" for name, one in value.items()) + " }"
                if value
                else "{}"
            )
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case float():
            return repr(value)
        case str() if '"' in value and "'" not in value and value.isprintable():
            return f"'{value}'"  # as people write expressions
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _inline(name)
