"""Which events a fixed share keeps: by a hash, so that every repeat of an event decides alike.

u = the first 8 bytes of SHA-256(salt, a zero byte, key) as a big-endian number; kept if u < rate x 2^64, in whole
numbers (contracts/routing.md, section 4.5). A higher rate keeps all that a lower one kept.
"""

import hashlib
from collections.abc import Collection
from typing import Final

from actors.attribution.settings import CONVERSIONS
from actors.event import Event
from actors.routes import Sample, SampleKey

WHOLE: Final = 1 << 64


def is_kept(event: Event, sample: Sample, salt: str, conversions: Collection[str] = CONVERSIONS) -> bool:
    """Whether the share keeps the event. `salt`: of its route, where the sample names none.

    `conversions`: names of events that platforms learn from; they are all kept unless the sample allows otherwise."""
    rate = rate_of(event, sample, conversions)
    return rate >= 1 or (rate > 0 and number(sample.salt or salt, key_of(event, sample.key)) < threshold(rate))


def rate_of(event: Event, sample: Sample, conversions: Collection[str] = CONVERSIONS) -> float:
    """The share that the event stands for, once it is kept."""
    return 1.0 if event.event_name in conversions and not sample.allow_conversions else sample.rate


def number(salt: str, key: str) -> int:
    """u, as a number of 64 bits."""
    text = salt.encode() + b"\x00" + key.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def threshold(rate: float) -> int:
    """The first number that is not kept. Exact: a double times a power of two is one."""
    return int(rate * WHOLE)


def key_of(event: Event, key: SampleKey) -> str:
    """What the share goes by; the event's own id where the event has no such key."""
    match key:
        case "anonymous_id":
            found = event.user_data.anonymous_id
        case "external_id":
            found = event.user_data.external_id
        case "order_id":
            found = event.custom_data.order_id
        case "event_id":
            found = None
    return found or event.event_id
