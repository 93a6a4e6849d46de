"""/api/privacy: a person's data exported or erased, as `gateway privacy` asks for it; the core carries it out.

An export's file is in the data directory and is not served here.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct
from quart import Blueprint, Response

from gateway import privacy
from gateway.answers import FieldFault
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, body_as, query_as, refuse, refuse_fields
from gateway.identifiers import Unfit, identifier
from gateway.privacy import Ask, PrivacyJob, Receipt
from store.records import PrivacyKind

ASKED_BY: Final = "the API"
NUMBER_CHARS: Final = 15
REQUEST: Final = {"kind": "erase", "site": "shop", "identifier": "email:jane@example.com"}
EXAMPLE: Final = {
    "id": 1,
    "kind": "erase",
    "site": "shop",
    "identifiers": ["email"],
    "state": "running",
    "words": "",
    "asked_by": ASKED_BY,
    "asked_at": "2026-11-20T14:06:33.949Z",
    "ended_at": None,
    "messages": 0,
    "counts": {},
    "file": None,
}


class PrivacyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom it is about: `email:…`, `phone:…`, `external_id:…`, `visitor:…`, `order:…` or `digest:…`."""

    kind: PrivacyKind
    site: Annotated[str, Meta(min_length=1, max_length=63, examples=["shop"])]
    identifier: Annotated[str, Meta(min_length=1, max_length=300, examples=["email:jane@example.com"])]


class PrivacyQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=1_000)] = 20


class PrivacyList(Struct, frozen=True, kw_only=True):
    """The latest jobs, the newest first."""

    jobs: tuple[PrivacyJob, ...]


class ReceiptList(Struct, frozen=True, kw_only=True):
    """The oldest first. `unreadable`: receipts that cannot be read."""

    receipts: tuple[Receipt, ...]
    unreadable: int


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("privacy", __name__)
    _add_asking(routes, parts)
    _add_reading(routes, parts)
    return routes


def _add_asking(routes: Blueprint, parts: ApiParts) -> None:
    starting = Documented(examples={0: REQUEST, 202: EXAMPLE})

    @documented("privacy", {202: PrivacyJob}, refuses=(503,), body=PrivacyBody, more=starting)
    async def start_privacy_job() -> Response:
        """Export what is stored about a person into a file of the data directory, or take the person out for good.

        The identifier is digested at once and kept nowhere.
        """
        ask = _ask(parts, await body_as(PrivacyBody))
        job = await privacy.start(parts.store, parts.writer, ask, parts.now_ms())
        parts.log("api_change", change=f"privacy_{job.kind}", site=job.site)
        return answered(job, 202, ("location", f"/api/privacy/{job.id}"))

    routes.add_url_rule("/privacy", view_func=start_privacy_job, methods=["POST"])


def _add_reading(routes: Blueprint, parts: ApiParts) -> None:
    @documented("privacy", {200: PrivacyList}, query=PrivacyQuery)
    async def list_privacy_jobs() -> Response:
        """The latest exports and erasures, the newest first."""
        return answered(PrivacyList(jobs=tuple(privacy.recent(parts.store, query_as(PrivacyQuery).limit))))

    @documented("privacy", {200: ReceiptList})
    async def list_receipts() -> Response:
        """What was erased when, and whether each receipt is as it was written."""
        found = privacy.receipts_of(parts.store)
        readable = tuple(one for one in found if one is not None)
        return answered(ReceiptList(receipts=readable, unreadable=len(found) - len(readable)))

    @documented("privacy", {200: PrivacyJob}, refuses=(404,), more=Documented(examples={200: EXAMPLE}))
    async def get_privacy_job(job_id: str) -> Response:
        """One job: how far it is, and what it found."""
        is_number = job_id.isascii() and job_id.isdigit() and len(job_id) <= NUMBER_CHARS
        job = privacy.get(parts.store, int(job_id)) if is_number else None
        if job is None:
            refuse(404, "not_found", f"there is no job {job_id[:40]!r}; GET /api/privacy lists them")
        return answered(job)

    routes.add_url_rule("/privacy", view_func=list_privacy_jobs, methods=["GET"])
    routes.add_url_rule("/privacy/receipts", view_func=list_receipts, methods=["GET"])
    routes.add_url_rule("/privacy/<job_id>", view_func=get_privacy_job, methods=["GET"])


def _ask(parts: ApiParts, body: PrivacyBody) -> Ask:
    site = parts.snapshot().sites.get(body.site)
    if site is None:
        told = f"no site {body.site!r} is configured; there are: {', '.join(parts.snapshot().sites) or 'none'}"
        refuse_fields([FieldFault(field="site", message=told)])
    found = identifier(body.identifier, site.default_country)
    if isinstance(found, Unfit):
        refuse_fields([FieldFault(field="identifier", message=found.message)])
    return Ask(kind=body.kind, site=site.id, given=(found,), asked_by=ASKED_BY)
