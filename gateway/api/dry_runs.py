"""/api/sites/SITE/dry-run: what the routes would do, live and by the draft; nothing is written, sent or counted."""

from typing import Annotated, Any, Final

import msgspec
import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from actors.snapshot import Site
from gateway.answers import FieldFault
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.replays import Moment
from gateway.api.requests import answered, body_as, refuse, refuse_fields
from gateway.commands.reading import read_moment, since_ms
from gateway.dry_run_records import EventTrial, ManyTrial
from gateway.dry_run_sides import sides_of
from gateway.dry_runs import DryRuns, Side
from gateway.dry_runs_many import MOST, Many, run
from gateway.errors import SettingsError
from gateway.given_event import opener, read_given, ring_opener
from gateway.invalid import Invalid
from gateway.routes_control import RoutesControl
from store import ledger

MANY_S: Final = 20.0
ONE: Final = ("event", "event_id", "last")
REQUEST: Final = {"event_id": "order-1001", "draft": True}


class DryRunBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `event`, `event_id` and `last`."""

    event: (
        Annotated[dict[str, Any], Meta(description="An event as /v1/events takes it.", examples=[{"event_name": "x"}])]
        | None
    ) = None
    event_id: Annotated[str, Meta(description="Of an event of the ledger.", min_length=1, max_length=256)] | None = None
    last: Moment | None = None
    most: Annotated[int, Meta(description="Of `last` the newest so many.", ge=1, le=MOST)] = MOST
    draft: Annotated[bool, Meta(description="The draft beside what is live.")] = False


class DryRunAnswer(Struct, frozen=True, kw_only=True):
    """`events`: of one that was given, or of all that have the id; `many`: of `last`."""

    events: tuple[EventTrial, ...] = ()
    many: ManyTrial | None = None


class DryRunning(Struct, frozen=True, kw_only=True):
    parts: ApiParts
    one_at_a_time: trio.CapacityLimiter

    def sides(self, site: str, *, has_draft: bool) -> list[Side]:
        control = RoutesControl(self.parts.make_control())
        return sides_of(self.parts.snapshot(), control, site, has_live=True, has_draft=has_draft)

    def runs(self, site: Site, sides: list[Side]) -> DryRuns:
        parts = self.parts
        return DryRuns(parts.store, site.id, sides, parts.now_ms(), ring_opener(parts.make_control().vault.ring, site))

    def of_given(self, site: Site, sides: list[Side], event: dict[str, Any]) -> EventTrial | Invalid:
        now_ms = self.parts.now_ms()
        given = read_given(msgspec.json.encode(event), site, now_ms)
        if isinstance(given, Invalid):
            return given
        return DryRuns(self.parts.store, site.id, sides, now_ms, opener(given.sealer)).given(given.event)

    def of_stored(self, site: Site, sides: list[Side], event_id: str) -> list[EventTrial]:
        runs = self.runs(site, sides)
        found = ledger.find_events(self.parts.store, site.id, event_id)
        wanted = [one for one in found if one.row.status == "processed" and not one.row.erased_at_ms]
        return [told for one in wanted if (told := runs.stored(one)) is not None]

    def many(self, site: Site, sides: list[Side], since: int, most: int) -> Many:
        now_ms = self.parts.now_ms()
        runs = self.runs(site, sides)
        return Many(self.parts.store, runs, site.id, sides, since_ms=since_ms(since, now_ms), now_ms=now_ms, most=most)


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("dry_runs", __name__)
    shared = DryRunning(parts=parts, one_at_a_time=trio.CapacityLimiter(1))

    @documented(
        "routes", {200: DryRunAnswer}, refuses=(404, 409, 503), body=DryRunBody, more=Documented(examples={0: REQUEST})
    )
    async def dry_run(site: str) -> Response:
        """What the routes would do with an event, an event of the ledger, or those of the last hours; with `draft` live
        and the draft side by side. By the very functions that decide live. Nothing is written, sent or counted."""
        body = await body_as(DryRunBody)
        if sum(getattr(body, name) is not None for name in ONE) != 1:
            refuse_fields([FieldFault(field="event", message=f"give one of {', '.join(ONE)}")])
        try:
            sides = await trio.to_thread.run_sync(_sides, shared, site, body.draft, limiter=shared.one_at_a_time)
        except SettingsError as error:
            refuse(409, "draft_has_faults", "; ".join(error.faults))
        rules = parts.snapshot().sites.get(site)
        if rules is None:
            refuse(409, "not_in_force", f"the site {site} is not in force; the gateway's log says why")
        return await _answer(shared, rules, sides, body)

    routes.add_url_rule("/sites/<site>/dry-run", view_func=dry_run, methods=["POST"])
    return routes


def _sides(shared: DryRunning, site: str, has_draft: bool) -> list[Side]:
    return shared.sides(site, has_draft=has_draft)


async def _answer(shared: DryRunning, site: Site, sides: list[Side], body: DryRunBody) -> Response:
    limiter = shared.one_at_a_time
    if body.event is not None:
        told = await trio.to_thread.run_sync(shared.of_given, site, sides, body.event, limiter=limiter)
        if isinstance(told, Invalid):
            where = f"event.{told.field}" if told.field else "event"
            refuse_fields([FieldFault(field=where, message=told.message)])
        return answered(DryRunAnswer(events=(told,)))
    if body.event_id is not None:
        events = await trio.to_thread.run_sync(shared.of_stored, site, sides, body.event_id, limiter=limiter)
        if not events:
            refuse(404, "not_found", f"no processed event of site {site.id!r} has this id")
        return answered(DryRunAnswer(events=tuple(events)))
    return answered(DryRunAnswer(many=await _many(shared, site, sides, body)))


async def _many(shared: DryRunning, site: Site, sides: list[Side], body: DryRunBody) -> ManyTrial:
    """As far as it comes in the time that a request may take; the answer says where there was more."""
    moment = read_moment(body.last or "")
    if moment is None:
        told = "is no time; give 30m, 24h, 7d or a time such as 2026-11-20T14:00:00Z"
        refuse_fields([FieldFault(field="last", message=told)])
    many = shared.many(site, sides, moment, body.most)
    with trio.move_on_after(MANY_S):
        return await run(many)
    return many.told()
