"""Reads and changes what the store holds of sources: those that were connected by command.

As with destinations (control.py) each change is one commit that makes a new version, which every process publishes.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gateway.control import Control
from gateway.declared import DeclaredSite
from gateway.errors import AlreadyThere, DeclaredInFile, NotFound
from gateway.stored_destinations import plain_table
from gateway.stored_sources import read_stored_source, sealed_source, source_kind, with_source
from store import stored_config
from store.records import StoredConfig


class SourceView(Struct, frozen=True, kw_only=True):
    """`path`: where its sender posts to. `version`: of the stored configuration that changed it last; 0: the file's."""

    site: str
    id: str
    type: str
    origin: Literal["file", "store"]
    path: str
    version: int = 0


class SourceControl:
    def __init__(self, control: Control) -> None:
        self._control = control

    def sources(self) -> list[SourceView]:
        """The file's and the store's, in the order of the file, then in that of their connecting."""
        found = [
            _view(site.id, one.id, one.type, "file") for site in self._control.declared_sites() for one in site.sources
        ]
        for record in stored_config.latest(self._control.store).config.sources:
            kind = str(plain_table(record)["type"])
            found.append(_view(record.site, record.id, kind, "store", record.version))
        return found

    async def connect(self, site: str, table: Mapping[str, Any], *, replace: bool = False) -> SourceView:
        """Stores a source; `table` is what the file has under [[sites.sources]]. Raises SettingsError, NotFound (the
        site), AlreadyThere, DeclaredInFile."""
        place = self._site(site)
        source = read_stored_source(str(table["id"]), {name: one for name, one in table.items() if name != "id"})
        kept = {name: one for name, one in table.items() if name != "id"}

        def change(stored: StoredConfig) -> StoredConfig:
            if any(source.id == one.id or source.kind == one.type for one in place.sources):
                raise DeclaredInFile(f"the file declares {site}/{source.id}, or another of its type; change it there")
            there = [one for one in stored.sources if one.site == site]
            same = [one for one in there if source.kind == plain_table(one)["type"] or source.id == one.id]
            if same and not (replace and [one.id for one in same] == [source.id]):
                raise AlreadyThere(
                    f"{site}/{same[0].id} is there already; give --replace with its id, or disconnect it"
                )
            return with_source(stored, sealed_source(site, source, kept, self._control.vault))

        stored = await self._control.switch(change, f"connect source {site}/{source.id}")
        return _view(site, source.id, source.kind, "store", stored.version)

    async def disconnect(self, name: str) -> tuple[str, int]:
        """Takes a stored source away, by SITE/ID or ID: its place, and the version. Raises NotFound."""
        gone: list[str] = []

        def change(stored: StoredConfig) -> StoredConfig:
            found = [one for one in stored.sources if name in (f"{one.site}/{one.id}", one.id)]
            if len(found) != 1:
                places = ", ".join(f"{one.site}/{one.id}" for one in stored.sources) or "none"
                raise NotFound(f"no connected source {name!r}, or several; there are: {places}")
            gone[:] = [f"{found[0].site}/{found[0].id}"]
            left = tuple(one for one in stored.sources if one is not found[0])
            return msgspec.structs.replace(stored, sources=left)

        stored = await self._control.switch(change, f"disconnect source {name}")
        return gone[0], stored.version

    def _site(self, site: str) -> DeclaredSite:
        sites = self._control.declared_sites()
        found = next((one for one in sites if one.id == site), None)
        if found is None:
            raise NotFound(f"there is no site {site!r}; there are: {', '.join(one.id for one in sites) or 'none'}")
        return found


def _view(site: str, id: str, type: str, origin: Literal["file", "store"], version: int = 0) -> SourceView:
    kind = source_kind(type)
    is_only = kind is not None and kind.is_only
    path = f"/webhooks/{type}/{site}" if is_only else f"/webhooks/{site}/{id}"
    return SourceView(site=site, id=id, type=type, origin=origin, path=path, version=version)
