"""The gateway's own numbers, as anybody's Prometheus would read them: the metrics page, taken apart for the view."""

from collections.abc import Iterator

import httpx
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

BREAKER = {0: "closed", 1: "half open", 2: "open"}


class DestinationNumbers(Struct, frozen=True, kw_only=True):
    """`waiting`: in its outbox now, those to be tried again among them."""

    destination: str
    delivered: int = 0
    waiting: int = 0
    to_retry: int = 0
    dropped: int = 0
    not_routed: int = 0
    breaker: str = "closed"
    is_paused: bool = False
    match_mean: float | None = (
        None  # estimated match quality of what was delivered; None: the receiver looks for nobody
    )


class Numbers(Struct, frozen=True, kw_only=True):
    received: dict[str, int] = {}  # by source
    accepted: int = 0
    rejected: int = 0
    merged: int = 0
    duplicate: int = 0
    mailbox: int = 0
    destinations: tuple[DestinationNumbers, ...] = ()

    def of(self, destination: str) -> DestinationNumbers:
        blank = DestinationNumbers(destination=destination)
        return next((one for one in self.destinations if one.destination == destination), blank)


Sample = tuple[str, dict[str, str], float]


async def read_numbers(client: httpx.AsyncClient, url: str) -> Numbers | None:
    """None where the page cannot be read at the moment: a worker that is starting has none yet."""
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return None
    return numbers_of(answer.text) if answer.status_code == 200 else None


def numbers_of(page: str) -> Numbers:
    samples = list(_samples(page))
    names = dict.fromkeys(labels["destination"] for _, labels, _ in samples if "destination" in labels)
    return Numbers(
        received=_by(samples, "gateway_events_received_total", "source"),
        accepted=_sum(samples, "gateway_events_accepted_total"),
        rejected=_sum(samples, "gateway_events_rejected_total"),
        merged=_sum(samples, "gateway_events_merged_total"),
        duplicate=_sum(samples, "gateway_events_duplicate_total"),
        mailbox=_sum(samples, "gateway_mailbox_messages"),
        destinations=tuple(_destination(samples, name) for name in names),
    )


def _destination(samples: list[Sample], name: str) -> DestinationNumbers:
    own = [sample for sample in samples if sample[1].get("destination") == name]
    deliveries = _by(own, "gateway_deliveries_total", "outcome")
    waiting = _sum(own, "gateway_outbox_deliveries")
    return DestinationNumbers(
        destination=name,
        delivered=deliveries.get("delivered", 0),
        waiting=waiting,
        to_retry=deliveries.get("failed", 0),
        dropped=deliveries.get("dropped", 0),
        not_routed=_sum(own, "gateway_not_routed_total"),
        breaker=BREAKER.get(_sum(own, "gateway_breaker"), "closed"),
        is_paused=_sum(own, "gateway_paused") > 0,
        match_mean=_mean(own, "gateway_match_quality"),
    )


def _mean(samples: list[Sample], name: str) -> float | None:
    """Of a histogram."""
    count = _sum(samples, f"{name}_count")
    return _total(samples, f"{name}_sum") / count if count else None


def _samples(page: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(page):
        if family.name.startswith("gateway_"):
            for sample in family.samples:
                yield sample.name, dict(sample.labels), sample.value


def _by(samples: list[Sample], name: str, label: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for known, labels, value in samples:
        if known == name:
            found[labels[label]] = found.get(labels[label], 0) + int(value)
    return found


def _sum(samples: list[Sample], name: str) -> int:
    return int(_total(samples, name))


def _total(samples: list[Sample], name: str) -> float:
    return sum(value for known, _, value in samples if known == name)
