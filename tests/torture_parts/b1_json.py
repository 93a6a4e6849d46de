"""JSON bodies that go wrong, through both doors of the running gateway (RELIABILITY B1).

Bars: every body is refused with a 4xx or stored in canonical form, never a 5xx, the same way through both doors; within
20 ms at the size cap; what was taken is delivered and shown; no line of the log is a traceback.
"""

import random
import sys
import time
from collections.abc import Set
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from tests.torture_parts import compare
from tests.torture_parts.bodies import cases, event
from tests.torture_parts.harness import Gateway, Setup, folder, percentile, platforms, run_child, running
from tests.torture_parts.load import read_reply, request

ANSWER_MS = 20.0
TIMES = 3  # the quickest of so many counts: the machine is not ours alone
MUTATED = 20_000


class Taken(Struct):
    event_id: str
    status: str


class Answered(Struct):
    events: list[Taken] = []


class Shown(Struct):
    """A line of `gateway stream --json`."""

    event_id: str


class Asked(Struct, frozen=True, kw_only=True):
    status: int
    body: bytes
    took_ms: float


async def run(full: bool) -> dict[str, object]:
    """In full, 20,000 mutations of a good event beside the table, and the bar on time."""
    missed: list[str] = []
    took_ms: dict[str, float] = {}
    taken: set[str] = set()
    async with platforms() as held:
        with folder() as directory:
            async with running(Setup(directory=directory, platforms=held, has_meta=False)) as gateway:
                for name, body, statuses in cases():
                    fast, other = await _both(gateway, body, TIMES if full else 1)
                    took_ms[name] = fast.took_ms
                    missed += [] if fast.status in statuses else [f"{name}: {fast.status} {fast.body[:120]!r}"]
                    missed += [] if fast.status == other.status else [f"{name}: {fast.status} and {other.status}"]
                    taken |= _ids(fast) | _ids(other)
                missed += await _mutated(gateway, taken, MUTATED if full else 100)
                await compare.wait_drained(taken, held, 60, has_meta=False)
                missed += [f"workers ended with {gateway.codes()}"] if gateway.codes() else []
                missed += [f"no line of the log: {line}" for line in gateway.noise[:2]]
                missed += [f"the log says {line}" for line in gateway.said("connection_failure_contained")[:2]]
                await gateway.stop()
            compared = await compare.compare(taken, held, directory / "data", has_meta=False)
            missed += await _not_shown(directory / "config.toml", taken)
    missed += compared.missed()
    slow = [f"{name}: {ms:.0f} ms" for name, ms in took_ms.items() if ms > ANSWER_MS]
    missed += slow if full else []
    return {
        "bodies": len(took_ms),
        "mutated_bodies": MUTATED if full else 100,
        "taken_and_delivered": compared.acknowledged,
        "answer_ms": {"p50": percentile(list(took_ms.values()), 0.5), "max": round(max(took_ms.values()), 1)},
        "slowest": max(took_ms, key=lambda name: took_ms[name]),
        "missed": missed,
    }


async def _both(gateway: Gateway, body: bytes, times: int) -> tuple[Asked, Asked]:
    """The quickest answer of the fast lane, and one of the other door."""
    asked = [await _ask(gateway, request(body)) for _ in range(times)]
    return min(asked, key=lambda one: one.took_ms), await _ask(gateway, request(body, is_chunked=True))


async def _ask(gateway: Gateway, raw: bytes) -> Asked:
    with trio.fail_after(20):
        async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
            began_s = time.perf_counter()
            await stream.send_all(raw)
            status, body = await read_reply(stream)
            return Asked(status=status, body=body, took_ms=(time.perf_counter() - began_s) * 1000)


async def _mutated(gateway: Gateway, taken: set[str], count: int) -> list[str]:
    """A good event with some bytes changed, dropped or doubled: any answer but a 5xx."""
    chance = random.Random(5)
    missed: list[str] = []
    for _ in range(count):
        body = _mutate(bytearray(event('"event_id":"m","custom_data":{"value":1.5,"currency":"EUR"}')), chance)
        asked = await _ask(gateway, request(body, is_chunked=chance.random() < 0.3))
        if asked.status >= 500:
            missed.append(f"{asked.status} for {body!r}")
        taken |= _ids(asked)
    return missed


async def _not_shown(config: Path, taken: Set[str]) -> list[str]:
    """What was taken and `gateway stream` does not tell, line by line."""
    command = [sys.executable, "-m", "gateway", "stream", "--json", "--limit", "100000", "--config", str(config)]
    code, told = await run_child(command)
    missed = [f"gateway stream ended with {code}"] if code else []
    absent = taken - {msgspec.json.decode(line, type=Shown).event_id for line in told.splitlines()}
    return missed + [f"not shown: {event_id!r}" for event_id in sorted(absent)[:3]]


def _mutate(body: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body))
        match chance.randrange(3):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                del body[at]
            case _:
                body[at:at] = body[at : at + chance.randint(1, 20)]
    return bytes(body)


def _ids(asked: Asked) -> set[str]:
    if asked.status != 202:
        return set()
    return {one.event_id for one in msgspec.json.decode(asked.body, type=Answered).events if one.status == "accepted"}
