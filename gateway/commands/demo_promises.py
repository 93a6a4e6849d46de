"""The demo's judgement: what the storefront was promised by a 2xx against what the platforms took, one by one.

The two ends are compared, the storefront's receipts and the simulated platforms' own lists; the gateway's store is
asked only for what it alone can know: what still waits, and whether its books balance.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.destinations.ga4_names import NAMES as GA4_NAMES
from actors.destinations.meta import NAMES as META_NAMES
from gateway.commands.demo_traffic import Receipt, Storefront
from gateway.commands.demo_world import SITE, World
from gateway.commands.reading import shown_time
from store import books, ledger
from store.check import check
from store.env import Store
from store.records import DeliveryRow

EXPLAIN_S: Final = 30
REFUSED_MOST: Final = 12  # deliveries that an outage may cost an attempt: 5 open the breaker, some are under way then


class Promise(Struct, frozen=True, kw_only=True):
    text: str
    observed: str
    is_kept: bool


class _Seen(Struct, frozen=True, kw_only=True):
    """Both ends."""

    receipts: list[Receipt]
    events: list[Receipt]  # those that should leave once: no repeats, one for both copies of a purchase
    took: dict[str, list[Any]]  # platform -> events that it accepted


def judge(world: World, storefront: Storefront) -> list[Promise]:
    """After the gateway has stopped."""
    receipts = list(storefront.receipts)
    names = world.simulator.names()
    took = {name: [one.event for one in world.simulator.accepted(name)] for name in names}
    seen = _Seen(receipts=receipts, events=list(_events(receipts)), took=took)
    store = Store(world.data_dir, is_readonly=True)
    try:
        return [*_promises(store, world, storefront, seen)]
    finally:
        store.close()


def _promises(store: Store, world: World, storefront: Storefront, seen: _Seen) -> Iterator[Promise]:
    yield _on_disk(store, storefront, seen)
    yield _bad_event(storefront)
    yield _merged(seen)
    yield _duplicates(store, seen)
    yield _meta(seen)
    yield _ga4(seen)
    yield _google_ads(seen)
    yield _webhook(store, seen)
    yield _denied(seen)
    yield _token(world)
    yield _explained(world, seen)
    yield _books(store)
    report = check(store, store.shards() or 0)
    yield Promise(
        text="gateway check-store finds nothing",
        observed="; ".join(report.problems[:3]) or f"all agrees: {report.counted['event']} events",
        is_kept=not report.problems,
    )
    yield Promise(
        text="SIGTERM ends the gateway in order", observed=f"exit code {world.exit_code}", is_kept=world.exit_code == 0
    )


def _events(receipts: Iterable[Receipt]) -> Iterator[Receipt]:
    """A purchase goes out under the pixel's id; the server's copy of it is no event of its own."""
    return (one for one in receipts if not one.is_repeat and not (one.side == "server" and one.order_id is not None))


def _on_disk(store: Store, storefront: Storefront, seen: _Seen) -> Promise:
    lost = [one.event_id for one in seen.receipts if not ledger.find_events(store, SITE, one.event_id)]
    refused = f"; {len(storefront.refused)} refused, such as {storefront.refused[0]}" if storefront.refused else ""
    return Promise(
        text="every event answered with a 2xx is in the store",
        observed=f"{len(seen.receipts) - len(lost)} of {len(seen.receipts)}{refused}",
        is_kept=not lost and not storefront.refused,
    )


def _bad_event(storefront: Storefront) -> Promise:
    return Promise(
        text="a bad event is answered with its field, its neighbour is taken",
        observed=storefront.bad_answer,
        is_kept="events[1].custom_data.currency" in storefront.bad_answer,
    )


def _merged(seen: _Seen) -> Promise:
    """Meta's purchases have the buyer from the server and the browser from the pixel."""
    bought = [one for one in seen.events if one.event_name == "purchase_placed" and one.consent == "granted"]
    paid = {one.order_id: one.value for one in seen.receipts if one.side == "server" and not one.is_repeat}
    purchases = {one["event_id"]: one for one in seen.took["meta"] if one["event_name"] == "Purchase"}
    whole = [
        one
        for one in bought
        if (event := purchases.get(one.event_id)) is not None
        and event["user_data"].keys() >= {"em", "fbp", "client_user_agent"}
        and round(event["custom_data"]["value"], 2) == round(float(paid[one.order_id] or 0), 2)
    ]
    return Promise(
        text="a purchase from pixel and server is one event with the identifiers of both and the exact value",
        observed=f"{len(whole)} of {len(bought)} at Meta",
        is_kept=len(whole) == len(bought) > 0,
    )


def _duplicates(store: Store, seen: _Seen) -> Promise:
    repeats = [one for one in seen.receipts if one.is_repeat]
    orders = {one.order_id for one in repeats if one.order_id is not None}
    copies = [
        copy
        for order in orders
        for event in ledger.find_order(store, SITE, order)
        if event.row.status == "processed"
        for copy in event.row.copies
        if not copy.is_merged
    ]
    return Promise(
        text="a repeated event is held back, with the evidence kept",
        observed=f"{len(copies)} of {len(repeats)} repeats are on record as duplicates",
        is_kept=len(copies) == len(repeats) > 0,
    )


def _meta(seen: _Seen) -> Promise:
    wanted = [one.event_id for one in seen.events if one.consent == "granted" and META_NAMES.get(one.event_name)]
    return exactly("Meta", wanted, [one["event_id"] for one in seen.took["meta"]])


