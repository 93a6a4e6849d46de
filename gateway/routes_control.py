"""Reads and changes a site's routes: the draft, publishing it, the history, rolling back.

A draft is one per site. Saving names the revision that was read; publishing makes the draft a numbered version and puts
it in force, in one commit: every worker publishes it with its next look (publishing.py). The number is that of the
stored configuration's document, which destinations connected by command share: a site's versions count up, with gaps.
What the configuration file declares is changed there only.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import trio
from msgspec import Struct

from gateway.control import Control
from gateway.declared import DeclaredSite
from gateway.errors import DeclaredInFile, NotFound, NothingChanged, SettingsError, VersionConflict
from gateway.routes_check import Checked, check_routes, normalised
from gateway.routes_compare import compare, lines_of
from gateway.routes_text import Table, decoded, encoded, read_tables
from gateway.routes_views import (
    Comparison,
    DraftRoutes,
    LiveRoutes,
    VersionLine,
    VersionText,
    draft_routes,
    live_routes,
    version_line,
)
from store import stored_config, stored_routes
from store.records import SiteRoutes, StoredConfig
from store.routes_records import DraftText, RoutesDraft, RoutesVersion
from store.stored_config import Switching, plan_switch, put_switch
from store.writer import WriteTxn

AUTHOR_CHARS: Final = 64
NOTE_CHARS: Final = 500
TOLD_CHARS: Final = 2_000  # of what changed meanwhile
LIVE, DRAFT = "live", "draft"


class Saved(Struct, frozen=True, kw_only=True):
    """A version that was published. `warnings`: routes without effect."""

    version: VersionLine
    warnings: tuple[str, ...]


class _Publishing(Struct, frozen=True, kw_only=True):
    """What one commit writes. `draft`: as it was; None: it stays."""

    switching: Switching
    row: RoutesVersion
    draft: RoutesDraft | None


class RoutesControl:
    def __init__(self, control: Control) -> None:
        self._control = control

    # --- reading ---

    def live(self, site: str) -> LiveRoutes:
        """Raises NotFound."""
        return self._live(self._site(site))

    def draft(self, site: str) -> DraftRoutes:
        """Raises NotFound."""
        place = self._site(site)
        live = self._live(place)
        found = draft_routes(stored_routes.draft(self._control.store, site), live)
        checked = self._checked(place, found.routes)
        return msgspec.structs.replace(found, faults=checked.told(), warnings=checked.warnings)

    def history(self, site: str) -> list[VersionLine]:
        """All versions that are kept, the newest first. Raises NotFound."""
        live = self.live(site)
        return [version_line(row, live) for row in stored_routes.history(self._control.store, site)]

    def version(self, site: str, number: int) -> VersionText:
        """Raises NotFound."""
        live, row = self.live(site), self._row(site, number)
        return VersionText(entry=version_line(row, live), routes=tuple(decoded(row.routes)))

    def compare(self, site: str, before: str, after: str) -> Comparison:
        """Each a version's number, `live` or `draft`. Raises NotFound."""
        changes = compare(self._named(site, before), self._named(site, after))
        return Comparison(site=site, before=before, after=after, changes=changes)

    def check(self, site: str, routes: Sequence[Table]) -> Checked:
        """What publishing them would say, nothing stored. Raises NotFound."""
        return self._checked(self._site(site), routes)

    # --- changing ---

    async def save(self, site: str, routes: object, *, author: str, revision: int | None) -> DraftRoutes:
        """Makes them the draft. `revision`: of the draft that was read; None: whatever it is. Raises SettingsError with
        every fault, NotFound, DeclaredInFile, VersionConflict with what changed; the draft is then as it was."""
        place = self._changeable(site)
        tables = read_tables(routes)
        if (checked := await self._checked_apart(place, tables)).faults:
            raise SettingsError(checked.faults)
        await self._put_draft(place, encoded(tables), _name(author), revision)
        return self.draft(site)

    async def discard(self, site: str, *, author: str, revision: int | None) -> DraftRoutes:
        """The draft is again what is live. Raises as `save`."""
        await self._put_draft(self._changeable(site), None, _name(author), revision)
        return self.draft(site)

    async def publish(self, site: str, *, author: str, note: str = "", revision: int | None = None) -> Saved:
        """Puts the draft in force. Raises SettingsError, NotFound, DeclaredInFile, NothingChanged, VersionConflict
        where `revision` or what is live is another one than the draft's editor saw."""
        place, seen = self._changeable(site), stored_routes.newest(self._control.store, site)
        live, draft = self._live(place), stored_routes.draft(self._control.store, site)
        self._refuse_other(live, draft, revision)
        routes = draft.text.routes
        if routes is None or decoded(routes) == list(live.routes):
            raise NothingChanged(f"the draft of {site} is as what is live; save another one first")
        if draft.base != live.version:
            raise VersionConflict(_moved_on(live, draft))
        checked = await self._checked_apart(place, decoded(routes))
        if checked.faults:
            raise SettingsError(checked.faults)
        row = self._new_row(site, routes, _name(author), _note(note))
        switched = await self._switch(row, seen, f"publish routes of {site}", live, draft)
        return Saved(version=switched, warnings=checked.warnings)

    async def rollback(self, site: str, number: int, *, author: str, note: str = "") -> Saved:
        """Publishes an older version's content as a new one; an open draft stays as it is. Secrets and credentials are
        not part of a version. Raises as `publish`."""
        place, seen = self._changeable(site), stored_routes.newest(self._control.store, site)
        live, old = self._live(place), self._row(site, number)
        if decoded(old.routes) == list(live.routes):
            raise NothingChanged(f"version {number} of {site} is as what is live")
        checked = await self._checked_apart(place, decoded(old.routes))
        if checked.faults:
            raise SettingsError(checked.faults)
        row = self._new_row(site, old.routes, _name(author), _note(note), of=number)
        switched = await self._switch(row, seen, f"roll the routes of {site} back to {number}", live, None)
        return Saved(version=switched, warnings=checked.warnings)

    # --- parts ---

    async def _put_draft(self, place: DeclaredSite, routes: bytes | None, author: str, revision: int | None) -> None:
        live = self._live(place)
        wanted = None if routes is not None and decoded(routes) == list(live.routes) else routes
        at_ms = self._control.now_ms()

        def plan(write: WriteTxn) -> RoutesDraft:
            before = stored_routes.draft_in(write, place.id)
            self._refuse_other(live, before, revision)
            return before

        def put(write: WriteTxn, before: RoutesDraft) -> None:
            stored_routes.put_draft(write, before, wanted, base=live.version, author=author, at_ms=at_ms)

        await stored_config.in_one_commit(self._control.writer, plan, put)

    async def _switch(
        self, row: RoutesVersion, seen: RoutesVersion | None, words: str, live: LiveRoutes, draft: RoutesDraft | None
    ) -> VersionLine:
        """`seen`, read before all that the routes were checked against: where the newest version, or the draft, is
        another one by now, nothing is done."""

        def plan(write: WriteTxn) -> _Publishing:
            if draft is not None:
                self._refuse_other(live, stored_routes.draft_in(write, row.site), draft.text.revision)
            if stored_routes.newest_in(write, row.site) != seen:
                raise VersionConflict(
                    f"another version of the routes of {row.site} was published meanwhile; look at it"
                )
            switching = plan_switch(write, _with_routes(row), at_ms=row.at_ms, words=words)
            numbered = msgspec.structs.replace(row, number=switching.made.version)
            return _Publishing(switching=switching, row=numbered, draft=draft)

        done = await stored_config.in_one_commit(self._control.writer, plan, _put)
        return version_line(done.row, self.live(row.site))

    def _new_row(self, site: str, routes: bytes, author: str, note: str, of: int = 0) -> RoutesVersion:
        """Its number is given in the commit."""
        at_ms = self._control.now_ms()
        return RoutesVersion(site=site, number=0, at_ms=at_ms, author=author, note=note, routes=routes, of=of)

    def _live(self, place: DeclaredSite) -> LiveRoutes:
        stored = stored_config.latest(self._control.store).config
        return live_routes(
            place.id, normalised(place.routes), stored, stored_routes.newest(self._control.store, place.id)
        )

    def _named(self, site: str, name: str) -> Sequence[Table]:
        if name == LIVE:
            return self.live(site).routes
        if name == DRAFT:
            return self.draft(site).routes
        if not (name.isascii() and name.isdigit() and len(name) < 16):
            raise NotFound(f"{name[:40]!r} is no version; give a number, {LIVE} or {DRAFT}")
        return self.version(site, int(name)).routes

    def _row(self, site: str, number: int) -> RoutesVersion:
        found = stored_routes.version(self._control.store, site, number)
        if found is None:
            told = ", ".join(str(one.number) for one in stored_routes.history(self._control.store, site)[:20]) or "none"
            raise NotFound(f"{site} has no version {number} of its routes; there are: {told}")
        return found

    def _site(self, site: str) -> DeclaredSite:
        sites = self._control.declared_sites()
        found = next((one for one in sites if one.id == site), None)
        if found is None:
            raise NotFound(f"there is no site {site!r}; there are: {', '.join(one.id for one in sites) or 'none'}")
        return found

    def _changeable(self, site: str) -> DeclaredSite:
        place = self._site(site)
        if place.routes:
            raise DeclaredInFile(f"the routes of {site} are declared by {self._control.config_path}; change them there")
        return place

    def _checked(self, place: DeclaredSite, routes: Sequence[Table]) -> Checked:
        views = [one for one in self._control.destinations() if one.site == place.id]
        return check_routes(routes, views)

    async def _checked_apart(self, place: DeclaredSite, routes: Sequence[Table]) -> Checked:
        """Off the loop that takes events: the first expression of a process takes half a second to compile."""
        return await trio.to_thread.run_sync(self._checked, place, routes)

    def _refuse_other(self, live: LiveRoutes, draft: RoutesDraft, revision: int | None) -> None:
        """Raises VersionConflict where the draft is another than the one that was read."""
        if revision is None or revision == draft.text.revision:
            return
        raise VersionConflict(_changed_since(live, draft, revision))


