"""/api/destinations: which there are and what they are doing; connecting, changing, pausing and removing them.

A change is one version of the stored configuration, in force in every worker within a second. An ETag is a version;
with If-Match a change is made only to what was read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final
from urllib.parse import quote

import trio
from msgspec import Struct
from quart import Blueprint, Response

from gateway.answers import FieldFault
from gateway.api.destination_records import (
    CONNECT_EXAMPLE,
    EXAMPLE,
    ChangeBody,
    CheckResult,
    ConnectBody,
    DestinationList,
    DestinationRecord,
    ListQuery,
    SecretBody,
    record_of,
)
from gateway.api.openapi import Documented, NoContent, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, body_as, etag, expected_version, no_content, query_as, refuse, refuse_fields
from gateway.api.trying import Trier
from gateway.control import Control, DestinationView
from gateway.destination_states import state_of
from gateway.errors import SettingsError

ONE: Final = "/destinations/<site>/<destination>"
SHOWN: Final = Documented(examples={200: EXAMPLE}, has_etag=True)
CHANGING: Final = Documented(examples={200: EXAMPLE}, has_etag=True, takes_if_match=True)
PAUSING: Final = (404, 412, 503)
CHANGES: Final = (404, 409, 412, 422, 503)


class Destinations(Struct, frozen=True, kw_only=True):
    """What the routes share."""

    parts: ApiParts
    trier: Trier
    one_list: trio.CapacityLimiter

    def control(self) -> Control:
        return self.parts.make_control()

    def record(self, view: DestinationView, check: CheckResult | None = None) -> DestinationRecord:
        return record_of(view, state_of(self.parts.store, view.site, view.id, self.parts.now_ms()), check)

    def listed(self, query: ListQuery) -> DestinationList:
        """Half a millisecond for each destination there is, so not on the loop that takes events."""
        control = self.control()
        version = control.version()
        views = [one for one in control.destinations() if query.site in (None, one.site)]
        page, following = _page(views, query)
        return DestinationList(destinations=tuple(map(self.record, page)), next=following, version=version)

    def told(
        self, view: DestinationView, status: int = 200, *headers: tuple[str, str], check: CheckResult | None = None
    ) -> Response:
        return answered(self.record(view, check), status, etag(view.version), *headers)

    def log(self, change: str, site: str, destination: str) -> None:
        self.parts.log("api_change", change=change, site=site, destination=destination)


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("destinations", __name__)
    shared = Destinations(parts=parts, trier=Trier(), one_list=trio.CapacityLimiter(1))
    _add_reading(routes, shared)
    _add_changing(routes, shared)
    _add_pausing(routes, shared)
    return routes


def _add_reading(routes: Blueprint, shared: Destinations) -> None:
    @documented("destinations", {200: DestinationList}, query=ListQuery, more=Documented(has_etag=True))
    async def list_destinations() -> Response:
        """The destinations, the file's and the connected ones, with what they are doing and how much waits."""
        found = await trio.to_thread.run_sync(shared.listed, query_as(ListQuery), limiter=shared.one_list)
        return answered(found, 200, etag(found.version))

    @documented("destinations", {200: DestinationRecord}, refuses=(404,), more=SHOWN)
    async def get_destination(site: str, destination: str) -> Response:
        """One destination."""
        return shared.told(_found(shared.control(), site, destination))

    @documented("destinations", {200: CheckResult}, refuses=(404, 409))
    async def check_destination(site: str, destination: str) -> Response:
        """Ask the platform about the credentials. Nothing is counted there, nothing is stored here."""
        control = shared.control()
        _found(control, site, destination)
        try:
            read = control.record(site, destination)
        except SettingsError as error:
            refuse(409, "not_in_force", "; ".join(error.faults))
        return answered(await shared.trier.told(read))

    routes.add_url_rule("/destinations", view_func=list_destinations, methods=["GET"])
    routes.add_url_rule(ONE, view_func=get_destination, methods=["GET"])
    routes.add_url_rule(f"{ONE}/check", view_func=check_destination, methods=["POST"])


