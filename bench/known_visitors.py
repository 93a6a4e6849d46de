"""Fills a store with visitors that are known: their states, as the visitor actor leaves them, written by its own code.

A million visitors through the door would take many minutes and tell the same: what the bench of states asks is how
finding one state among so many fares. Each known visitor has a visit, touches, identifiers and counters.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from actors.actor import Ref
from actors.identity import email_digests
from actors.visitor import Known, Visitor, VisitorState
from actors.visits import Touch, Visit
from actors.warm import Warm
from bench import traffic
from bench.gateway_process import SITE
from store import keys
from store.env import Store
from store.writer import InlineWriter, WriteTxn

A_COMMIT: Final = 5_000


def write_visitors(data_dir: Path, visitors: int, now_ms: int) -> None:
    """Into a store that no gateway has open. The gateway finds them by the ids that the benches' events carry."""
    store = Store(data_dir)
    writer = InlineWriter(store)
    for start in range(0, visitors, A_COMMIT):
        numbers = range(start, min(visitors, start + A_COMMIT))
        ticket = writer.submit(partial(_write, numbers=numbers, now_ms=now_ms))
        if ticket.error is not None:
            raise ticket.error
    store.close()


def _write(write: WriteTxn, numbers: range, now_ms: int) -> None:
    for number in numbers:
        for db, key, value in _rows(f"{number:07d}", now_ms):
            write.put(db, key, value)


def _rows(visitor: str, now_ms: int) -> Iterator[tuple[str, bytes, bytes]]:
    ref = Ref(Visitor.kind, f"{SITE}\x1f{traffic.visitor_id(visitor)}")
    actor = Visitor(ref.key, _state(visitor, now_ms))
    warm = Warm(ref, keys.state(Visitor.number, ref.key), actor, None, 0)
    yield from ((db, key, value) for db, key, value in warm.puts(now_ms) if value is not None)


def _state(visitor: str, now_ms: int) -> VisitorState:
    email = email_digests(traffic.email_of(visitor))
    assert email is not None
    values = {
        "email": email.sha256,
        "external_id": traffic.customer_of(visitor),
        "fbp": traffic.browser_id_of(visitor),
        "ga_client_id": traffic.client_id_of(visitor),
    }
    touch = Touch(at_ms=now_ms, source="newsletter", medium="email", campaign="autumn")
    return VisitorState(
        first_seen_at_ms=now_ms,
        last_seen_at_ms=now_ms,
        visit=Visit(id=f"{int(visitor):032x}", started_at_ms=now_ms, last_at_ms=now_ms, touch=touch),
        visits=1,
        seen={name: [Known(value=value, first_at_ms=now_ms, last_at_ms=now_ms)] for name, value in values.items()},
        events=3,
    )
