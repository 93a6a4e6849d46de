"""Whatever several editors do in whatever order: no save is lost unseen, versions only grow, and what is live is one of
them."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ControlError
from gateway.routes_control import RoutesControl
from store.check import check
from tests.gateway.controlling import META, Controlled

ROUTES = [[], [{"id": "a", "destination": "ga4-file"}], [{"id": "a", "destination": "ga4-file", "order": 1}]]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.sampled_from(["ann", "bob"]), st.just(0)),
        st.tuples(st.just("save"), st.sampled_from(["ann", "bob"]), st.integers(0, len(ROUTES) - 1)),
        st.tuples(st.just("publish"), st.sampled_from(["ann", "bob"]), st.just(0)),
        st.tuples(st.just("rollback"), st.just("ann"), st.integers(1, 6)),
        st.tuples(st.just("connect"), st.just("ann"), st.just(0)),
    ),
    max_size=14,
)


class Editors:
    """Each works with the revision that it read last. `contents`: what each version said when it was published."""

    def __init__(self, world: Controlled) -> None:
        self.world = world
        self.control = RoutesControl(world.control)
        self.seen = {"ann": 0, "bob": 0}
        self.contents: dict[int, list[dict[str, Any]]] = {}

    async def do(self, what: str, who: str, number: int) -> None:
        draft = self.control.draft("shop")
        match what:
            case "read":
                self.seen[who] = draft.revision
            case "save":
                saved = await self.control.save("shop", ROUTES[number], author=who, revision=self.seen[who])
                assert self.seen[who] == draft.revision, "only who saw the draft saves over it"
                self.seen[who] = saved.revision
            case "publish":
                done = await self.control.publish("shop", author=who, revision=self.seen[who])
                self.contents[done.version.version] = list(draft.routes)
            case "rollback":
                done = await self.control.rollback("shop", number, author=who)
                self.contents[done.version.version] = self.contents[number]
            case "connect":
                await self.world.control.connect("shop", META, replace=True)

    def hold(self) -> None:
        history = self.control.history("shop")
        numbers = [one.version for one in history]
        assert numbers == sorted(self.contents, reverse=True)
        live = self.control.live("shop")
        assert (live.version, list(live.routes)) == ((numbers[0], self.contents[numbers[0]]) if numbers else (0, []))
        assert {one.version: list(self.control.version("shop", one.version).routes) for one in history} == self.contents
        assert check(self.world.store, 16).problems == ()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_no_edit_is_lost_and_history_only_grows(steps: list[tuple[str, str, int]]) -> None:
    async def run(folder: str) -> None:
        editors = Editors(Controlled(Path(folder)))
        for step in steps:
            with contextlib.suppress(ControlError):
                await editors.do(*step)
            editors.hold()
        editors.world.store.close()

    with tempfile.TemporaryDirectory() as folder:
        trio.run(run, folder)
