"""Computes the conversions of a site anew where its settings of attribution say so (`apply_to_past`), and they or what
one of its tracked links tells were changed.

Which settings were applied last is in the store with how far this came, so a restart goes on where it was. Each step is
planned and committed while the core is at rest: a turn never works on a conversion that is being computed anew.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog
import trio

from actors.attribution.settings import AttributionRules
from actors.indexed import Put
from actors.journeys import Journeys
from actors.runtime import Core
from actors.snapshot import Site
from store import journeys, keys, links
from store.env import Store, fetch
from store.writer import Apply, Writer, WriteTxn, commit

POLL_S: Final = 2.0
STEP_S: Final = 0.05  # between two commits: the writer and the loop belong to others
AT_ONCE: Final = 50  # conversions in one commit
MARK: Final = b"attribution\x00"  # in front of a site's digest: what was applied, and the last place looked at
DIGEST_BYTES: Final = 16

log = structlog.get_logger()


class Reattributing:
    """`run` never returns; `work` does what there is to do now."""

    def __init__(
        self, core: Core, store: Store, writer: Writer, now_ms: Callable[[], int], poll_s: float = POLL_S
    ) -> None:
        self._core = core
        self._store = store
        self._writer = writer
        self._now_ms = now_ms
        self._poll_s = poll_s

    async def run(self) -> None:
        while True:
            await self.work()
            await trio.sleep(self._poll_s)

    async def work(self) -> None:
        for site in list(self._core.snapshot.sites.values()):
            is_on = True
            while is_on:
                is_on = await self._step(site)
                await trio.sleep(STEP_S)

    async def _step(self, site: Site) -> bool:
        """One part of what one site needs; False where it needs nothing more."""
        wanted = fingerprint(site.attribution, links.revision(self._store, site.id))
        applied, place = self._mark(site.id)
        if applied == wanted and not place:
            return False
        if applied is None or (applied != wanted and not site.attribution.apply_to_past):
            await commit(self._writer, _marking(site.id, wanted, b""))
            return False
        async with self._core.at_rest():
            found = journeys.conversions(self._store, site.id, 0, 1 << 62, AT_ONCE, place if applied == wanted else b"")
            after = found[-1].place if len(found) == AT_ONCE else b""
            puts = self._planned([one.event_key for one in found])
            await commit(self._writer, _marking(site.id, wanted, after, puts))
        if not after:
            log.info("attribution_applied_to_past", site=site.id)
        return bool(after)

    def _planned(self, event_keys: list[bytes]) -> list[Put]:
        with self._store.read() as txn:
            plan = Journeys(self._store, txn, self._core.snapshot, now_ms=self._now_ms())
            for event_key in event_keys:
                plan.reapply(event_key)
            return plan.puts()

    def _mark(self, site: str) -> tuple[bytes | None, bytes]:
        with self._store.read() as txn:
            raw = fetch(txn, self._store.dbs["meta"], MARK + keys.digest8(site))
        return (None, b"") if raw is None else (raw[:DIGEST_BYTES], raw[DIGEST_BYTES:])


def fingerprint(rules: AttributionRules, links_told: bytes) -> bytes:
    """Of all that a conversion is computed by. All models are there, so the default one is not of it. `links_told`:
    another one after a change of what a tracked link tells."""
    same = msgspec.structs.replace(rules, default_model="last_non_direct", apply_to_past=False)
    return keys.digest16(msgspec.json.encode(same).decode(), *([links_told.hex()] if links_told else []))


def _marking(site: str, applied: bytes, place: bytes, puts: Sequence[Put] = ()) -> Apply:
    def apply(write: WriteTxn) -> None:
        for database, key, raw in puts:
            if raw is None:
                write.delete(database, key)
            else:
                write.put(database, key, raw)
        write.put("meta", MARK + keys.digest8(site), applied + place)

    return apply
