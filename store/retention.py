"""Retention: deletes what is past its time, in small commits that free pages for reuse.

Time here is the *purge clock*, kept in the store. It follows the wall clock, but while the gateway runs it goes forward
by at most a day an hour, however far the wall clock has jumped. After a long stop it catches up within hours; a clock
set years ahead by mistake would have to stay wrong for 30 to 365 hours of running before anything is deleted too early.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, Protocol

import lmdb
import trio

from store import keys, purge, purge_journeys
from store.env import Store, fetch
from store.purge import Plan
from store.writer import Apply, Writer, WriteTxn, commit

ROUND_S: Final = 300.0  # between rounds through all that may be due
STEP_S: Final = 0.2  # between steps of a round: the writer and the loop belong to others
FULL_STEP_S: Final = 0.05  # after a step that found as much as it may delete
CATCH_UP: Final = 24  # the purge clock's speed at most
MARGIN_MS: Final = keys.HOUR_MS  # an event that is still on its way may be a copy of one that is just due
LONGEST_MS: Final = 365 * purge.DAY_MS  # the longest retention; that of a site taken out of the configuration

CLOCK_KEY: Final = b"retention\x00clock"
WATERMARK: Final = b"retention\x00until\x00"

BY_SITE: Final = (  # databases whose keys begin with a site, some after a letter
    ("site_event", b""),
    ("books", b""),
    ("traffic", b""),
    ("touch", keys.TOUCHES),
    ("conversion", keys.CONVERSIONS_AT),
)
Step = tuple[Plan, Apply]  # what goes, and the write that deletes it


class Rules(Protocol):
    @property
    def retention_ms(self) -> int: ...


class Configuration(Protocol):
    @property
    def sites(self) -> Mapping[str, Rules]: ...


async def run(
    store: Store, writer: Writer, configuration: Callable[[], Configuration], now_ms: Callable[[], int]
) -> None:
    """Rounds without end. Raises StoreBroken where a commit fails."""
    began_s = trio.current_time()
    while True:
        ran_s = trio.current_time() - began_s
        began_s = trio.current_time()
        clock_ms = advance(read_clock(store), now_ms(), ran_s)
        await commit(writer, partial(_put_number, CLOCK_KEY, clock_ms))
        await purge_round(store, writer, configuration())
        await trio.sleep(ROUND_S)


def advance(clock_ms: int | None, wall_ms: int, ran_s: float) -> int:
    """The purge clock after `ran_s` more seconds of running."""
    if clock_ms is None or wall_ms <= clock_ms:
        return wall_ms
    return min(wall_ms, clock_ms + int(ran_s * 1000) * CATCH_UP)


async def purge_round(store: Store, writer: Writer, configuration: Configuration) -> int:
    """Deletes everything that is due by the purge clock; how many events and single rows went."""
    clock_ms = read_clock(store)
    if clock_ms is None:
        return 0
    gone = 0
    kept_ms = {site: rules.retention_ms for site, rules in configuration.sites.items()}
    for plan, apply in steps(store, kept_ms, clock_ms - MARGIN_MS):
        gone += len(plan.doomed)
        await commit(writer, apply)  # one that changes nothing costs no sync
        await trio.sleep(FULL_STEP_S if len(plan.doomed) >= purge.EVENTS_A_COMMIT else STEP_S)
    return gone


def steps(store: Store, kept_ms: Mapping[str, int], now_ms: int) -> Iterator[Step]:
    """One round, step by step: each is planned when it is asked for, after the one before is committed."""
    by_digest = {keys.digest8(site): kept for site, kept in kept_ms.items()}
    cutoffs = {site: max(0, now_ms - by_digest.get(site, LONGEST_MS)) for site in sites(store)}
    yield Plan([], b""), partial(_raise_watermarks, cutoffs)
    last_ms = max(0, now_ms - max(kept_ms.values(), default=LONGEST_MS))
    for first in (
        *(partial(purge.events, store, site, cutoff_ms) for site, cutoff_ms in cutoffs.items()),
        *(partial(purge_journeys.touches, store, site, cutoff_ms, now_ms) for site, cutoff_ms in cutoffs.items()),
        *(partial(purge_journeys.conversions, store, site, cutoff_ms) for site, cutoff_ms in cutoffs.items()),
        partial(purge.hours, store, cutoffs),
        partial(purge.traffic, store, cutoffs),
        partial(purge.dead_letters, store, last_ms),
        partial(purge.set_aside, store, last_ms),
        partial(purge.sightings, store, now_ms),
        partial(purge.verdicts, store, now_ms),
        partial(purge.states, store, now_ms, lambda site: kept_ms.get(site, LONGEST_MS)),
        partial(purge.identities, store, now_ms, lambda site: kept_ms.get(site, LONGEST_MS)),
        partial(purge.identifiers, store, now_ms),
    ):
        for plan in _plans(first):
            yield plan, purge.apply(plan)


def sites(store: Store) -> list[bytes]:
    """Digests of the sites that have rows that are deleted by their time: one seek each."""
    with store.read() as txn:
        return sorted({site for name, letter in BY_SITE for site in _prefixes(txn, store, name, letter)})


def _prefixes(txn: lmdb.Transaction, store: Store, database: str, letter: bytes = b"") -> Iterator[bytes]:
    with txn.cursor(db=store.dbs[database]) as cursor:
        is_there = cursor.set_range(letter) if letter else cursor.first()
        while is_there and bytes(cursor.key()).startswith(letter):
            site = bytes(cursor.key())[len(letter) : len(letter) + keys.DIGEST_BYTES]
            yield site
            is_there = cursor.set_range(letter + site + b"\xff" * 45)


def read_clock(store: Store) -> int | None:
    """The purge clock; None before the first round, and where it cannot be read."""
    with store.read() as txn:
        raw = fetch(txn, store.dbs["meta"], CLOCK_KEY)
    return keys.read_u64(raw) if raw is not None and len(raw) == keys.U64_BYTES else None


def _plans(first: Callable[[bytes], Plan]) -> Iterator[Plan]:
    after = b""
    while True:
        plan = first(after)
        yield plan
        after = plan.after
        if not after:
            return


def _raise_watermarks(cutoffs: Mapping[bytes, int], write: WriteTxn) -> None:
    """Before anything goes: who checks the store then knows what may be missing."""
    for site, cutoff_ms in cutoffs.items():
        if cutoff_ms > keys.number_or(write.get("meta", WATERMARK + site), 0):
            _put_number(WATERMARK + site, cutoff_ms, write)


def _put_number(key: bytes, number: int, write: WriteTxn) -> None:
    write.put("meta", key, keys.u64(number))
