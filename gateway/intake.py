"""What the edge knows about a request when its events are read."""

from collections.abc import Callable

from msgspec import Struct

from actors.bots import NO_BOT, Judgement
from actors.event import Source
from gateway.sealing import Sealer

MAX_EVENT_BYTES = 64 * 1024


class Intake(Struct, frozen=True, kw_only=True):
    """What the edge knows about the request. Of the second group, what is given beats what the event says: for
    browsers, whose connection is the visitor's own."""

    site: str
    source: Source
    received_at_ms: int
    make_id: Callable[[], str]
    default_country: str | None = None  # of phone numbers in national form, where the event names no country
    sealer: Sealer | None = None  # only on sites with keep_plaintext = "sealed"
    max_event_bytes: int = MAX_EVENT_BYTES

    is_internal: bool = False  # its events go to no platform
    landing_url: str | None = None  # where click ids and campaign are read from, where that is not the page
    clicked_at_ms: int | None = None  # when a click of the landing is taken to have happened

    bot: Judgement = NO_BOT  # of the request, where a browser made it
    opts_out: bool = False  # the browser opts out of every sale (Global Privacy Control)
    ip_country: str | None = None  # of the visitor's address, as a trusted proxy tells it
    client_ip: str | None = None
    client_user_agent: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    cookies: str | None = None  # the Cookie header; fills only what event and url leave out
    ga_measurement_id: str | None = None  # which `_ga_…` cookie is meant, where there are several
