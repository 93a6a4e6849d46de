"""The store: one LMDB environment per data directory, the gateway's only memory.

    env.py        opens the environment, its databases and its format version
    whole.py      reads a whole file, in a process that may die of it
    keys.py       every key, encoded so that each question is one range scan
    records.py    every stored record, versioned and checksummed
    writer.py     the one writing thread: takes what waits, commits it together, reports
    mailbox.py    the log of messages in shards, and the cursor of each shard
    ledger.py     events and deliveries: what happened to each, and why
    outbox.py     per destination: what to send next
    books.py      counters that must balance, kept in the commit of what they count
    versions.py   which configuration was in force since when
    retention.py  deletes what is past its time, in small commits; purge.py plans what goes
    privacy.py    jobs that export or erase a person; rewriting.py commits what they plan, receipts.py tells of it
    check.py      the consistency check: check_*.py, over the pages and the list of findings.py

Reads are inline in one short transaction that ends before any `await`; writes are functions of a `WriteTxn` that the
writer runs. Databases: see `env.NAMES`.
"""
