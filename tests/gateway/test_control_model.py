"""Any order of changes by two processes leaves what a plain table would hold, and every version stays readable."""

import tempfile
from pathlib import Path
from typing import Any

import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.destinations.meta import Meta
from gateway.errors import AlreadyThere, NotFound, VersionConflict
from store import stored_config
from tests.gateway.controlling import META, Controlled

SITES = st.sampled_from(["shop", "outlet"])
IDS = st.sampled_from(["a", "b", "c"])
PIXELS = st.integers(1, 10**12).map(str)
TOKENS = st.text("abcdefgh0123456789", min_size=8, max_size=20)
PROCESS = st.integers(0, 1)


class TwoProcesses(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = Controlled(Path(self.folder.name))
        self.controls = [self.world.control, self.world.another()]
        self.table: dict[tuple[str, str], tuple[str, str, bool]] = {}

    def teardown(self) -> None:
        self.world.store.close()
        self.folder.cleanup()

    def run(self, process: int, name: str, *arguments: Any, **more: Any) -> str:
        """What became of the change: "done", or the kind of its refusal."""

        async def change() -> None:
            await getattr(self.controls[process], name)(*arguments, **more)

        try:
            trio.run(change)
        except (AlreadyThere, NotFound, VersionConflict) as error:
            return type(error).__name__
        return "done"

    @rule(process=PROCESS, site=SITES, id=IDS, pixel=PIXELS, token=TOKENS)
    def connect(self, process: int, site: str, id: str, pixel: str, token: str) -> None:
        told = self.run(process, "connect", site, {**META, "id": id, "pixel_id": pixel, "access_token": token})
        assert told == ("AlreadyThere" if (site, id) in self.table else "done")
        self.table.setdefault((site, id), (pixel, token, False))

    @rule(process=PROCESS, site=SITES, id=IDS, pixel=PIXELS)
    def change(self, process: int, site: str, id: str, pixel: str) -> None:
        told = self.run(process, "change", site, id, {"pixel_id": pixel})
        assert told == ("done" if (site, id) in self.table else "NotFound")
        if told == "done":
            self.table[site, id] = (pixel, *self.table[site, id][1:])

    @rule(process=PROCESS, site=SITES, id=IDS, token=TOKENS)
    def set_secret(self, process: int, site: str, id: str, token: str) -> None:
        if self.run(process, "set_secret", site, id, "access_token", token) == "done":
            pixel, _, is_paused = self.table[site, id]
            self.table[site, id] = (pixel, token, is_paused)

    @rule(process=PROCESS, site=SITES, id=IDS, is_paused=st.booleans())
    def pause(self, process: int, site: str, id: str, is_paused: bool) -> None:
        if self.run(process, "pause" if is_paused else "resume", site, id) == "done":
            self.table[site, id] = (*self.table[site, id][:2], is_paused)

    @rule(process=PROCESS, site=SITES, id=IDS)
    def disconnect(self, process: int, site: str, id: str) -> None:
        told = self.run(process, "disconnect", site, id)
        assert told == ("done" if self.table.pop((site, id), None) else "NotFound")

    @rule(site=SITES, id=IDS)
    def change_from_an_old_version(self, site: str, id: str) -> None:
        told = self.run(0, "change", site, id, {"pixel_id": "1"}, expected_version=-1)
        assert told == ("VersionConflict" if (site, id) in self.table else "NotFound")

    @rule(process=PROCESS)
    def reseal(self, process: int) -> None:
        assert self.run(process, "reseal") == "done"

    @invariant()
    def what_is_in_force_is_what_was_asked_for(self) -> None:
        found = {
            (site.id, one.id): (one.pixel_id, one.access_token.reveal(), one.paused)
            for site in self.world.composed().config.sites
            for one in site.destinations
            if isinstance(one, Meta)
        }
        assert found == self.table

    @invariant()
    def versions_count_up_one_by_one(self) -> None:
        versions = [one.version for one in stored_config.history(self.world.store)]
        newest = stored_config.number(self.world.store)
        assert versions == list(range(newest, newest - len(versions), -1))


TwoProcesses.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestTwoProcesses = TwoProcesses.TestCase
