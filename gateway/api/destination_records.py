"""What the API takes and tells of destinations."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, UnsetType

from gateway.commands.reading import rfc3339
from gateway.control import DestinationView
from gateway.destination_states import DestinationState

Id = Annotated[str, Meta(min_length=1, max_length=63, examples=["meta-main"])]
Settings = Annotated[
    dict[str, Any],
    Meta(
        description="The platform's settings, as GET /api/platforms lists them. Values are literal: none names a "
        "variable or a file of the server.",
        examples=[{"pixel_id": "123456789", "access_token": "EAAB…"}],
    ),
]


class CheckResult(Struct, frozen=True, kw_only=True):
    """What the platform said of the credentials. unsure: it was not reached, or has no way to tell."""

    outcome: Literal["passed", "refused", "unsure"]
    words: str = ""  # the platform's own, without what is secret or personal


class DestinationRecord(Struct, frozen=True, kw_only=True):
    """One destination. `settings` has what is set; secrets are `***` and never told. Times are RFC 3339."""

    site: str
    id: str
    type: str
    origin: Literal["file", "store"]  # the file's are changed in the file; pausing is for all
    settings: dict[str, Any]
    version: int  # of the stored configuration that changed it last; 0 for what only the file says
    faults: tuple[str, ...]  # why it is not in force
    is_paused: bool  # by an operator
    state: Literal["sending", "probing", "paused"] | None  # null: it never ran
    cause: str  # why it is not simply sending
    words: str
    since: str | None
    queued: int
    oldest_due_age_s: float | None  # below 0: not due yet; null: nothing waits
    check: CheckResult | UnsetType = msgspec.UNSET  # of the request that connected or changed it


class DestinationList(Struct, frozen=True, kw_only=True):
    """By site, the file's first. `next` is given as `after` for the next page; null: this was the last."""

    destinations: tuple[DestinationRecord, ...]
    next: str | None
    version: int


class ListQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: Annotated[str, Meta(description="Of this site only.", max_length=63)] | None = None
    limit: Annotated[int, Meta(description="At most so many.", ge=1, le=500)] = 100
    after: Annotated[str, Meta(description="The `next` of the page before.", max_length=127)] | None = None


class ConnectBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: Id
    type: Annotated[str, Meta(min_length=1, max_length=63, description="The platform.", examples=["meta"])]
    id: Annotated[Id, Meta(description="Default: the platform's name, then with -2, -3 …")] | None = None
    settings: Settings = {}
    check: Annotated[bool, Meta(description="Whether the platform is asked about the credentials first.")] = True


class ChangeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that are not named stay; null puts one back to its default."""

    settings: Settings
    check: Annotated[bool, Meta(description="Whether the platform is asked about the credentials first.")] = False


class SecretBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    value: Annotated[
        str | list[str], Meta(description="The secret; a list for a setting that holds several. It is never shown.")
    ]
    check: Annotated[bool, Meta(description="Whether the platform is asked about the credentials first.")] = True


EXAMPLE: Final = {
    "site": "shop",
    "id": "meta-main",
    "type": "meta",
    "origin": "store",
    "settings": {"pixel_id": "123456789", "access_token": "***"},
    "version": 7,
    "faults": [],
    "is_paused": False,
    "state": "sending",
    "cause": "",
    "words": "",
    "since": "2026-11-20T14:06:33.949Z",
    "queued": 0,
    "oldest_due_age_s": None,
}
CONNECT_EXAMPLE: Final = {
    "site": "shop",
    "type": "meta",
    "id": "meta-main",
    "settings": {"pixel_id": "123456789", "access_token": "EAAB…"},
}


def record_of(view: DestinationView, state: DestinationState, check: CheckResult | None = None) -> DestinationRecord:
    standing = state.standing
    return DestinationRecord(
        site=view.site,
        id=view.id,
        type=view.type,
        origin=view.origin,
        settings=view.settings,
        version=view.version,
        faults=view.faults,
        is_paused=view.is_paused,
        state=standing.state if standing is not None else None,
        cause=standing.cause if standing is not None else "",
        words=standing.words if standing is not None else "",
        since=rfc3339(standing.since_ms) if standing is not None else None,
        queued=state.queued,
        oldest_due_age_s=state.oldest_due_age_s,
        check=check if check is not None else msgspec.UNSET,
    )
