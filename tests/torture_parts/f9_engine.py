"""What the delivery engine makes of destinations that fail (RELIABILITY F9): a real gateway, a webhook for each fault.

Bars: each attempt is on record with the class and the status that its fault has; the breaker stops asking after five
failures in a row and the few requests that were under way, and then probes, one at a time; what the sound webhook and
Meta get is complete, and has no more to wait for than without the others.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import trio
from msgspec import Struct

from actors.pacing import BREAKER_AFTER, PROBE_FIRST_S
from bench.simulator.webhook import SECRET
from store.env import Store
from store.records import DELIVERY, AttemptRow
from tests.torture_parts import compare, faults
from tests.torture_parts.harness import Gateway, Setup, folder, free_port, percentile, platforms, running
from tests.torture_parts.load import Load, loading

EVENTS = 60
ATTEMPT_S = 15.0
UNDER_WAY = 2  # requests at once to a destination that was never asked before (actors/pacing.py)
QUIET_S = 0.8 * PROBE_FIRST_S  # between requests: nothing but an open breaker waits so long
PROBE_S = 30.0  # until the first probe, on a busy machine
DELIVERY_S = 1.0  # p99 of the sound ones, from arrival to the yes
WATCHED = "500"  # the fault whose requests are timed
TRANSPORT = frozenset({"timeout", "protocol", "reset", "too_large"})  # ends of an attempt that are no answer


class Asked(Struct, frozen=True):
    """When requests came to the watched fault, by Trio's clock."""

    at_s: list[float]

    def handler(self, play: faults.Handler) -> faults.Handler:
        async def noting(stream: trio.SocketStream) -> None:
            self.at_s.append(trio.current_time())
            await play(stream)

        return noting


async def run(full: bool) -> tuple[dict[str, object], list[str]]:
    """Figures and what was missed. In full also the faults that take their 15 s."""
    played = {name: fault for name, fault in faults.FAULTS.items() if full or fault[1] != "timeout"}
    asked = Asked([])
    async with platforms() as held, AsyncExitStack() as stack:
        ports: dict[str, int] = {}
        for name, (play, _) in played.items():
            handler = asked.handler(faults.closes_after(_plain(500))) if name == WATCHED else play
            ports[name] = await stack.enter_async_context(faults.serving(handler))
        directory = stack.enter_context(folder())
        setup = Setup(
            directory=directory, platforms=held, port=free_port(), more_destinations=tuple(_tables(ports)),
        )  # fmt: skip
        async with running(setup) as gateway, loading(setup.port, "engine", 2, pause_s=0.01) as load:
            await _until_probed(load, asked)
            await compare.wait_drained(load.acked, held, 60)
            if full:
                await trio.sleep(ATTEMPT_S + 1)
            lacking = len(load.acked.keys() - (held.webhook().keys() & held.meta().keys()))
            missed = _of_gateway(gateway) + ([f"{lacking} events did not come to the others"] if lacking else [])
            missed += [f"exit code {code}"] if (code := await gateway.stop()) else []
        rows = read_attempts(setup.store)
        compared = await compare.compare(load.acked, held, setup.store)
    missed += compared.missed()
    missed += _classes(rows, played)
    missed += _breaker(asked.at_s)
    p99_s = {name: percentile(rows.latencies_s[name], 0.99) for name in ("hook", "meta")}
    missed += [f"{name}: delivered after {s} s" for name, s in p99_s.items() if full and s > DELIVERY_S]
    figures = {"faulty_destinations": len(ports), "events": len(load.acked), "delivery_p99_s_of_the_others": p99_s}
    return {**figures, "requests_before_the_breaker_opened": _burst(asked.at_s)}, missed


def _plain(status: int) -> bytes:
    return b"HTTP/1.1 %d Oh\r\ncontent-length: 4\r\nconnection: close\r\n\r\noops" % status


def _tables(ports: Mapping[str, int]) -> Sequence[str]:
    return [
        line
        for number, port in enumerate(ports.values())
        for line in (
            "[[sites.destinations]]",
            f'id = "faulty-{number}"',
            'type = "webhook"',
            f'url = "http://127.0.0.1:{port}/events"',
            f'secret = "{SECRET}"',
            "allow_private = true",
        )
    ]


async def _until_probed(load: Load, asked: Asked) -> None:
    """Load until the watched destination was asked again after a pause, and for so many events at the least."""
    await load.wait_acks(EVENTS)
    with trio.move_on_after(PROBE_S):
        while len(asked.at_s) == _burst(asked.at_s):  # noqa: ASYNC110 - what is waited for comes over sockets
            await trio.sleep(0.05)
    await load.end()


def _burst(at_s: Sequence[float]) -> int:
    """Requests before the first pause."""
    for number in range(1, len(at_s)):
        if at_s[number] - at_s[number - 1] > QUIET_S:
            return number
    return len(at_s)


def _breaker(at_s: Sequence[float]) -> list[str]:
    burst = _burst(at_s)
    missed = (
        [] if BREAKER_AFTER <= burst < BREAKER_AFTER + UNDER_WAY else [f"the breaker opened after {burst} requests"]
    )
    probes = at_s[burst:]
    missed += [] if probes else ["the breaker never let a probe through"]
    is_hasty = any(after - before < QUIET_S for before, after in pairwise(probes))
    return missed + (["two probes at once"] if is_hasty else [])


class Rows(Struct, frozen=True):
    """By destination: each attempt of each delivery, and seconds from an event's arrival to the yes."""

    attempts: dict[str, list[AttemptRow]]
    latencies_s: dict[str, list[float]]


def read_attempts(path: Path) -> Rows:
    rows = Rows({}, {"hook": [], "meta": []})
    store = Store(path, is_readonly=True)
    try:
        with store.read() as txn, txn.cursor(db=store.dbs["delivery"]) as cursor:
            for _, raw in cursor:
                row = DELIVERY.decode(bytes(raw))
                rows.attempts.setdefault(row.destination, []).extend(row.attempts)
                if row.latency_ms is not None:
                    rows.latencies_s.setdefault(row.destination, []).append(row.latency_ms / 1000)
    finally:
        store.close()
    return rows


def _classes(rows: Rows, played: Mapping[str, tuple[faults.Handler, str | int]]) -> list[str]:
    """A status that says yes is a delivery, all else is tried again; a failure has no status and tells its kind."""
    missed: list[str] = []
    for number, (name, (_, expected)) in enumerate(played.items()):
        attempts = rows.attempts.get(f"faulty-{number}", [])
        outcome = "delivered" if expected == 200 else "failure" if expected in TRANSPORT else "retry"
        status = expected if isinstance(expected, int) else None
        wrong = [one for one in attempts if (one.outcome, one.status) != (outcome, status)]
        missed += [] if attempts else [f"{name}: no attempt is on record"]
        missed += [f"{name}: on record as {wrong[0]}"] if wrong else []
    return missed


def _of_gateway(gateway: Gateway) -> list[str]:
    missed = [f"workers ended with {gateway.codes()}"] if gateway.codes() else []
    missed += [f"the log says {line}" for line in gateway.said("task_crashed")[:2]]
    return missed + [f"no line of the log: {line}" for line in gateway.noise[:2]]
