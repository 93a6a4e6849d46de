"""Between a destination's settings as a table and its record in the store: checked, its secrets sealed, or hidden.

A table here is what the file has under [[sites.destinations]], without `id`. Its values are literal: what came by
command or over the network names no variable and no file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import msgspec

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.secret import Secret
from gateway.config_checks import check_destinations
from gateway.config_reader import Reader, members
from gateway.errors import SettingsError
from gateway.vault import Vault
from store.records import StoredDestination

Table = dict[str, Any]
R = TypeVar("R", bound=StoredDestination)

HIDDEN: Final = "***"
TABLE_BYTES: Final = 65_536
DEPTH: Final = 8  # of tables and lists in each other; no setting has more than three
UNOPENED: Final = "unopened"  # stands where a secret cannot be opened, in a destination that sends nothing


def kind_of(name: object) -> type[Destination] | None:
    """The adapter whose `type` this is."""
    return next((kind for kind in members(AnyDestination) if kind.__struct_config__.tag == name), None)


def secret_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The settings that hold secrets, by their types."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if _holds_secret(field.type))


def read_destination(id: str, table: Mapping[str, object], *, is_sealed: bool) -> Destination:
    """The destination of this table. Raises SettingsError with every fault, each by its setting."""
    place = "destination"
    reader = Reader({}, Path(), is_literal=True)
    refuse_unstorable(table)
    read: Destination | None = reader.one_of(AnyDestination, {**table, "id": id}, place)
    if read is not None:
        check_destinations([(place, read)], is_sealed=is_sealed, reader=reader)
    if read is None or reader.faults:
        raise SettingsError([(fault.path.removeprefix(place).lstrip("."), fault.text) for fault in reader.faults])
    return read


def refuse_unstorable(table: Mapping[str, object]) -> None:
    """Before anything walks through it: what came over the network may be of any size and depth."""
    if _depth(table) > DEPTH:
        raise SettingsError([("", f"the settings are nested deeper than {DEPTH} levels; give fewer")])
    try:
        size = len(msgspec.json.encode(table))
    except UnicodeEncodeError:
        raise SettingsError([("", "the settings hold bytes that are no UTF-8 text; give text")]) from None
    if size > TABLE_BYTES:
        raise SettingsError([("", f"the settings have more than {TABLE_BYTES} bytes; give fewer")])


def _depth(value: object) -> int:
    """How deep tables and lists are nested, counted no further than matters."""
    depth, level = 0, [value]
    while level and depth <= DEPTH:
        parts = (one.values() if isinstance(one, Mapping) else one for one in level if isinstance(one, Mapping | list))
        level = [inner for part in parts for inner in part]
        depth += bool(level)
    return depth


def sealed_record(
    site: str, id: str, table: Mapping[str, object], kind: type[Destination], vault: Vault
) -> StoredDestination:
    """The record of a table that was read without a fault."""
    secret = secret_fields(kind)
    sealed = {name: vault.seal(site, id, name, msgspec.json.encode(table[name])) for name in secret if name in table}
    plain = {name: value for name, value in table.items() if name not in secret}
    return StoredDestination(site=site, id=id, settings=msgspec.json.encode(plain), sealed=sealed)


def resealed(record: R, vault: Vault) -> R:
    """The record with each secret under the newest key; one that no key opens stays as it is."""
    sealed = {
        name: blob if (plain := vault.open(record.site, record.sealed_for, name, blob)) is None
        else vault.seal(record.site, record.sealed_for, name, plain)
        for name, blob in record.sealed.items()
    }  # fmt: skip
    return msgspec.structs.replace(record, sealed=sealed)


def plain_table(record: StoredDestination) -> Table:
    """The settings without the secrets."""
    table: Table = msgspec.json.decode(record.settings)
    return table


def opened_table(record: StoredDestination, vault: Vault) -> tuple[Table, tuple[str, ...]]:
    """The whole table, and the names of the secrets that no key opens."""
    table, unopened = plain_table(record), []
    for name, blob in record.sealed.items():
        secret = vault.open(record.site, record.sealed_for, name, blob)
        if secret is None:
            unopened.append(name)
        else:
            table[name] = msgspec.json.decode(secret)
    return table, tuple(unopened)


def unopened_destination(record: StoredDestination, unopened: Sequence[str]) -> Destination | None:
    """The destination with its secrets missing, paused, so that what goes to it is kept; None where it has faults."""
    table = {**plain_table(record), **dict.fromkeys(unopened, UNOPENED), "id": record.id, "paused": True}
    read: Destination | None = Reader({}, Path(), is_literal=True).one_of(AnyDestination, table, record.id)
    return read


def shown_settings(destination: Destination) -> Table:
    """What is set, without what has its default; secrets as `***`."""
    found = {}
    for field in msgspec.structs.fields(destination):
        value = getattr(destination, field.name)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if field.name != "id" and (field.required or value != default):
            found[field.name] = msgspec.to_builtins(value, enc_hook=_shown)
    return found


def shown_table(table: Mapping[str, object]) -> Table:
    """A table that could not be read; secrets as `***`, the names of variables and files as they are."""
    kind = kind_of(table.get("type"))
    secret = secret_fields(kind) if kind is not None else tuple(table)
    shown = {name: _hidden(value) if name in secret else value for name, value in table.items()}
    return {name: value for name, value in shown.items() if name not in ("id", "type")}


def _holds_secret(kind: Any) -> bool:
    return kind is Secret or any(_holds_secret(one) for one in get_args(kind))


def _shown(value: object) -> object:
    return HIDDEN if isinstance(value, Secret) else str(value)


def _hidden(value: object) -> object:
    if isinstance(value, dict) and value.keys() in ({"env"}, {"file"}):
        return value
    if isinstance(value, dict):
        return {name: _hidden(one) for name, one in value.items()}
    return [_hidden(one) for one in value] if isinstance(value, list) else HIDDEN
