"""Jobs that export or erase: each can be read under its own number and is marked as running exactly while it runs; the
receipts are as they were written."""

from store import keys, receipts
from store.env import Store
from store.findings import Findings, get, pages
from store.privacy import NAME
from store.records import PRIVACY


def check_privacy(store: Store, findings: Findings) -> None:
    for txn, rows in pages(store, NAME, keys.JOBS):
        for key, raw in rows:
            row = findings.read(NAME, PRIVACY, key, raw)
            if row is None:
                continue
            findings.counted["privacy_jobs"] += 1
            if keys.privacy_job(row.number) != key:
                findings.add(f"privacy {key.hex()}: it calls itself job {row.number}")
            is_marked = get(txn, store, NAME, keys.RUNNING_JOBS + key[1:]) is not None
            if is_marked != (row.phase != "done"):
                findings.add(f"privacy job {row.number}: it {'is' if is_marked else 'is not'} marked as running")
    for txn, rows in pages(store, NAME, keys.RUNNING_JOBS):
        for key, _ in rows:
            if get(txn, store, NAME, keys.JOBS + key[1:]) is None:
                findings.add(f"privacy {key.hex()}: it is marked as running, and there is no such job")
    for number, (receipt, is_true) in enumerate(receipts.listed(store), start=1):
        findings.counted["receipts"] += 1
        if not is_true:
            findings.add(f"receipt {receipt.number if receipt is not None else number}: it is not as it was written")
