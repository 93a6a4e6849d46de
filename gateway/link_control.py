"""Creates, changes and deletes tracked links, for the command and the API alike."""

import secrets
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from actors.link import Link, LinkState, link_key
from actors.snapshot import Site
from gateway.errors import AlreadyThere, NotFound, SettingsError, VersionConflict
from gateway.links import Wanted, link_of, with_state
from store import keys, links
from store.env import Store, fetch
from store.errors import Unreadable
from store.records import STATE, LinkRow
from store.writer import Writer

SLUG_CHARS: Final = 7  # of a slug that is made: one of 10^12
LETTERS: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike


class LinkControl(Struct, frozen=True, kw_only=True):
    store: Store
    writer: Writer
    now_ms: Callable[[], int]

    async def create(self, site: Site, wanted: Wanted) -> LinkRow:
        """Raises SettingsError with every fault, and AlreadyThere."""
        if links.count(self.store) >= links.MOST:
            raise SettingsError([("", f"{links.MOST} links are stored already; delete one first")])

        def made(before: LinkRow | None) -> LinkRow:
            if before is not None:
                raise AlreadyThere(f"the link {site.id}/{wanted.slug} is there already; give another slug")
            return link_of(wanted, site, self.now_ms())

        row = await links.change(self.writer, site.id, wanted.slug, made)
        assert row is not None, "it was made just now"
        return row

    async def replace(self, site: Site, wanted: Wanted, expected_version: int | None = None) -> LinkRow:
        """Another target or campaign under the same slug. Raises SettingsError, NotFound, VersionConflict."""

        def made(before: LinkRow | None) -> LinkRow:
            return link_of(wanted, site, self.now_ms(), _checked(before, site.id, wanted.slug, expected_version))

        row = await links.change(self.writer, site.id, wanted.slug, made)
        assert row is not None, "it was made just now"
        return row

    async def enable(self, site: str, slug: str, *, is_enabled: bool, expected_version: int | None = None) -> LinkRow:
        """Raises NotFound, VersionConflict."""

        def made(before: LinkRow | None) -> LinkRow:
            row = _checked(before, site, slug, expected_version)
            return with_state(row, is_enabled=is_enabled, now_ms=self.now_ms())

        row = await links.change(self.writer, site, slug, made)
        assert row is not None, "it was made just now"
        return row

    async def delete(self, site: str, slug: str, expected_version: int | None = None) -> None:
        """Raises NotFound, VersionConflict."""

        def made(before: LinkRow | None) -> None:
            _checked(before, site, slug, expected_version)

        await links.change(self.writer, site, slug, made)

    def found(self, site: str, slug: str) -> LinkRow:
        """Raises NotFound."""
        return _checked(links.read(self.store, site, slug), site, slug, None)


def clicks_of(store: Store, site: str, slug: str) -> LinkState:
    """How often it was followed; nothing where that cannot be read, or retention took it."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs["state"], keys.state(Link.number, link_key(site, slug)))
    try:
        row = STATE.decode(raw) if raw is not None else None
        return msgspec.msgpack.decode(row.data, type=LinkState) if row is not None else LinkState()
    except (Unreadable, msgspec.DecodeError):
        return LinkState()


def make_slug() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(SLUG_CHARS))


def _checked(row: LinkRow | None, site: str, slug: str, expected_version: int | None) -> LinkRow:
    if row is None:
        raise NotFound(f"there is no link {site}/{slug}; gateway link list shows those there are")
    if expected_version is not None and expected_version != row.version:
        raise VersionConflict(
            f"it was changed since version {expected_version}; read it again, it has version {row.version}"
        )
    return row
