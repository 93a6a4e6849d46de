"""Between a source's settings as a table and its record in the store: checked, its secrets sealed. Plain functions."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.config_reader import Reader, members
from gateway.config_sources import read_source
from gateway.errors import SettingsError
from gateway.sources.base import WebhookSource
from gateway.sources.registry import AnySource
from gateway.stored_destinations import refuse_unstorable, secret_fields
from gateway.vault import Vault
from store.records import StoredConfig, StoredSource

MOST: Final = 100  # stored sources


def source_kind(name: object) -> type[WebhookSource] | None:
    """The source whose `type` this is."""
    return next((kind for kind in members(AnySource) if kind.__struct_config__.tag == name), None)


def read_stored_source(id: str, table: Mapping[str, object]) -> WebhookSource:
    """The source of this table. Raises SettingsError with every fault, each by its setting."""
    refuse_unstorable(table)
    reader = Reader({}, Path(), is_literal=True)
    read = read_source({**table, "id": id}, "source", reader)
    if read is None or reader.faults:
        raise SettingsError([(fault.path.removeprefix("source").lstrip("."), fault.text) for fault in reader.faults])
    return read


def sealed_source(site: str, source: WebhookSource, table: Mapping[str, Any], vault: Vault) -> StoredSource:
    """The record of a table that was read without a fault."""
    secret = secret_fields(type(source))
    plain = {name: value for name, value in table.items() if name not in secret}
    record = StoredSource(site=site, id=source.id, settings=msgspec.json.encode(plain))
    told = {name: msgspec.json.encode(table[name]) for name in secret if name in table}
    sealed = {name: vault.seal(site, record.sealed_for, name, value) for name, value in told.items()}
    return msgspec.structs.replace(record, sealed=sealed)


def with_source(stored: StoredConfig, record: StoredSource) -> StoredConfig:
    """In its place, or at the end."""
    record = msgspec.structs.replace(record, version=stored.version + 1)
    others = tuple(one for one in stored.sources if (one.site, one.id) != (record.site, record.id))
    if len(others) >= MOST:
        raise SettingsError([("", f"{MOST} sources are stored already; disconnect one first")])
    return msgspec.structs.replace(stored, sources=(*others, record))


def is_taken(source: WebhookSource, others: Iterable[WebhookSource]) -> bool:
    """Whether one of the others has a path of its."""
    names = {source.id, source.kind} if source.is_only else {source.id}
    return any(one.id in names or (one.is_only and one.kind in names) for one in others)
