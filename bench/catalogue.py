"""Whether every event comes to its right end at every destination: all names, all platforms at once.

Events in every state that platforms tell apart (catalogue_events.py) go to a running gateway with all destinations
against the strict platforms. Each delivery must end delivered, dropped or not routed for a reason that the contract
pages give (catalogue_rules.py, which knows no adapter); the platforms must refuse nothing, the books must balance.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from typing import Final

import msgspec
from msgspec import Struct

from bench import traffic
from bench.backlog import open_backlog
from bench.catalogue_events import CONVERSIONS, NAMES, Given, given, raw
from bench.catalogue_rules import DELIVERED, RULES, right
from bench.destinations import PLATFORMS as PLATFORM_OF
from bench.errors import BenchFailed
from bench.gateway_process import SITE, Gateway, Platforms, running_gateway, running_platforms
from bench.report import Report, Section
from bench.setting import Setting
from store.check import check
from store.env import Store
from store.ledger import Found, deliveries_of, find_events

EVENTS: Final = 10_000
QUICK_EVENTS: Final = 624  # each name twelve times
A_REQUEST: Final = 100
DESTINATIONS: Final = tuple(RULES)
TOLD_MOST: Final = 10

METHOD: Final = (
    f"{len(NAMES)} names, each with drawn identifiers, consent, amounts, items, age and origin; one seed, so that all "
    "can be repeated",
    "right: delivered, or stopped for a reason that the contract pages give for such an event",
    "the platforms refused nothing, and took as many events as are called delivered; the books balance",
)


class Row(Struct, frozen=True, kw_only=True):
    """One destination."""

    destination: str
    delivered: int
    not_encodable: int
    too_old: int
    no_route: int
    no_consent: int
    no_sale: int
    requests: int  # of the platform, whose ways share them


class End(Struct, frozen=True, kw_only=True):
    """What became of one event at one destination."""

    destination: str
    what: str  # delivered, dropped:<reason>, not_routed:<reason>, or what it still is
    words: str = ""
    attempts: int = 0


def run(setting: Setting) -> Report:
    return run_seeded(setting, setting.random.getrandbits(32), QUICK_EVENTS if setting.is_quick else EVENTS)


def run_seeded(setting: Setting, seed: int, events: int) -> Report:
    """Raises BenchFailed where anything ended wrong."""
    directory = setting.directory / "catalogue"
    all_given = [given(number, seed) for number in range(events)]
    setting.tell(f"{events:,} events, seed {seed}")
    with running_platforms(setting.cores) as platforms:
        with running_gateway(directory, setting.cores, platforms, DESTINATIONS, CONVERSIONS) as gateway:
            took_s = _send(gateway, all_given)
            with open_backlog(gateway.data_dir) as backlog:
                took_s += backlog.wait_empty() - time.perf_counter()
        platforms.check()
        rows = _examine(Store(gateway.data_dir, is_readonly=True), platforms, all_given)
    shutil.rmtree(directory)
    ended = sum(row.delivered + row.not_encodable + row.too_old for row in rows)
    title = f"{events:,} events of seed {seed}: {ended:,} deliveries in {took_s:.1f} s, each at a right end"
    return setting.report("catalogue", METHOD, [Section(title=title, rows=rows)], [])


def _send(gateway: Gateway, all_given: Sequence[Given]) -> float:
    """Posts them in batches, as a shop's server does; how long that took."""
    started = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    headers = {"authorization": f"Bearer {traffic.WRITE_KEY}", "content-type": "application/json"}
    for at in range(0, len(all_given), A_REQUEST):
        now_ms = time.time_ns() // 1_000_000
        events = [raw(one, now_ms) for one in all_given[at : at + A_REQUEST]]
        connection.request("POST", "/v1/events", msgspec.json.encode({"events": events}), headers)
        answer = connection.getresponse()
        body = answer.read()
        told = msgspec.json.decode(body)
        if answer.status != 202 or told["rejected"]:
            raise BenchFailed(f"answer {answer.status}: {body[:500]!r}")
    connection.close()
    return time.perf_counter() - started


def _examine(store: Store, platforms: Platforms, all_given: Sequence[Given]) -> list[Row]:
    try:
        shards = store.shards()
        problems = list(check(store, shards).problems) if shards is not None else ["the gateway never ran"]
        ends = {one.number: list(_ends(store, one)) for one in all_given}
    finally:
        store.close()
    problems += [told for one in all_given for end in ends[one.number] for told in wrong(one, end)]
    rows = list(_rows(ends, platforms))
    problems += _unlike_taken(rows, platforms)
    if problems:
        raise BenchFailed(f"{len(problems)} problems:\n" + "\n".join(problems[:TOLD_MOST]))
    return rows


def _ends(store: Store, one: Given) -> Iterator[End]:
    found = find_events(store, SITE, one.event_id)
    if len(found) != 1 or found[0].row.status != "processed":
        yield End(destination="", what=f"{len(found)} events, {[each.row.status for each in found]}")
        return
    yield from _ends_of(store, found[0])


def _ends_of(store: Store, found: Found) -> Iterator[End]:
    for destination, reason in found.row.not_routed.items():
        yield End(destination=destination, what=f"not_routed:{reason}")
    for delivery in deliveries_of(store, found.key):
        row = delivery.row
        if row is None:
            yield End(destination=delivery.destination, what="queued")
            continue
        what = f"dropped:{row.reason}" if row.status == "dropped" else row.status
        yield End(destination=delivery.destination, what=what, words=row.words, attempts=len(row.attempts))


def wrong(one: Given, end: End) -> Iterator[str]:
    """What is not as it should be."""
    wanted = right(one, end.destination) if end.destination else frozenset({"one event"})
    if end.what not in wanted:
        yield f"{end.destination}: {end.what} ({end.words}) instead of {sorted(wanted)}: {one}"
    elif end.what == DELIVERED and end.attempts != 1:
        yield f"{end.destination}: {end.attempts} attempts: {one}"


def _rows(ends: Mapping[int, Sequence[End]], platforms: Platforms) -> Iterator[Row]:
    counted = Counter((end.destination, end.what) for each in ends.values() for end in each)
    counts = platforms.counts()
    for name in DESTINATIONS:
        yield Row(
            destination=name,
            delivered=counted[name, DELIVERED],
            not_encodable=counted[name, "dropped:not_encodable"],
            too_old=counted[name, "dropped:too_old"],
            no_route=counted[name, "not_routed:no_route"],
            no_consent=counted[name, "not_routed:consent_denied"],
            no_sale=counted[name, "not_routed:sale_denied"],
            requests=counts[PLATFORM_OF[name]].requests,
        )


def _unlike_taken(rows: Sequence[Row], platforms: Platforms) -> Iterator[str]:
    """Platforms that took another number of events than what is called delivered."""
    counts = platforms.counts()
    for platform in sorted(set(PLATFORM_OF.values())):
        delivered = sum(row.delivered for row in rows if PLATFORM_OF[row.destination] == platform)
        if delivered != counts[platform].accepted:
            yield f"{platform} took {counts[platform].accepted} events, {delivered} are called delivered"