def _ga4(seen: _Seen) -> Promise:
    """GA4 is sent no event id: a purchase is known by its order, the others are counted by name."""
    wanted = [_ga4_key(one.event_name, one.order_id) for one in seen.events if one.consent != "denied"]
    got = [
        f"purchase {one['params']['transaction_id']}" if one["name"] == "purchase" else str(one["name"])
        for request in seen.took["ga4"]
        for one in request["events"]
    ]
    return exactly("GA4", wanted, got)


def _ga4_key(event_name: str, order_id: str | None) -> str:
    name = GA4_NAMES.get(event_name) or event_name
    return f"purchase {order_id}" if name == "purchase" else name


def _google_ads(seen: _Seen) -> Promise:
    wanted = [
        one.order_id or "" for one in seen.events if one.event_name == "purchase_placed" and one.consent == "granted"
    ]
    return exactly("Google Ads", wanted, [one["transactionId"] for one in seen.took["google_ads"]])


def _webhook(store: Store, seen: _Seen) -> Promise:
    """What was refused during the outage waits for its second attempt, on the schedule: 150 s, give or take 10 %."""
    wanted = [one.event_id for one in seen.events if one.consent != "denied"]
    got = [one["data"]["event_id"] for one in seen.took["webhook"]]
    missing = set(wanted) - set(got)
    waiting = {event_id: row for event_id in missing if (row := _failed(store, event_id)) is not None}
    promise = exactly("the webhook's receiver", [one for one in wanted if one not in waiting], got)
    if not waiting:
        return promise
    first_ms = min(row.next_at_ms or 0 for row in waiting.values())
    told = f"{len(got)} of {len(wanted)}; {len(waiting)} met the outage and wait for attempt 2, the first at "
    return msgspec.structs.replace(
        promise,
        observed=told + f"{shown_time(first_ms)[11:19]} UTC",
        is_kept=promise.is_kept and len(waiting) <= REFUSED_MOST,
    )


def _failed(store: Store, event_id: str) -> DeliveryRow | None:
    for found in ledger.find_events(store, SITE, event_id):
        for one in ledger.deliveries_of(store, found.key):
            if one.destination == "own-backend" and one.row is not None and one.row.status == "failed":
                return one.row
    return None


def exactly(platform: str, wanted: list[str], got: list[str]) -> Promise:
    """The same things, each as often."""
    lost, extra = Counter(wanted) - Counter(got), Counter(got) - Counter(wanted)
    observed = f"{len(wanted) - lost.total()} of {len(wanted)}, {extra.total()} too many"
    return Promise(
        text=f"{platform} has each event it should have, once", observed=observed, is_kept=not lost and not extra
    )


def _denied(seen: _Seen) -> Promise:
    """Looked for in all that any platform accepted, under whatever name."""
    denied, unmarketed = _ids(seen, "denied"), _ids(seen, "measuring only")
    leaks = 0
    for platform, events in seen.took.items():
        kept_in = denied | unmarketed if platform in ("meta", "google_ads") else denied
        texts = (msgspec.json.encode(event).decode() for event in events)
        leaks += sum(any(f'"{one}"' in text for one in kept_in) for text in texts)
    return Promise(
        text="nothing of visitors who denied consent reached a platform that needs it",
        observed=f"{len(denied)} event and order ids looked for, {leaks} found",
        is_kept=leaks == 0 and bool(denied),
    )


def _ids(seen: _Seen, consent: str) -> set[str]:
    chosen = [one for one in seen.receipts if one.consent == consent]
    return {one.event_id for one in chosen} | {one.order_id for one in chosen if one.order_id is not None}


def _token(world: World) -> Promise:
    paused = world.gateway.said("destination_paused")
    published = world.gateway.said("config_published")
    return Promise(
        text="a refused token pauses its destination; after the new one everything that waited goes out",
        observed=f"paused {paused} times, {published} new configuration published by SIGHUP",
        is_kept=paused >= 1 and published >= 1,
    )


def _explained(world: World, seen: _Seen) -> Promise:
    """By the command that people use."""
    order = next(one.order_id for one in seen.receipts if one.is_repeat and one.consent == "granted") or ""
    command = [sys.executable, "-m", "gateway", "explain", "--order", order, "--json"]
    command += ["--data-dir", str(world.data_dir)]
    done = subprocess.run(command, capture_output=True, timeout=EXPLAIN_S, check=False)
    try:
        [story] = msgspec.json.decode(done.stdout, type=list[dict[str, Any]])
    except (msgspec.DecodeError, ValueError):
        observed = done.stderr.decode("utf-8", "replace")[-300:]
        return Promise(text=_explains(order), observed=observed, is_kept=False)
    copies = Counter(copy["became"] for copy in story["copies"])
    counted = sum(one["status"] == "delivered" for one in story["destinations"])
    return Promise(
        text=_explains(order),
        observed=", ".join(f"{count} {name}" for name, count in copies.items()) + f"; delivered to {counted} places",
        is_kept=copies["first"] == copies["merged"] == 1 and copies["duplicate"] == 2 and counted >= 3,
    )


def _explains(order: str) -> str:
    return f"gateway explain --order {order} shows the merge and the duplicates"


def _books(store: Store) -> Promise:
    difference = books.difference(store)
    return Promise(
        text="the books balance: accepted = delivered + queued + failed + dropped + not routed",
        observed=f"difference {difference}",
        is_kept=difference == 0,
    )


def show(promises: list[Promise], out: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "promise", "observed"):
        table.add_column(column, overflow="fold")
    for one in promises:
        mark = Text("kept", "green") if one.is_kept else Text("BROKEN", "bold red")
        table.add_row(mark, one.text, one.observed)
    out.print()
    out.print(table)
    broken = sum(not one.is_kept for one in promises)
    out.print(f"\n{broken} promises were broken" if broken else f"\nall {len(promises)} promises were kept")
