"""/api/replays: jobs that send deliveries again, as `gateway replay` asks for them; the core carries them out."""

from typing import Annotated, Final, NoReturn

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from actors.replay import DEFAULT
from gateway import replays
from gateway.answers import FieldFault
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, body_as, query_as, refuse, refuse_fields
from gateway.commands.reading import read_moment, since_ms
from gateway.replays import Ask, DryRun, Job, Refused
from store.records import DeliveryStatus, ReplayRow

ASKED_BY: Final = "the API"
DRY_RUN_S: Final = 20.0
ONE: Final = "/replays/<replay_id>"
NUMBER_CHARS: Final = 15
REQUEST: Final = {"destination": "meta-main", "since": "24h", "status": ["dropped", "failed"]}
EXAMPLE: Final = {
    "id": 1,
    "site": "shop",
    "destination": "meta-main",
    "since": "2026-11-19T14:06:33.949Z",
    "until": "2026-11-20T14:06:33.949Z",
    "statuses": ["dropped", "failed"],
    "event": "",
    "past_window": False,
    "as_decided": False,
    "asked_by": ASKED_BY,
    "asked_at": "2026-11-20T14:06:33.949Z",
    "state": "running",
    "words": "",
    "progress": 0.25,
    "messages": 4_000,
    "counts": {"queued": 312, "past_window": 4},
    "examples": {"past_window": "order-1001"},
    "ended_at": None,
}
Moment = Annotated[str, Meta(max_length=40, description="30m, 24h, 7d ago, or RFC 3339.", examples=["24h"])]


class ReplayBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the events received from `since` to `until` (default: now)."""

    destination: Annotated[str, Meta(min_length=1, max_length=63, examples=["meta-main"])]
    since: Moment
    site: Annotated[str, Meta(max_length=63, description="Where several sites have the destination.")] | None = None
    until: Moment | None = None
    status: Annotated[tuple[DeliveryStatus, ...], Meta(max_length=8)] = DEFAULT
    event: Annotated[str, Meta(max_length=128, description="Events of this name only; empty: of any.")] = ""
    past_window: Annotated[bool, Meta(description="Also what the platform could count twice.")] = False
    as_decided: Annotated[bool, Meta(description="By the routes and in the form of then.")] = False


class ReplayQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=100)] = 20


class ReplayList(Struct, frozen=True, kw_only=True):
    """The latest jobs, the newest first."""

    replays: tuple[Job, ...]


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("replays", __name__)
    _add_asking(routes, parts)
    _add_jobs(routes, parts)
    return routes


def _add_asking(routes: Blueprint, parts: ApiParts) -> None:
    starting = Documented(examples={0: REQUEST, 202: EXAMPLE})

    @documented("replays", {202: Job}, refuses=(409, 503), body=ReplayBody, more=starting)
    async def start_replay() -> Response:
        """Send deliveries again, behind live traffic: by default those that were dropped or failed.

        What the platform could count twice is left out, unless `past_window` insists; so is what consent keeps in, and
        what is too old.
        """
        ask = _ask(await body_as(ReplayBody), parts.now_ms())
        _wanted(parts, ask)
        job = await replays.start(parts.store, parts.writer, ask, parts.now_ms(), ASKED_BY)
        if isinstance(job, Refused):
            refuse(409, "already_running", job.message)
        parts.log("api_change", change="replay", site=job.site, destination=job.destination)
        return answered(job, 202, ("location", f"/api/replays/{job.id}"))

    @documented("replays", {200: DryRun}, refuses=(409, 503), body=ReplayBody, more=Documented(examples={0: REQUEST}))
    async def try_replay() -> Response:
        """What such a job would do now, with the first requests; nothing is stored or sent."""
        ask = _ask(await body_as(ReplayBody), parts.now_ms())
        job = _wanted(parts, ask)
        snapshot = parts.snapshot()
        site, destination = snapshot.sites.get(job.site), snapshot.destination(job.site, job.destination)
        if site is None or destination is None:
            refuse(409, "not_in_force", f"{job.site}/{job.destination} is not in force; the gateway's log says why")
        with trio.move_on_after(DRY_RUN_S):
            return answered(await replays.dry_run(parts.store, job, site, destination, parts.now_ms()))
        refuse(503, "takes_too_long", f"to look through all that takes longer than {DRY_RUN_S:g} s; ask for less time")

    routes.add_url_rule("/replays", view_func=start_replay, methods=["POST"])
    routes.add_url_rule("/replays/dry-run", view_func=try_replay, methods=["POST"])


def _add_jobs(routes: Blueprint, parts: ApiParts) -> None:
    @documented("replays", {200: ReplayList}, query=ReplayQuery)
    async def list_replays() -> Response:
        """The latest jobs, the newest first."""
        return answered(ReplayList(replays=tuple(replays.recent(parts.store, query_as(ReplayQuery).limit))))

    @documented("replays", {200: Job}, refuses=(404,), more=Documented(examples={200: EXAMPLE}))
    async def get_replay(replay_id: str) -> Response:
        """One job: how far it is, and what became of the deliveries."""
        number = _number(replay_id)
        job = replays.get(parts.store, number) if number is not None else None
        if job is None:
            _unknown(replay_id)
        return answered(job)

    @documented("replays", {200: Job}, refuses=(404, 503))
    async def cancel_replay(replay_id: str) -> Response:
        """End a job. What it has queued is taken back, but for what is under way; of a job that is done too."""
        number = _number(replay_id)
        job = await replays.cancel(parts.writer, number, parts.now_ms(), ASKED_BY) if number is not None else None
        if job is None:
            _unknown(replay_id)
        parts.log("api_change", change="cancel_replay", site=job.site, destination=job.destination)
        return answered(job)

    routes.add_url_rule("/replays", view_func=list_replays, methods=["GET"])
    routes.add_url_rule(ONE, view_func=get_replay, methods=["GET"])
    routes.add_url_rule(ONE, view_func=cancel_replay, methods=["DELETE"])


def _ask(body: ReplayBody, now_ms: int) -> Ask:
    return Ask(
        destination=body.destination,
        site=body.site,
        since_ms=_moment("since", body.since, now_ms),
        until_ms=_moment("until", body.until, now_ms) if body.until is not None else None,
        statuses=body.status,
        event_name=body.event,
        is_past_window=body.past_window,
        is_as_decided=body.as_decided,
    )


def _moment(field: str, text: str, now_ms: int) -> int:
    moment = read_moment(text)
    if moment is None:
        told = "is no time; give 30m, 24h, 7d or a time such as 2026-11-20T14:00:00Z"
        refuse_fields([FieldFault(field=field, message=told)])
    return max(0, since_ms(moment, now_ms))


def _wanted(parts: ApiParts, ask: Ask) -> ReplayRow:
    """The job that is asked for, not stored."""
    job = replays.job_of(parts.store, ask, parts.now_ms(), ASKED_BY)
    if isinstance(job, Refused):
        refuse_fields([FieldFault(field=job.field, message=job.message)])
    return job


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARS else None


def _unknown(replay_id: str) -> NoReturn:
    refuse(404, "not_found", f"there is no replay {replay_id[:40]!r}; GET /api/replays lists them")
