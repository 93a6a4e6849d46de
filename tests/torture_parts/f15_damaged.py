"""The store's file is damaged: bits flipped at random, the end cut off (RELIABILITY F15).

Bars: the gateway refuses it with the store's exit code and says why, at once or after a few tries, or serves and sets
damaged rows aside; it never starts again and again, and what it delivers is what it would have delivered.
"""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import trio
from msgspec import Struct

from bench.simulator import Fault
from gateway.exit_codes import OK, STORE
from tests.torture_parts.harness import Gateway, Platforms, Setup, folder, in_memory, platforms, running
from tests.torture_parts.images import judging
from tests.torture_parts.load import loading

EVENTS = 150
SERVES_S = 1.0  # how long one that serves is watched
END_S = 90.0  # processor time of some starts that stand still, on a machine that others use
ASSERTION = "mdb.c:"  # what LMDB itself writes when it ends the process
Delivered = dict[str, Any]  # event id -> what the webhook got of it


class Outcome(Struct, frozen=True, kw_only=True):
    name: str
    missed: tuple[str, ...] = ()


async def run(full: bool) -> dict[str, object]:
    """All files are looked at by a reader, and some are started for real; in full 1,000 and 100."""
    looked, started = (1_000, 100) if full else (12, 2)
    missed: list[str] = []
    async with platforms() as held:
        with folder() as directory:
            sound = await _sound(directory, held)
            expected = await _deliver_all(directory / "control", held, sound)
            read = await _read(sound, looked)
            outcomes: Counter[str] = Counter()
            for number in range(started):
                outcome = await _start(directory / str(number), held, damage(sound, number, started), expected)
                outcomes[outcome.name] += 1
                missed += [f"file {number}: {fault}" for fault in outcome.missed]
    missed += [f"reading {read['hung']} files does not end"] if read["hung"] else []
    missed += [] if len(expected) >= EVENTS else [f"only {len(expected)} events came from the sound file"]
    return {"files_read": looked, "read": dict(read), "started": started, "starts": dict(outcomes), "missed": missed}


def damage(sound: bytes, number: int, of: int) -> bytes:
    """One in ten is cut off at random, the others have 1 to 1,000 bits flipped; the same number, the same damage."""
    chance = random.Random(number)
    data = bytearray(sound)
    if number % 10 == 0:
        del data[chance.randrange(4096, len(data)) :]
        return bytes(data)
    for _ in range(chance.choice((1, 3, 30, 300, 1_000)) if number < of else 1):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


async def _sound(directory: Path, held: Platforms) -> bytes:
    """A store with processed events whose deliveries all wait: the webhook was down."""
    held.simulator.fail("webhook", Fault(kind="hang"))
    setup = Setup(directory=directory, platforms=held, has_meta=False)
    async with running(setup) as gateway:
        async with loading(gateway.port, "damage", 4) as load:
            await load.wait_acks(EVENTS)
        await trio.sleep(0.3)
    held.simulator.heal("webhook")
    return (setup.store / "data.mdb").read_bytes()


async def _read(sound: bytes, files: int) -> Counter[str]:
    found: Counter[str] = Counter()
    async with judging() as judge:
        for number in range(files):
            with folder(in_memory()) as directory:
                (directory / "data.mdb").write_bytes(damage(sound, number, files))
                verdict = await judge.look(directory)
            if verdict.died or verdict.refused:
                found[verdict.died or "refused"] += 1
            else:
                found["damage found" if verdict.held and verdict.held.problems else "nothing found"] += 1
    return found


async def _deliver_all(directory: Path, held: Platforms, data: bytes) -> Delivered:
    """What goes out of a sound store."""
    await _start(directory, held, data, {})
    return _taken(held)


async def _start(directory: Path, held: Platforms, data: bytes, expected: Delivered) -> Outcome:
    setup = Setup(directory=directory, platforms=held, has_meta=False)
    setup.store.mkdir(parents=True)
    (setup.store / "data.mdb").write_bytes(data)
    async with running(setup, is_ready=False) as gateway:
        if not await _has_outcome(gateway):
            return Outcome(name="hung", missed=("neither serves nor ends",))
        code = (await gateway.stop()) if not gateway.has_ended() else await gateway.wait_end()
        if not expected:
            return Outcome(name="sound")
        missed = _wrong(_taken(held), expected)
        missed += [f"no line of the log: {line}" for line in gateway.noise[:2] if ASSERTION not in line]
        outcome = _judge(gateway, code, missed)
    shutil.rmtree(directory)
    return outcome


async def _has_outcome(gateway: Gateway) -> bool:
    """Whether it has ended by itself, or serves steadily, within the bound."""
    with trio.move_on_after(END_S):
        while not gateway.has_ended():
            ready, ended = len(gateway.said("ready")), len(gateway.codes())
            await trio.sleep(SERVES_S)
            if ready > ended == len(gateway.codes()):
                return True
    return gateway.has_ended()


def _judge(gateway: Gateway, code: int, missed: list[str]) -> Outcome:
    reasons = [line for line in gateway.lines if line.get("action") in ("worker_failed", "given_up")]
    if code == OK and not gateway.codes():
        return Outcome(name="served", missed=tuple(missed))
    if code == STORE:
        missed += [] if reasons else ["no word of why"]
        return Outcome(name="refused" if len(gateway.codes()) < 2 else "given up", missed=tuple(missed))
    return Outcome(name="other", missed=(*missed, f"ended with {code}, workers with {gateway.codes()}"))


def _wrong(got: Delivered, expected: Delivered) -> list[str]:
    wrong = [event_id for event_id, data in got.items() if expected.get(event_id) != data]
    return [f"{len(wrong)} events delivered otherwise than from the sound file"] if wrong else []


def _taken(held: Platforms) -> Delivered:
    """What the webhook took, by event; forgotten by the simulator."""
    accepted = held.simulator.platform("webhook").accepted
    found = {one.event["data"]["event_id"]: one.event["data"] for one in accepted}
    accepted.clear()
    return found
