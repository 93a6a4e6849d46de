"""The simulation: the whole gateway in one process, on virtual time, from one seed.

    plan.py         what a seed means: how much traffic, how long, which crashes, whether the clock jumps
    shops.py        the two shops and their destinations
    rules.py        their routes and how consent counts, drawn for each version; and what they come to
    world.py        the wall clock, the machine's lives one after the other, the trace
    machine.py      one life of the gateway, ended by a crash at a chosen commit or time
    platforms.py    strict platforms that fail at random and remember what they took, and who heard of it
    moods.py        how they fail; spoiling.py: events that they refuse; families.py: what finding those costs
    dedup_keys.py   by what each platform knows a repeat of an event
    traffic.py      visitors and shops: what they send, again and again until it is acknowledged
    ledger.py       all that a store holds, read at once
    invariants.py   what must be true of it after every crash, and at the end; so, too:
    decisions.py      every decision is that of its version's routes, and what left is what was decided
    choices.py        consent: nothing leaves that was denied then or since, what waits for a choice ends once

`python -m tests.simulation --seeds 0-999` runs seeds and prints those that fail; `--seeds 17 --trace` tells the story
of one.
"""
