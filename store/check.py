"""The consistency check: whether everything in the store agrees with everything else. Tests and `gateway check-store`
run it, on a store at rest or on a live one.

    check_log.py        cursors, messages and the indexes that lead to them
    check_books.py      the books: balanced, and equal to a recount hour by hour
    check_traffic.py    traffic counters, whose sums are the books'
    check_outbox.py     each delivery in exactly one place; depths
    check_actors.py     alarms and the states they wake
    check_replays.py    replay jobs and the marks of those that run
    check_privacy.py    exports and erasures, and the receipts of these
    check_journeys.py   touchpoints, conversions and what leads to them; credit that adds up
    check_identifiers.py  identities and the index that leads to them
    here                configuration versions, what destinations are doing and tracked links can be read

It reads in pages, each in a short transaction, in bounded memory. On a live store rows change between two pages, so
what looks wrong is looked at again by itself, in one transaction or with proof that it stood still; what never stood
still is counted as `moving`, not as a problem.
"""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from store import keys, links, standing, versions
from store.check_actors import check_actors
from store.check_books import check_books
from store.check_identifiers import check_identifiers
from store.check_journeys import check_journeys
from store.check_log import check_events, check_indexes, check_log
from store.check_outbox import check_outbox
from store.check_privacy import check_privacy
from store.check_replays import check_replays
from store.check_traffic import check_traffic
from store.env import NAMES, Store
from store.findings import Findings, pages
from store.records import LINK, STANDING, STORED_CONFIG, VERSION
from store.routes_records import ROUTES_DRAFT, ROUTES_VERSION

if TYPE_CHECKING:
    from store.codec import Codec


class Report(Struct, frozen=True, kw_only=True):
    """`problems`: sentences, empty where all agrees; at most `findings.PROBLEMS_KEPT`, and how many more there are.

    `counted`: rows of each database, and what was compared. `moving`: how much could not be, since it kept changing.
    """

    problems: tuple[str, ...]
    counted: dict[str, int]
    moving: int


def check(store: Store, shards: int) -> Report:
    """Reads the whole store. Takes a minute for some million events; other work goes on meanwhile."""
    findings = Findings()
    check_config(store, findings)
    check_standing(store, findings)
    check_links(store, findings)
    check_replays(store, findings)
    check_privacy(store, findings)
    check_journeys(store, findings)
    check_log(store, shards, findings)
    check_indexes(store, findings)
    check_events(store, findings)
    check_outbox(store, findings)
    check_books(store, findings)
    check_traffic(store, findings)
    check_actors(store, findings)
    check_identifiers(store, findings)
    return Report(
        problems=findings.told(),
        counted={**_rows(store), **findings.counted},
        moving=findings.moving,
    )


def check_config(store: Store, findings: Findings) -> None:
    """Every configuration version can be read, and of each site's routes every version and the draft."""
    kinds: tuple[tuple[bytes, Codec[Any]], ...] = (
        (versions.PREFIX, VERSION),
        (keys.STORED_CONFIG, STORED_CONFIG),
        (keys.ROUTES_VERSION, ROUTES_VERSION),
        (keys.ROUTES_DRAFT, ROUTES_DRAFT),
    )
    for prefix, codec in kinds:
        for _, rows in pages(store, versions.NAME, prefix):
            for key, raw in rows:
                findings.read(versions.NAME, codec, key, raw)


def check_standing(store: Store, findings: Findings) -> None:
    """Each row of what a destination is doing can be read, under a destination's key."""
    for _, rows in pages(store, standing.NAME):
        for key, raw in rows:
            findings.read(standing.NAME, STANDING, key, raw)
            if len(key) != keys.DIGEST_BYTES:
                findings.add(f"standing {key.hex()}: its key is no destination's")


def check_links(store: Store, findings: Findings) -> None:
    """Each tracked link can be read, under its own key."""
    for _, rows in pages(store, links.NAME):
        for key, raw in rows:
            row = findings.read(links.NAME, LINK, key, raw)
            if row is not None and keys.link(row.site, row.slug) != key:
                findings.add(f"link {key.hex()}: it calls itself {row.site}/{row.slug}")


def _rows(store: Store) -> dict[str, int]:
    with store.read() as txn:
        return {name: txn.stat(store.dbs[name])["entries"] for name in NAMES}
