"""What it costs to find the bad events of a refused request: its parts are counted against 2·k·⌈log₂ n⌉."""

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct


class Family(Struct, kw_only=True):
    """A request with `bad` of its `events` bad, and how many requests its parts took after it."""

    events: int
    bad: int
    requests: int = 0

    @property
    def most(self) -> int:
        return 2 * self.bad * math.ceil(math.log2(self.events))


class Families:
    """Of one platform. `end`: a misfortune or a crash mixes the parts with others, so no more is counted of them."""

    def __init__(self) -> None:
        self.all: list[Family] = []
        self._of: dict[str, Family] = {}

    def saw(self, keys: Sequence[str], bad: Sequence[bool], taken: Sequence[str]) -> None:
        """A request that the platform itself answered."""
        found = {id(family): family for key in keys if (family := self._of.get(key)) is not None}
        if not found and any(bad) and len(keys) > 1:
            family = Family(events=len(keys), bad=sum(bad))
            self.all.append(family)
            self._of.update(dict.fromkeys(keys, family))
        elif len(found) == 1 and all(key in self._of for key in keys):
            next(iter(found.values())).requests += 1
        for key in (*taken, *(keys if len(keys) == 1 or len(found) > 1 else ())):  # done with, or mixed
            self._of.pop(key, None)

    def end(self) -> None:
        self._of.clear()

    def problems(self) -> Iterator[str]:
        for family in self.all:
            if family.requests > family.most:
                yield f"{family.bad} bad of {family.events} cost {family.requests} requests, not {family.most}"
