"""/api/links: tracked links, as `gateway link` handles them; a change is in force in every worker with its answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final
from urllib.parse import quote

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from actors.snapshot import Site
from gateway.answers import FieldFault
from gateway.api.openapi import Documented, NoContent, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import (
    answered,
    body_as,
    etag,
    expected_version,
    no_content,
    query_as,
    refuse,
    refuse_fields,
)
from gateway.commands.link import LinkView, view_of
from gateway.commands.reading import read_moment
from gateway.errors import SettingsError
from gateway.link_control import LinkControl, make_slug
from gateway.links import Wanted
from store import links

ONE: Final = "/links/<site>/<slug>"
EXAMPLE: Final = {
    "site": "shop",
    "slug": "tea",
    "path": "/l/tea",
    "target": "https://shop.example.com/tea",
    "source": "newsletter",
    "medium": "email",
    "campaign": "autumn",
    "term": "",
    "content": "",
    "channel": "",
    "expires_at": None,
    "enabled": True,
    "live": True,
    "created_at": "2026-11-20T14:06:33.949Z",
    "clicks": 120,
    "last_click_at": "2026-11-20T15:20:01.002Z",
    "version": 1,
}
REQUEST: Final = {"target": "https://shop.example.com/tea", "campaign": "autumn", "medium": "email"}
Field = Annotated[str, Meta(max_length=255)]


class LinkFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a link leads and what it tells. `confirm_host`: it may lead to a host that is not the site's."""

    target: Annotated[str, Meta(min_length=1, max_length=2048, examples=["https://shop.example.com/tea"])]
    source: Field = ""
    medium: Field = ""
    campaign: Field = ""
    term: Field = ""
    content: Field = ""
    channel: Annotated[str, Meta(max_length=40, description="In place of what source and medium say.")] = ""
    expires_at: Annotated[str, Meta(max_length=40, description="RFC 3339.")] | None = None
    enabled: bool = True
    confirm_host: bool = False


class LinkBody(LinkFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without a slug one is made."""

    site: Annotated[str, Meta(min_length=1, max_length=63, examples=["shop"])]
    slug: Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9_-]+$")] | None = None


class LinkQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: Annotated[str, Meta(max_length=63)] | None = None
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=500)] = 50
    after: Annotated[str, Meta(max_length=130, description="The `next` of the page before.")] | None = None


class LinkList(Struct, frozen=True, kw_only=True):
    links: tuple[LinkView, ...]
    next: str | None = None


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("links", __name__)
    control = LinkControl(store=parts.store, writer=parts.writer, now_ms=parts.now_ms)
    _add_reading(routes, parts, control)
    _add_changing(routes, parts, control)
    return routes


def _add_reading(routes: Blueprint, parts: ApiParts, control: LinkControl) -> None:
    one_list = trio.CapacityLimiter(1)

    @documented("links", {200: LinkList}, query=LinkQuery, refuses=(404,), more=Documented(examples={200: PAGE}))
    async def list_links() -> Response:
        """Tracked links, by site the newest first."""
        query = query_as(LinkQuery)
        if query.site is not None:
            _site(parts, query.site)
        return answered(await trio.to_thread.run_sync(_listed, parts, query, limiter=one_list))

    @documented("links", {200: LinkView}, refuses=(404,), more=Documented(examples={200: EXAMPLE}, has_etag=True))
    async def get_link(site: str, slug: str) -> Response:
        """One link."""
        row = control.found(site, slug)
        return answered(view_of(row, parts.store, parts.now_ms()), 200, etag(row.version))

    routes.add_url_rule("/links", view_func=list_links, methods=["GET"])
    routes.add_url_rule(ONE, view_func=get_link, methods=["GET"])


def _add_changing(routes: Blueprint, parts: ApiParts, control: LinkControl) -> None:
    created = Documented(examples={0: {**REQUEST, "site": "shop"}, 201: EXAMPLE}, has_etag=True)
    replaced = Documented(examples={0: REQUEST, 200: EXAMPLE}, has_etag=True, takes_if_match=True)

    @documented("links", {201: LinkView}, refuses=(404, 409, 503), body=LinkBody, more=created)
    async def create_link() -> Response:
        """Store a link: `GET /l/{slug}` leads to its target from now on."""
        body = await body_as(LinkBody)
        site = _site(parts, body.site)
        with _faults():
            row = await control.create(site, _wanted(body, body.slug or make_slug()))
        parts.log("api_change", change="create_link", site=row.site, link=row.slug)
        location = ("location", f"/api/links/{quote(row.site)}/{quote(row.slug)}")
        return answered(view_of(row, parts.store, parts.now_ms()), 201, etag(row.version), location)

    @documented("links", {200: LinkView}, refuses=(404, 412, 503), body=LinkFields, more=replaced)
    async def replace_link(site: str, slug: str) -> Response:
        """Change where a link leads, what it tells, or whether it is in force."""
        expected, body = expected_version(), await body_as(LinkFields)
        control.found(site, slug)
        with _faults():
            row = await control.replace(_site(parts, site), _wanted(body, slug), expected)
        parts.log("api_change", change="replace_link", site=site, link=slug)
        return answered(view_of(row, parts.store, parts.now_ms()), 200, etag(row.version))

    @documented("links", {204: NoContent}, refuses=(404, 412, 503), more=Documented(takes_if_match=True))
    async def delete_link(site: str, slug: str) -> Response:
        """Take a link away; clicks on it lead to the site's home."""
        await control.delete(site, slug, expected_version())
        parts.log("api_change", change="delete_link", site=site, link=slug)
        return no_content()

    routes.add_url_rule("/links", view_func=create_link, methods=["POST"])
    routes.add_url_rule(ONE, view_func=replace_link, methods=["PUT"])
    routes.add_url_rule(ONE, view_func=delete_link, methods=["DELETE"])


PAGE: Final = {"links": [EXAMPLE], "next": None}


def _site(parts: ApiParts, site: str) -> Site:
    found = parts.snapshot().sites.get(site)
    if found is None:
        known = ", ".join(parts.snapshot().sites) or "none"
        refuse(404, "not_found", f"there is no site {site[:80]!r}; there are: {known}")
    return found


def _listed(parts: ApiParts, query: LinkQuery) -> LinkList:
    sites = [query.site] if query.site is not None else sorted(parts.snapshot().sites)
    rows = [row for site in sites for row in links.of_site(parts.store, site)]
    places = [f"{row.site}/{row.slug}" for row in rows]
    begin = places.index(query.after) + 1 if query.after in places else 0
    page = rows[begin : begin + query.limit]
    following = f"{page[-1].site}/{page[-1].slug}" if page and begin + query.limit < len(rows) else None
    return LinkList(links=tuple(view_of(row, parts.store, parts.now_ms()) for row in page), next=following)


def _wanted(body: LinkFields, slug: str) -> Wanted:
    at_ms = read_moment(body.expires_at) if body.expires_at is not None else None
    if body.expires_at is not None and (at_ms is None or at_ms < 0):
        refuse(400, "invalid_field", "is no time; give one such as 2026-12-24T00:00:00Z", "expires_at")
    return Wanted(
        target=body.target,
        slug=slug,
        source=body.source,
        medium=body.medium,
        campaign=body.campaign,
        term=body.term,
        content=body.content,
        channel=body.channel,
        expires_at_ms=at_ms,
        is_enabled=body.enabled,
        is_host_confirmed=body.confirm_host,
    )


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        refuse_fields([FieldFault(field=field, message=message) for field, message in error.fields])
