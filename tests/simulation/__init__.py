"""The simulation: the whole gateway in one process, on virtual time, from one seed.

    plan.py         what a seed means: how much traffic, how long, which crashes, whether the clock jumps
    shops.py        the two shops and their destinations
    world.py        the wall clock, the machine's lives one after the other, the trace
    machine.py      one life of the gateway, ended by a crash at a chosen commit or time
    platforms.py    strict platforms that fail at random and remember what they took, and who heard of it
    moods.py        how they fail; spoiling.py: events that they refuse; families.py: what finding those costs
    dedup_keys.py   by what each platform knows a repeat of an event
    traffic.py      visitors and shops: what they send, again and again until it is acknowledged
    ledger.py       all that a store holds, read at once
    invariants.py   what must be true of it after every crash, and at the end

`python -m tests.simulation --seeds 0-999` runs seeds and prints those that fail; `--seeds 17 --trace` tells the story
of one.
"""
