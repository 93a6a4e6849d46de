"""An event that somebody gives to be tried: read as /v1/events reads one, stored nowhere.

Plaintext is sealed with a key of this one run, as the site has it, and opened with it again.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from actors.event import Event
from actors.snapshot import Site
from gateway.incoming import Intake, parse_body, to_event
from gateway.invalid import Invalid
from gateway.key_ring import KEY_BYTES, KeyRing
from gateway.sealing import Sealer

FILE_BYTES: Final = 1 << 20  # as much as /v1/events takes

Opener = Callable[[Event, Sequence[str]], Event]  # the event with its plaintext; the ids it may be sealed for


class Given(Struct, frozen=True, kw_only=True):
    event: Event
    sealer: Sealer | None

    def opened(self) -> Event:
        """With the plaintext that a destination may take."""
        return opened(self.event, self.sealer, (self.event.event_id,))


def read_given(text: bytes, site: Site, now_ms: int) -> Given | Invalid:
    """The one event of a body, or what /v1/events would answer to it."""
    if len(text) > FILE_BYTES:
        return Invalid(code="too_large", field="", message=f"has more than {FILE_BYTES} bytes; give one event")
    body = parse_body(text)
    if isinstance(body, Invalid):
        return body
    if len(body.events) > 1:
        return Invalid(code="too_many_events", field="events", message=f"has {len(body.events)} events; give one")
    sealer = Sealer(secrets.token_bytes(KEY_BYTES), site.id) if site.is_plaintext_sealed else None
    intake = Intake(
        site=site.id,
        source="server",
        received_at_ms=now_ms,
        make_id=lambda: secrets.token_hex(16),
        default_country=site.default_country,
        sealer=sealer,
    )
    event = to_event(body.events[0], intake)
    return event.under(body.place(0)) if isinstance(event, Invalid) else Given(event=event, sealer=sealer)


def opened(event: Event, sealer: Sealer | None, event_ids: Sequence[str]) -> Event:
    sealed = event.user_data.sealed
    plain = sealer.open(sealed, *event_ids) if sealer is not None and sealed is not None else None
    return msgspec.structs.replace(event, user_data=msgspec.structs.replace(event.user_data, plain=plain))


def opener(sealer: Sealer | None) -> Opener:
    return lambda event, event_ids: opened(event, sealer, event_ids)


def ring_opener(load: Callable[[], KeyRing], site: Site) -> Opener:
    """Of a site's stored events; one that keeps no plaintext needs no key. Raises BadSecretKey."""
    return opener(Sealer(load(), site.id) if site.is_plaintext_sealed else None)
