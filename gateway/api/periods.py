"""Of which site and since when a report is: what the resources that report share."""

import re
from typing import Annotated, Final

from msgspec import Meta

from gateway.api.requests import refuse
from gateway.commands.reading import read_moment, since_ms, sites_of
from store.env import Store

OFFSET: Final = re.compile(r"(?<=\d) (?=\d\d:\d\d$)")  # a `+` that was not escaped: in a query it means a space
MOMENT: Final = "is no time; give 30m, 24h, 7d or a time such as 2026-11-20T14:00:00Z"

SiteName = Annotated[str, Meta(description="The site; may be left out where there is one alone.", max_length=63)]
Since = Annotated[str, Meta(description="Since then: 30m, 24h, 7d, or RFC 3339.", max_length=40, examples=["24h"])]
EventName = Annotated[str, Meta(description="Conversions of this event name only.", max_length=100)]


def from_ms(since: str, now_ms: int) -> int:
    """Refuses what is no time."""
    moment = read_moment(OFFSET.sub("+", since))
    if moment is None:
        refuse(400, "invalid_field", MOMENT, "since")
    return since_ms(moment, now_ms)


def site_of(store: Store, named: str | None) -> str:
    """Refuses a site that is not there, and asks for one where there are several."""
    known = sites_of(store)
    told = ", ".join(known) or "none"
    if named is None and len(known) != 1:
        refuse(400, "invalid_field", f"is needed where there is not one site alone; there are: {told}", "site")
    if named is not None and named not in known:
        refuse(400, "invalid_field", f"there is no such site; there are: {told}", "site")
    return named if named is not None else known[0]
