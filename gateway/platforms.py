"""Which platforms can be connected, and the settings of each, as the adapters' own records have them.

A setting's description is the comment beside its field, so that nothing here can drift from the adapter.
"""

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType
from msgspec.inspect import CustomType, LiteralType, Metadata, Type, UnionType, type_info

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.secret import Secret
from gateway.config_reader import members

Kind = Literal["string", "integer", "number", "boolean", "array", "object"]

COMMENT: Final = re.compile(r"^    (\w+): [^#\n]*#\s*(.+)$", re.MULTILINE)
BODY: Final = re.compile(r".*\n(?:(?: .*)?\n)*")  # what is indented below the line that names the class
APART: Final = frozenset({"id"})  # named beside the settings, not among them
KINDS: Final[dict[str, Kind]] = {
    "IntType": "integer",
    "FloatType": "number",
    "DecimalType": "number",
    "BoolType": "boolean",
    "ListType": "array",
    "VarTupleType": "array",
    "TupleType": "array",
    "SetType": "array",
    "FrozenSetType": "array",
    "DictType": "object",
    "StructType": "object",
}


class Setting(Struct, frozen=True, kw_only=True):
    """One setting of a platform. `default` is absent where it is required."""

    name: str
    type: Kind
    required: bool
    secret: bool
    description: str = ""
    default: Any | UnsetType = msgspec.UNSET
    choices: tuple[str, ...] = ()  # empty: any value of the type


class Platform(Struct, frozen=True, kw_only=True):
    """A platform that can be connected: `type` of a destination."""

    type: str
    settings: tuple[Setting, ...]


@cache
def platforms() -> tuple[Platform, ...]:
    """All platforms, by name."""
    found = (Platform(type=str(kind.platform), settings=tuple(_settings(kind))) for kind in members(AnyDestination))
    return tuple(sorted(found, key=lambda one: one.type))


def descriptions(kind: type[Destination]) -> dict[str, str]:
    """What is said of each setting."""
    return {one.name: one.description for one in _settings(kind)}


def _settings(kind: type[Destination]) -> Iterator[Setting]:
    """Those that are needed first, then the platform's own, then those of all destinations."""
    comments = _comments(kind)
    common = {field.name for field in msgspec.structs.fields(Destination)}
    fields = sorted(msgspec.structs.fields(kind), key=lambda field: (not field.required, field.name in common))
    for field in fields:
        if field.name in APART:
            continue
        info, description, choices = _resolved(type_info(field.type))
        default = field.default if field.default is not NODEFAULT else _made(field.default_factory)
        yield Setting(
            name=field.name,
            type=KINDS.get(type(info).__name__, "string"),
            required=field.required,
            secret=_has_secret(info),
            description=comments.get(field.name) or description,
            default=msgspec.UNSET if field.required else msgspec.to_builtins(default, enc_hook=str),
            choices=choices,
        )


def _made(factory: Any) -> Any:
    return factory() if factory is not NODEFAULT else None


def _resolved(info: Type) -> tuple[Type, str, tuple[str, ...]]:
    """The type without None and what is said about it; its description; its choices."""
    match info:
        case Metadata():
            inner, description, choices = _resolved(info.type)
            told = (info.extra_json_schema or {}).get("description", "")
            return inner, told or description, choices
        case UnionType():
            [first, *_] = [one for one in info.types if type(one).__name__ != "NoneType"]
            return _resolved(first)
        case LiteralType():
            return info, "", tuple(str(value) for value in info.values)
    return info, "", ()


def _has_secret(info: Any) -> bool:
    if isinstance(info, CustomType):
        return info.cls is Secret
    parts = (getattr(info, name, None) for name in ("item_type", "value_type", "type"))
    return any(_has_secret(part) for part in parts if isinstance(part, Type))


def _comments(kind: type[Destination]) -> dict[str, str]:
    """The comment beside each field, in the words of the adapter's file."""
    found: dict[str, str] = {}
    for one in (Destination, kind):
        source = Path(inspect.getfile(one)).read_text("utf-8")
        own = BODY.match(source.partition(f"\nclass {one.__name__}(")[2])
        found |= {match[1]: match[2].strip() for match in COMMENT.finditer(own[0] if own is not None else "")}
    return found
