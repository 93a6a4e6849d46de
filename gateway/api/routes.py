"""/api/sites/SITE/routes: what is live, the draft of the next version, publishing, history, comparing, rolling back.

The ETag of a draft is its revision: saving names the one that was read. Publishing and rolling back are one version of
the stored configuration, in force in every worker within a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import trio
from msgspec import Struct
from quart import Blueprint, Response

from gateway.answers import FieldFault
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import (
    answered,
    body_as,
    etag,
    expected_version,
    named_version,
    query_as,
    refuse,
    refuse_fields,
)
from gateway.api.route_records import (
    ASKED_BY,
    DRAFT_EXAMPLE,
    LIVE_EXAMPLE,
    ROUTE,
    SAVED_EXAMPLE,
    CompareQuery,
    DraftBody,
    HistoryQuery,
    PublishBody,
    RollbackBody,
    VersionList,
)
from gateway.errors import SettingsError
from gateway.routes_control import RoutesControl, Saved
from gateway.routes_views import Comparison, DraftRoutes, LiveRoutes, VersionText

T = TypeVar("T", bound=Struct)

ONE: Final = "/sites/<site>/routes"
NUMBER_CHARS: Final = 15
SAVING: Final = (404, 409, 412, 428, 503)


class Routes(Struct, frozen=True, kw_only=True):
    """What the routes share. Expressions are compiled in a thread: half a second where it is the first."""

    parts: ApiParts
    one_at_a_time: trio.CapacityLimiter

    def control(self) -> RoutesControl:
        return RoutesControl(self.parts.make_control())

    async def read(self, work: partial[T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self.one_at_a_time)

    def log(self, change: str, site: str, version: int) -> None:
        self.parts.log("api_change", change=change, site=site, version=version)


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("routes", __name__)
    shared = Routes(parts=parts, one_at_a_time=trio.CapacityLimiter(1))
    _add_reading(routes, shared)
    _add_draft(routes, shared)
    _add_publishing(routes, shared)
    return routes


def _add_reading(routes: Blueprint, shared: Routes) -> None:
    live = Documented(examples={200: LIVE_EXAMPLE}, has_etag=True)

    @documented("routes", {200: LiveRoutes}, refuses=(404,), more=live)
    async def get_routes(site: str) -> Response:
        """The routes that are in force. Without any a destination gets what its platform knows."""
        found = await shared.read(partial(shared.control().live, site))
        return answered(found, 200, etag(found.version))

    @documented("routes", {200: VersionList}, refuses=(404,), query=HistoryQuery)
    async def list_route_versions(site: str) -> Response:
        """The versions of the routes, the newest first: when, by whom, why. `config` is the configuration file."""
        query = query_as(HistoryQuery)
        found = shared.control().history(site)
        older = [one for one in found if query.before is None or one.version < query.before]
        page = older[: query.limit]
        following = page[-1].version if len(older) > len(page) else None
        return answered(VersionList(versions=tuple(page), next=following))

    @documented("routes", {200: VersionText}, refuses=(404,))
    async def get_route_version(site: str, version: str) -> Response:
        """One version with its routes."""
        return answered(shared.control().version(site, _number(version)))

    @documented("routes", {200: Comparison}, refuses=(404,), query=CompareQuery)
    async def compare_routes(site: str) -> Response:
        """What differs between two versions, route by route."""
        query = query_as(CompareQuery)
        found = await shared.read(partial(shared.control().compare, site, query.before, query.after))
        return answered(found)

    routes.add_url_rule(ONE, view_func=get_routes, methods=["GET"])
    routes.add_url_rule(f"{ONE}/versions", view_func=list_route_versions, methods=["GET"])
    routes.add_url_rule(f"{ONE}/versions/<version>", view_func=get_route_version, methods=["GET"])
    routes.add_url_rule(f"{ONE}/compare", view_func=compare_routes, methods=["GET"])


def _add_draft(routes: Blueprint, shared: Routes) -> None:
    shown = Documented(examples={200: DRAFT_EXAMPLE}, has_etag=True)
    saving = Documented(examples={0: {"routes": [ROUTE]}, 200: DRAFT_EXAMPLE}, has_etag=True, takes_if_match=True)
    throwing = Documented(examples={200: DRAFT_EXAMPLE}, has_etag=True, takes_if_match=True)

    @documented("routes", {200: DraftRoutes}, refuses=(404,), more=shown)
    async def get_draft(site: str) -> Response:
        """The draft, with what it changes, its faults and its warnings. Its ETag is its revision."""
        return _told(await shared.read(partial(shared.control().draft, site)))

    @documented("routes", {200: DraftRoutes}, refuses=SAVING, body=DraftBody, more=saving)
    async def save_draft(site: str) -> Response:
        """Replace the draft. With faults in it, or where it was changed since the revision that If-Match names, it
        stays as it was, and the answer says why."""
        revision, body = named_version(), await body_as(DraftBody)
        with _faults_by_field():
            found = await shared.control().save(site, list(body.routes), author=body.author, revision=revision)
        shared.log("save_draft", site, found.revision)
        return _told(found)

    @documented("routes", {200: DraftRoutes}, refuses=SAVING, more=throwing)
    async def discard_draft(site: str) -> Response:
        """Throw the draft away: it is again what is live."""
        found = await shared.control().discard(site, author=ASKED_BY, revision=named_version())
        shared.log("discard_draft", site, found.revision)
        return _told(found)

    routes.add_url_rule(f"{ONE}/draft", view_func=get_draft, methods=["GET"])
    routes.add_url_rule(f"{ONE}/draft", view_func=save_draft, methods=["PUT"])
    routes.add_url_rule(f"{ONE}/draft", view_func=discard_draft, methods=["DELETE"])


def _add_publishing(routes: Blueprint, shared: Routes) -> None:
    publishing = Documented(
        examples={0: {"note": "half of the visitors"}, 201: SAVED_EXAMPLE}, has_etag=True, takes_if_match=True
    )
    rolling = Documented(examples={0: {"version": 7}, 201: SAVED_EXAMPLE}, has_etag=True)

    @documented("routes", {201: Saved}, refuses=(404, 409, 412, 503), body=PublishBody, more=publishing)
    async def publish_routes(site: str) -> Response:
        """Put the draft in force, as a version with the next number. If-Match: the draft's revision."""
        revision, body = expected_version(), await body_as(PublishBody)
        with _faults_by_field():
            saved = await shared.control().publish(site, author=body.author, note=body.note, revision=revision)
        return _published(shared, saved, "publish_routes")

    @documented("routes", {201: Saved}, refuses=(404, 409, 412, 503), body=RollbackBody, more=rolling)
    async def roll_routes_back(site: str) -> Response:
        """Publish the content of an older version as a new one. Secrets and credentials are not rolled back."""
        body = await body_as(RollbackBody)
        with _faults_by_field():
            saved = await shared.control().rollback(site, body.version, author=body.author, note=body.note)
        return _published(shared, saved, "roll_routes_back")

    routes.add_url_rule(f"{ONE}/publish", view_func=publish_routes, methods=["POST"])
    routes.add_url_rule(f"{ONE}/rollback", view_func=roll_routes_back, methods=["POST"])


def _told(found: DraftRoutes) -> Response:
    return answered(found, 200, etag(found.revision))


def _published(shared: Routes, saved: Saved, change: str) -> Response:
    version = saved.version
    shared.log(change, version.site, version.version)
    location = f"/api/sites/{version.site}/routes/versions/{version.version}"
    return answered(saved, 201, etag(version.version), ("location", location))


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARS:
        return int(text)
    refuse(404, "not_found", f"{text[:40]!r} is no version; give the number of one")


@contextmanager
def _faults_by_field() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        refuse_fields([FieldFault(field=field or "routes", message=text) for field, text in error.fields])
