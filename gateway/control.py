"""Reads and changes what the store holds of the configuration: destinations that were connected, and pauses.

Each change is one commit that makes a new version; it is made of the version that the commit itself finds, so changes
of several processes come one after the other. Every worker looks for new versions and publishes them (serve.py).

`expected_version` is the number that a caller saw: of the whole, or of the destination. Where both have moved on, the
change is refused.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.destinations.base import Destination
from gateway.declared import DeclaredDestination, DeclaredSite, declared
from gateway.errors import AlreadyThere, DeclaredInFile, NotFound, SettingsError
from gateway.stored_changes import (
    MOST,
    check_version,
    in_store,
    pause_of,
    secret_field,
    with_destination,
    with_pause,
    without_pause,
)
from gateway.stored_destinations import (
    Table,
    opened_table,
    plain_table,
    read_destination,
    resealed,
    sealed_record,
)
from gateway.vault import Vault
from gateway.views import DestinationView, view_of_file, view_of_store
from store import stored_config
from store.env import Store
from store.records import PauseOverride, StoredConfig, StoredDestination
from store.writer import Writer

NO_KEY: Final = "no key of this gateway opens it; give all secrets anew with gateway connect --replace"

__all__ = ["Control", "DestinationView"]


class Control:
    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        vault: Vault,
        config_path: Path | None,
        env: Mapping[str, str],
        now_ms: Callable[[], int],
        text: Callable[[], bytes | None] | None = None,
    ) -> None:
        """`text`: what the file held when it was accepted, where that counts instead of what it holds now."""
        self.store = store
        self.writer = writer
        self.vault = vault
        self.config_path = config_path
        self._env = env
        self.now_ms = now_ms
        self._text = text

    # --- reading ---

    def sites(self) -> list[str]:
        """The sites that destinations can be connected to."""
        return [site.id for site in self.declared_sites()]

    def version(self) -> int:
        """The number of the stored version in force; 0 before the first change."""
        return stored_config.number(self.store)

    def history(self) -> list[StoredConfig]:
        """The versions that are kept, the newest first."""
        return stored_config.history(self.store)

    def destinations(self) -> list[DestinationView]:
        """The file's and the store's by site, in the order of the file, then in that of their connecting."""
        stored, sites = stored_config.latest(self.store).config, self.declared_sites()
        found: list[DestinationView] = []
        for site in sites:
            found += (view_of_file(site.id, one, pause_of(stored, site.id, one.id)) for one in site.destinations)
            found += (self._view(one, site) for one in stored.destinations if one.site == site.id)
        known = {site.id for site in sites}
        return found + [self._view(one, None) for one in stored.destinations if one.site not in known]

    def destination(self, site: str, id: str) -> DestinationView | None:
        """The one that counts: the file's, where both have it."""
        stored = stored_config.latest(self.store).config
        place = next((one for one in self.declared_sites() if one.id == site), None)
        if place is not None and (of_file := _in_file(place, id)) is not None:
            return view_of_file(site, of_file, pause_of(stored, site, id))
        found = next((one for one in stored.destinations if (one.site, one.id) == (site, id)), None)
        return self._view(found, place) if found is not None else None

    def record(self, site: str, id: str) -> Destination:
        """The destination as it would be in force, secrets and all. Raises NotFound, or SettingsError where its
        settings have faults or its secrets cannot be opened."""
        place = self._site(site)
        if (of_file := _in_file(place, id)) is not None:
            if of_file.destination is None:
                raise SettingsError([("", fault) for fault in of_file.faults])
            return of_file.destination
        found = in_store(stored_config.latest(self.store).config, site, id)
        return read_destination(id, self._opened(found), is_sealed=place.is_sealed)

    def read(self, site: str, table: Mapping[str, object]) -> Destination:
        """The destination that this table would become, nothing stored: to try its credentials first. Raises as
        `connect` does, as far as the table alone can tell."""
        place = self._site(site)
        id = _id_in(table) or self._free_id(place, stored_config.latest(self.store).config, table)
        return read_destination(id, _without_nothing(table), is_sealed=place.is_sealed)

    def read_changed(self, site: str, id: str, settings: Mapping[str, object]) -> Destination:
        """The stored destination as `change` would make it, nothing stored."""
        place = self._site(site)
        found = self._stored(place, stored_config.latest(self.store).config, id)
        return read_destination(id, self._changed(found, settings), is_sealed=place.is_sealed)

    def read_secret(self, site: str, id: str, field: str, value: object) -> Destination:
        """The stored destination as `set_secret` would make it, nothing stored."""
        place = self._site(site)
        found = self._stored(place, stored_config.latest(self.store).config, id)
        return read_destination(id, self._with_secret(found, field, value), is_sealed=place.is_sealed)

    # --- changing ---

    async def connect(
        self,
        site: str,
        table: Mapping[str, object],
        *,
        expected_version: int | None = None,
        replace: bool = False,
    ) -> DestinationView:
        """Stores a destination; `table` is what the file has under [[sites.destinations]]. Without an `id` it gets its
        platform's name, or that with a number. Raises SettingsError, NotFound (the site), AlreadyThere (with `replace`
        only where the file declares it: DeclaredInFile), VersionConflict."""
        place = self._site(site)
        made: list[str] = []

        def change(stored: StoredConfig) -> StoredConfig:
            made[:] = [_id_in(table) or self._free_id(place, stored, table)]
            id = made[0]
            there = next((one for one in stored.destinations if (one.site, one.id) == (site, id)), None)
            if not replace and (there is not None or _in_file(place, id) is not None):
                raise AlreadyThere(f"{site}/{id} is there already; give another id, or disconnect it first")
            self._refuse_declared(place, id)
            check_version(stored, there.version if there is not None else stored.version, expected_version)
            connected = self._with(stored, place, id, _without_nothing(table))
            return msgspec.structs.replace(connected, change=f"connect {site}/{id}")

        await self.switch(change)
        return self._told(site, made[0])

    async def change(
        self, site: str, id: str, settings: Mapping[str, object], *, expected_version: int | None = None
    ) -> DestinationView:
        """Changes those settings of a stored destination; None puts one back to its default. Raises SettingsError,
        NotFound, DeclaredInFile, VersionConflict."""
        place = self._site(site)

        def change(stored: StoredConfig) -> StoredConfig:
            found = self._stored(place, stored, id)
            check_version(stored, found.version, expected_version)
            return self._with(stored, place, id, self._changed(found, settings))

        await self.switch(change, f"change {site}/{id}: {', '.join(sorted(settings))}")
        return self._told(site, id)

    async def disconnect(self, site: str, id: str, *, expected_version: int | None = None) -> None:
        """Takes a stored destination away; what waits for it is dropped. Raises NotFound, DeclaredInFile,
        VersionConflict."""
        places = [one for one in self.declared_sites() if one.id == site]

        def change(stored: StoredConfig) -> StoredConfig:
            is_stored = any((one.site, one.id) == (site, id) for one in stored.destinations)
            if places and not is_stored:  # one that the file declares too may go
                self._refuse_declared(places[0], id)
            found = in_store(stored, site, id)
            check_version(stored, found.version, expected_version)
            left = tuple(one for one in stored.destinations if one is not found)
            return msgspec.structs.replace(stored, destinations=left)

        await self.switch(change, f"disconnect {site}/{id}")

    async def pause(self, site: str, id: str) -> DestinationView:
        """From now on nothing is sent, its queue stays. The file's destinations too: the store says so beside the
        file, until `resume`."""
        return await self._set_paused(site, id, is_paused=True)

    async def resume(self, site: str, id: str) -> DestinationView:
        """Ends a pause, whether by an operator or for refused credentials or errors."""
        return await self._set_paused(site, id, is_paused=False)

    async def set_secret(
        self, site: str, id: str, field: str, value: object, *, expected_version: int | None = None
    ) -> DestinationView:
        """Changes a secret. `field` is the setting, or `setting.key` for one secret of a table, as headers are. Raises
        as `change` does."""
        place = self._site(site)

        def change(stored: StoredConfig) -> StoredConfig:
            found = self._stored(place, stored, id)
            check_version(stored, found.version, expected_version)
            return self._with(stored, place, id, self._with_secret(found, field, value))

        await self.switch(change, f"set secret {site}/{id} {field}")
        return self._told(site, id)

    async def reseal(self) -> StoredConfig:
        """Puts all stored secrets, those of earlier versions too, under the newest key, in one commit."""

        def change(stored: StoredConfig) -> StoredConfig:
            anew = tuple(resealed(one, self.vault) for one in stored.destinations)
            sources = tuple(resealed(one, self.vault) for one in stored.sources)
            return msgspec.structs.replace(stored, destinations=anew, sources=sources)

        return await stored_config.switch(self.writer, change, at_ms=self.now_ms(), words="rotate key", is_for_all=True)

    # --- parts ---

    async def switch(self, change: stored_config.Change, words: str = "") -> StoredConfig:
        return await stored_config.switch(self.writer, change, at_ms=self.now_ms(), words=words)

    async def _set_paused(self, site: str, id: str, *, is_paused: bool) -> DestinationView:
        place = self._site(site)

        def change(stored: StoredConfig) -> StoredConfig:
            of_file = _in_file(place, id)
            if of_file is not None and of_file.table.get("paused", False) is is_paused:
                return without_pause(stored, site, id)
            if of_file is not None:
                return with_pause(
                    stored, PauseOverride(site=site, id=id, is_paused=is_paused, version=stored.version + 1)
                )
            found = self._stored(place, stored, id)
            table = {name: one for name, one in plain_table(found).items() if name != "paused"}
            plain = msgspec.json.encode({**table, "paused": True} if is_paused else table)
            return with_destination(stored, msgspec.structs.replace(found, settings=plain))

        await self.switch(change, f"{'pause' if is_paused else 'resume'} {site}/{id}")
        return self._told(site, id)

    def declared_sites(self) -> tuple[DeclaredSite, ...]:
        return declared(self.config_path, self._env, self._text() if self._text is not None else None)

    def _site(self, site: str) -> DeclaredSite:
        sites = self.declared_sites()
        found = next((one for one in sites if one.id == site), None)
        if found is None:
            raise NotFound(f"there is no site {site!r}; there are: {', '.join(one.id for one in sites) or 'none'}")
        return found

    def _stored(self, place: DeclaredSite, stored: StoredConfig, id: str) -> StoredDestination:
        """The stored destination that may be changed."""
        self._refuse_declared(place, id)
        return in_store(stored, place.id, id)

    def _refuse_declared(self, place: DeclaredSite, id: str) -> None:
        if _in_file(place, id) is not None:
            where = self.config_path or "the environment"
            raise DeclaredInFile(f"{place.id}/{id} is declared by {where}; change it there")

    def _free_id(self, place: DeclaredSite, stored: StoredConfig, table: Mapping[str, object]) -> str:
        """The platform's name, or the first of platform-2, platform-3 … that is free."""
        platform = str(table.get("type") or "destination")
        taken = {one.id for one in place.destinations} | {one.id for one in stored.destinations if one.site == place.id}
        names = (platform, *(f"{platform}-{number}" for number in range(2, MOST + len(taken) + 2)))
        return next(name for name in names if name not in taken)

    def _with(self, stored: StoredConfig, place: DeclaredSite, id: str, table: Table) -> StoredConfig:
        """The configuration with this destination, checked and sealed."""
        destination = read_destination(id, table, is_sealed=place.is_sealed)
        table = {name: value for name, value in table.items() if name != "id"}
        return with_destination(stored, sealed_record(place.id, id, table, type(destination), self.vault))

    def _opened(self, record: StoredDestination) -> Table:
        table, unopened = opened_table(record, self.vault)
        if unopened:
            raise SettingsError([(name, NO_KEY) for name in unopened])
        return table

    def _changed(self, record: StoredDestination, settings: Mapping[str, object]) -> Table:
        table, unopened = opened_table(record, self.vault)
        for name in ("id", "type"):
            if name in settings and settings[name] not in (record.id if name == "id" else table["type"],):
                raise SettingsError([(name, "cannot be changed; disconnect it and connect another")])
        missing = [name for name in unopened if name not in settings]
        if missing:
            raise SettingsError([(name, NO_KEY) for name in missing])
        return _without_nothing({**table, **settings})

    def _with_secret(self, record: StoredDestination, field: str, value: object) -> Table:
        name, key = secret_field(record, field)
        given = value if key is None else {**_table_or_none(self._opened(record).get(name)), key: value}
        return self._changed(record, {name: given})

    def _view(self, record: StoredDestination, site: DeclaredSite | None) -> DestinationView:
        return view_of_store(record, site, self.vault)

    def _told(self, site: str, id: str) -> DestinationView:
        found = self.destination(site, id)
        assert found is not None, "it was stored just now"
        return found


def _in_file(site: DeclaredSite, id: str) -> DeclaredDestination | None:
    return next((one for one in site.destinations if one.id == id), None)


def _table_or_none(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id_in(table: Mapping[str, object]) -> str | None:
    found = table.get("id")
    if found is not None and not isinstance(found, str):
        raise SettingsError([("id", "is no text; give one such as 'meta-main'")])
    return found


def _without_nothing(table: Mapping[str, object]) -> Table:
    return {name: value for name, value in table.items() if value is not None}