def _add_changing(routes: Blueprint, shared: Destinations) -> None:
    connecting = Documented(examples={0: CONNECT_EXAMPLE, 201: EXAMPLE}, has_etag=True)

    @documented(
        "destinations", {201: DestinationRecord}, refuses=(404, 409, 422, 503), body=ConnectBody, more=connecting
    )
    async def connect_destination() -> Response:
        """Connect a platform: checked, the credentials tried, stored with its secrets encrypted, in force at once."""
        body, control = await body_as(ConnectBody), shared.control()
        table = {**_settings(body.settings), "type": body.type, **({"id": body.id} if body.id is not None else {})}
        with _faults_by_field():
            check = await shared.trier.accepted(control.read(body.site, table)) if body.check else None
            view = await control.connect(body.site, table)
        shared.log("connect", view.site, view.id)
        location = f"/api/destinations/{quote(view.site)}/{quote(view.id)}"
        return shared.told(view, 201, ("location", location), check=check)

    @documented("destinations", {200: DestinationRecord}, refuses=CHANGES, body=ChangeBody, more=CHANGING)
    async def change_destination(site: str, destination: str) -> Response:
        """Change settings of a connected destination; those that are not named stay."""
        expected, body, control = expected_version(), await body_as(ChangeBody), shared.control()
        settings = _settings(body.settings)
        _found(control, site, destination)
        with _faults_by_field():
            read = partial(control.read_changed, site, destination, settings)
            check = await shared.trier.accepted(read()) if body.check else None
            view = await control.change(site, destination, settings, expected_version=expected)
        shared.log("change", site, destination)
        return shared.told(view, check=check)

    @documented("destinations", {200: DestinationRecord}, refuses=CHANGES, body=SecretBody, more=CHANGING)
    async def set_secret(site: str, destination: str, field: str) -> Response:
        """Replace a secret, tried first. It is stored encrypted and shown nowhere; a pause for a refused one ends."""
        expected, body, control = expected_version(), await body_as(SecretBody), shared.control()
        _found(control, site, destination)
        with _faults_by_field(""):
            read = partial(control.read_secret, site, destination, field, body.value)
            check = await shared.trier.accepted(read()) if body.check else None
            view = await control.set_secret(site, destination, field, body.value, expected_version=expected)
        shared.log("set_secret", site, destination)
        return shared.told(view, check=check)

    @documented("destinations", {204: NoContent}, refuses=(404, 409, 412, 503), more=Documented(takes_if_match=True))
    async def disconnect_destination(site: str, destination: str) -> Response:
        """Take a connected destination away; what waits for it is dropped."""
        expected, control = expected_version(), shared.control()
        _found(control, site, destination)
        await control.disconnect(site, destination, expected_version=expected)
        shared.log("disconnect", site, destination)
        return no_content()

    routes.add_url_rule("/destinations", view_func=connect_destination, methods=["POST"])
    routes.add_url_rule(ONE, view_func=change_destination, methods=["PATCH"])
    routes.add_url_rule(ONE, view_func=disconnect_destination, methods=["DELETE"])
    routes.add_url_rule(f"{ONE}/secrets/<field>", view_func=set_secret, methods=["PUT"])


def _add_pausing(routes: Blueprint, shared: Destinations) -> None:
    @documented("destinations", {200: DestinationRecord}, refuses=PAUSING, more=CHANGING)
    async def pause_destination(site: str, destination: str) -> Response:
        """Send nothing to it from now on; its queue stays. The file's destinations too."""
        expected, control = expected_version(), shared.control()
        _refuse_other_version(_found(control, site, destination), expected)
        view = await control.pause(site, destination)
        shared.log("pause", site, destination)
        return shared.told(view)

    @documented("destinations", {200: DestinationRecord}, refuses=PAUSING, more=CHANGING)
    async def resume_destination(site: str, destination: str) -> Response:
        """End a pause, whether by an operator or for refused credentials or errors."""
        expected, control = expected_version(), shared.control()
        _refuse_other_version(_found(control, site, destination), expected)
        view = await control.resume(site, destination)
        shared.log("resume", site, destination)
        return shared.told(view)

    routes.add_url_rule(f"{ONE}/pause", view_func=pause_destination, methods=["POST"])
    routes.add_url_rule(f"{ONE}/resume", view_func=resume_destination, methods=["POST"])


def _page(views: list[DestinationView], query: ListQuery) -> tuple[list[DestinationView], str | None]:
    """The page, and the name of its last destination where there are more."""
    names = [f"{one.site}/{one.id}" for one in views]
    if query.after is not None and query.after not in names:
        refuse(400, "invalid_field", "names no destination; give the `next` of a page, or leave it out", "after")
    start = names.index(query.after) + 1 if query.after is not None else 0
    page = views[start : start + query.limit]
    return page, names[start + len(page) - 1] if start + len(page) < len(views) else None


def _found(control: Control, site: str, destination: str) -> DestinationView:
    view = control.destination(site, destination)
    if view is None:
        refuse(404, "not_found", f"there is no destination {site}/{destination}; GET /api/destinations lists them")
    return view


def _refuse_other_version(view: DestinationView, expected: int | None) -> None:
    """Nothing is awaited between this and the write."""
    if expected is not None and expected != view.version:
        refuse(412, "version_conflict", f"it was changed since version {expected}; it has version {view.version}")


def _settings(given: dict[str, object]) -> dict[str, object]:
    """The settings without those that stand beside them."""
    for name in ("id", "type"):
        if name in given:
            refuse_fields(
                [FieldFault(field=f"settings.{name}", message=f"stands beside the settings; give {name!r} there")]
            )
    return given


@contextmanager
def _faults_by_field(place: str = "settings.") -> Iterator[None]:
    """What is wrong with settings, by the path of each in the request."""
    try:
        yield
    except SettingsError as error:
        refuse_fields([FieldFault(field=_path(place, field), message=text) for field, text in error.fields])


def _path(place: str, field: str) -> str:
    return field if field in ("", "id", "type") else place + field
