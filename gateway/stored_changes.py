"""Finding and changing parts of a stored configuration: plain functions from one version to the next."""

from typing import Final

import msgspec

from gateway.errors import NotFound, SettingsError, VersionConflict
from gateway.stored_destinations import kind_of, plain_table, secret_fields
from store.records import PauseOverride, StoredConfig, StoredDestination

MOST: Final = 1_000  # stored destinations
MOST_BYTES: Final = 1 << 20  # of all of them together: each version holds them all


def in_store(stored: StoredConfig, site: str, id: str) -> StoredDestination:
    found = next((one for one in stored.destinations if (one.site, one.id) == (site, id)), None)
    if found is None:
        raise NotFound(f"there is no destination {site}/{id}; gateway destinations lists those there are")
    return found


def pause_of(stored: StoredConfig, site: str, id: str) -> PauseOverride | None:
    return next((one for one in stored.pauses if (one.site, one.id) == (site, id)), None)


def with_destination(stored: StoredConfig, record: StoredDestination) -> StoredConfig:
    """In its place, or at the end."""
    record = msgspec.structs.replace(record, version=stored.version + 1)
    others = [one for one in stored.destinations if (one.site, one.id) != (record.site, record.id)]
    if len(others) >= MOST:
        raise SettingsError([("", f"{MOST} destinations are stored already; disconnect one first")])
    if sum(map(_size, (*others, record))) > MOST_BYTES:
        raise SettingsError([("", f"all stored settings together would have more than {MOST_BYTES} bytes; give fewer")])
    if len(others) == len(stored.destinations):
        return msgspec.structs.replace(stored, destinations=(*others, record))
    same = [record if (one.site, one.id) == (record.site, record.id) else one for one in stored.destinations]
    return msgspec.structs.replace(stored, destinations=tuple(same))


def _size(record: StoredDestination) -> int:
    return len(record.settings) + sum(map(len, record.sealed.values()))


def without_pause(stored: StoredConfig, site: str, id: str) -> StoredConfig:
    """What the file says counts again."""
    left = tuple(one for one in stored.pauses if (one.site, one.id) != (site, id))
    return msgspec.structs.replace(stored, pauses=left)


def with_pause(stored: StoredConfig, pause: PauseOverride) -> StoredConfig:
    others = [one for one in stored.pauses if (one.site, one.id) != (pause.site, pause.id)]
    return msgspec.structs.replace(stored, pauses=(*others, pause))


def check_version(stored: StoredConfig, own: int, expected: int | None) -> None:
    if expected is not None and expected not in (own, stored.version):
        raise VersionConflict(f"it was changed since version {expected}; read it again, it has version {own}")


def secret_field(record: StoredDestination, field: str) -> tuple[str, str | None]:
    """The setting, and the key in it."""
    kind = kind_of(plain_table(record)["type"])
    assert kind is not None, "what is stored was read"
    secret = secret_fields(kind)
    name, _, key = field.partition(".")
    if name not in secret:
        raise SettingsError([(field, f"is no secret of {record.id}; give one of {', '.join(secret) or 'none'}")])
    return name, key or None
