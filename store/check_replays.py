"""Replay jobs: each can be read under its own number, and is marked as running exactly while it runs."""

from store import keys
from store.env import Store
from store.findings import Findings, get, pages
from store.records import REPLAY
from store.replays import NAME


def check_replays(store: Store, findings: Findings) -> None:
    for txn, rows in pages(store, NAME, keys.REPLAYS):
        for key, raw in rows:
            row = findings.read(NAME, REPLAY, key, raw)
            if row is None:
                continue
            findings.counted["replays"] += 1
            if keys.replay(row.number) != key:
                findings.add(f"replay {key.hex()}: it calls itself job {row.number}")
            is_marked = get(txn, store, NAME, keys.RUNNING_REPLAYS + key[1:]) is not None
            if is_marked != (row.state == "running"):
                marked = "is" if is_marked else "is not"
                findings.add(f"replay {row.number}: it is {row.state}, and {marked} marked as running")
    for txn, rows in pages(store, NAME, keys.RUNNING_REPLAYS):
        for key, _ in rows:
            if get(txn, store, NAME, keys.REPLAYS + key[1:]) is None:
                findings.add(f"replay {key.hex()}: it is marked as running, and there is no such job")