def _with_routes(row: RoutesVersion) -> Callable[[StoredConfig], StoredConfig]:
    def change(stored: StoredConfig) -> StoredConfig:
        mine = SiteRoutes(site=row.site, routes=row.routes, version=stored.version + 1)
        others = (one for one in stored.routes if one.site != row.site)
        return msgspec.structs.replace(stored, routes=(*others, mine))

    return change


def _put(write: WriteTxn, planned: _Publishing) -> None:
    put_switch(write, planned.switching)
    row, draft = planned.row, planned.draft
    stored_routes.put_version(write, row)
    if draft is not None:
        stored_routes.put_draft(write, draft, None, base=row.number, author=row.author, at_ms=row.at_ms)


def _changed_since(live: LiveRoutes, draft: RoutesDraft, revision: int) -> str:
    """Who changed the draft since that revision, and what."""
    now = draft.text
    by = f" by {now.author}" if now.author else ""
    told = f"the draft was changed since revision {revision}{by}; it has revision {now.revision}, read it again"
    read = next((one for one in draft.earlier if one.revision == revision), None)
    if read is None and revision != 0:
        return told
    lines = lines_of(compare(_routes_of(read, live), _routes_of(now, live)))
    return f"{told}. What changed:\n" + ("\n".join(lines) or "nothing in the end")[:TOLD_CHARS]


def _routes_of(text: DraftText | None, live: LiveRoutes) -> Sequence[Table]:
    return decoded(text.routes) if text is not None and text.routes is not None else live.routes


def _moved_on(live: LiveRoutes, draft: RoutesDraft) -> str:
    return (
        f"what is live is version {live.version} by now, the draft was saved against {draft.base}: publishing it could "
        "undo what came between; look at the difference, and save the draft again"
    )


def _name(author: str) -> str:
    author = author.strip()
    if not 1 <= len(author) <= AUTHOR_CHARS or not author.isprintable():
        raise SettingsError([("author", f"is no name; give 1 to {AUTHOR_CHARS} visible characters")])
    if author == "config":
        raise SettingsError([("author", "'config' is what the configuration file publishes as; give another name")])
    return author


def _note(note: str) -> str:
    if len(note) > NOTE_CHARS or not note.replace("\n", "").isprintable():
        raise SettingsError([("note", f"is no note; give at most {NOTE_CHARS} visible characters")])
    return note
