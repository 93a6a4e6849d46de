"""Alarms agree with the states of the actors they wake: each pair of rows is looked at in one transaction."""

from store import keys
from store.env import Store
from store.findings import Findings, decode, get, pages
from store.records import STATE


def check_actors(store: Store, findings: Findings) -> None:
    for txn, rows in pages(store, "state"):
        for key, raw in rows:
            row = findings.read("state", STATE, key, raw)
            due_ms = row.alarm_at_ms if row is not None else None
            if row is not None and keys.digest16(row.actor_key) != key[1:]:
                findings.add(f"state {key.hex()}: belongs to an actor of another key")
            if due_ms is not None and get(txn, store, "alarm", keys.alarm(due_ms, key)) is None:
                findings.add(f"state {key.hex()}: its alarm at {due_ms} is not set")
    for txn, rows in pages(store, "alarm"):
        for key, _ in rows:
            due_ms, state_key = keys.read_alarm(key)
            raw_state = get(txn, store, "state", state_key)
            row = decode(STATE, raw_state)
            if raw_state is None:
                findings.add(f"alarm at {due_ms}: its actor {state_key.hex()} is gone")
            elif row is not None and row.alarm_at_ms != due_ms:
                findings.add(f"alarm at {due_ms}: its actor {state_key.hex()} waits for {row.alarm_at_ms}")
