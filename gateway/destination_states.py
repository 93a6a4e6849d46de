"""What a destination is doing now, read from the store: its standing, and what waits for it."""

from msgspec import Struct

from store import keys, standing
from store.env import Store, fetch
from store.outbox import oldest_due_ms
from store.records import Standing


class DestinationState(Struct, frozen=True, kw_only=True):
    """`standing`: None where it never ran. `oldest_due_age_s`: None where nothing waits, negative where not due."""

    standing: Standing | None
    queued: int
    oldest_due_age_s: float | None


def state_of(store: Store, site: str, destination: str, now_ms: int) -> DestinationState:
    key = keys.destination(site, destination)
    with store.read() as txn:
        queued = keys.number_or(fetch(txn, store.dbs["depth"], key), 0)
    due_ms = oldest_due_ms(store, key) if queued else None
    return DestinationState(
        standing=standing.read(store, key),
        queued=queued,
        oldest_due_age_s=(now_ms - due_ms) / 1_000 if due_ms is not None else None,
    )
