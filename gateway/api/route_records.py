"""What the API takes and tells of a site's routes."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from gateway.routes_control import AUTHOR_CHARS, NOTE_CHARS
from gateway.routes_views import VersionLine

ASKED_BY: Final = "the API"
Author = Annotated[str, Meta(min_length=1, max_length=AUTHOR_CHARS, description="Who this is, for the history.")]
Note = Annotated[str, Meta(max_length=NOTE_CHARS, description="Why, for the history.")]
Named = Annotated[str, Meta(max_length=16, description="A version's number, live or draft.")]
ROUTE: Final = {
    "id": "meta-big",
    "destination": "meta-main",
    "filter": "event.custom_data.value > 100.0",
    "sample": {"rate": 0.5},
}


class DraftBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole list of the site's routes, each a table as [[sites.routes]] of the configuration file has it."""

    routes: Annotated[tuple[dict[str, Any], ...], Meta(max_length=200, examples=[[ROUTE]])]
    author: Author = ASKED_BY


class PublishBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Note = ""
    author: Author = ASKED_BY


class RollbackBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`version`: whose content is published as a new one."""

    version: Annotated[int, Meta(ge=1, le=10**15, examples=[7])]
    note: Note = ""
    author: Author = ASKED_BY


class CompareQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    before: Named = "live"
    after: Named = "draft"


class HistoryQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=500)] = 50
    before: Annotated[int, Meta(description="The `next` of the page before.", ge=1, le=10**15)] | None = None


class VersionList(Struct, frozen=True, kw_only=True):
    """The newest first. `next` is given as `before` for the next page; null: this was the last."""

    versions: tuple[VersionLine, ...]
    next: int | None


LIVE_EXAMPLE: Final = {
    "site": "shop",
    "version": 7,
    "origin": "store",
    "author": "ann",
    "at": "2026-11-20T14:06:33.949Z",
    "note": "big orders only",
    "routes": [ROUTE],
}
DRAFT_EXAMPLE: Final = {
    "site": "shop",
    "revision": 3,
    "base": 7,
    "live_version": 7,
    "is_open": True,
    "author": "ann",
    "at": "2026-11-20T14:06:33.949Z",
    "routes": [ROUTE],
    "changes": [
        {
            "route": "meta-big",
            "what": "changed",
            "settings": [{"path": "sample.rate", "before": None, "after": 0.5}],
        }
    ],
    "faults": [],
    "warnings": [],
}
SAVED_EXAMPLE: Final = {
    "version": {
        "site": "shop",
        "version": 8,
        "is_live": True,
        "author": "ann",
        "at": "2026-11-20T14:06:33.949Z",
        "note": "half of the visitors",
        "of": None,
        "origin": "store",
        "routes": 1,
    },
    "warnings": [],
}
