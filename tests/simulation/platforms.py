"""The platforms of the simulated world: strict, moody, and with a memory of what they took and who heard of it.

A request is judged by the same strict platforms that the benches use. Around them a *mood* makes requests fail: refused
before the platform saw them, or taken and the answer lost on its way back.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
import trio
from msgspec import Struct

from actors.destinations.base import Request, Response
from actors.dialing import Failure
from bench.simulator import GoogleAdsSim, Platform, all_platforms
from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.faults import TellsErrors
from tests.simulation.dedup_keys import taken_key
from tests.simulation.families import Families
from tests.simulation.moods import GARBAGE, MOODS, NEVER_PAUSED, NOT_TAKEN, PAUSING, Misfortune, disabled
from tests.simulation.plan import DAY_S
from tests.simulation.spoiling import SPOILS, spoiled

TIMEOUT_S: Final = 15.0
LONG_SHARE: Final = 0.2  # of moods that may last days, where the world does


class Taken(Struct, kw_only=True):
    """One event that a platform took."""

    key: str
    life: int
    is_heard: bool = False  # the gateway got the answer
    is_lost: bool = False  # the machine died before it had the answer on disk
    event: Any = None  # as it was sent


class Station:
    """One platform account of one destination."""

    def __init__(
        self, site: str, destination: str, platform: str, random: Random, now_ms: Callable[[], int], note: Any
    ) -> None:
        self.site = site
        self.destination = destination
        self.platform = platform
        self.mood = "fair"
        self.is_picky = False  # never takes some events, whatever its mood, and says no more than that it failed
        self.is_strict = False  # refuses some events for good, in its own words
        self.is_locked = trio.Event()
        self.taken: list[Taken] = []
        self.seen: dict[str, int] = {}  # key -> number of the first request that carried it
        self.asked_s: dict[str, float] = {}  # key -> when the last request began that carried it
        self.refused: list[str] = []  # what was refused without having been spoiled here
        self.families = Families()
        self.requests = 0
        self._sim = _sim(platform)
        self._random = random
        self._now_ms = now_ms
        self._note = note

    async def weather(self, span_s: float) -> None:
        """Moods that come and go, for ever."""
        can_pause = self.platform not in NEVER_PAUSED
        kinds = [mood for mood in MOODS if mood != "fair" and (mood not in PAUSING or can_pause)]
        while True:
            await trio.sleep(self._random.expovariate(4 / span_s))
            self.mood = self._random.choice(kinds)
            self._note("mood", self.site, self.destination, self.mood)
            if isinstance(self._sim, GoogleAdsSim) and self._random.random() < 0.5:
                self._sim.expire_tokens()
            if self.mood in PAUSING:
                self.is_locked.set()
            is_long = span_s > DAY_S and self._random.random() < LONG_SHARE
            await trio.sleep(self._random.expovariate(1 / (span_s / 8 if is_long else min(span_s / 8, 7_200.0))))
            self.heal()

    def heal(self) -> None:
        self.mood = "fair"
        self.is_locked = trio.Event()

    async def answer(self, request: Request, life: int) -> Response | Failure:
        asked = _sim_request(request, self._now_ms())
        keys = self._meet(asked)
        lag_s = self._random.uniform(0.02, 0.8)
        await trio.sleep(lag_s / 2)
        misfortune = self._draw(keys) if asked.path != "/token" else None
        self._note("request", self.site, self.destination, misfortune, *keys)
        if misfortune is not None:
            self.families.end()
        if misfortune in NOT_TAKEN:
            return await self._refuse(misfortune)
        taken, response = self._take(asked, keys, life)
        await trio.sleep(lag_s / 2 if misfortune != "lost" else TIMEOUT_S)
        match misfortune:
            case "lost":
                return Failure(kind="timeout", message="no answer in time")
            case "lie":
                return Response(status=502, body=b"<html>bad gateway</html>")
            case "garbage" if taken:
                return Response(status=200, body=GARBAGE)
        for one in taken:
            one.is_heard = True
        return _response(response)

    def crashed(self, life: int, waiting: Counter[str]) -> None:
        """What this life heard of and did not get on disk is lost, as if it had never heard: `waiting` still waits."""
        self.families.end()
        left = Counter(waiting)
        for one in reversed(self.taken):
            if one.life == life and one.is_heard and left[one.key] > 0:
                left[one.key] -= 1
                one.is_lost = True

    def is_bad(self, key: str) -> bool:
        """Whether it is one of those that a strict platform refuses for good."""
        return self.platform in SPOILS and _is_disliked(key)

    def _meet(self, asked: SimRequest) -> list[str]:
        """The keys of a request's events, and which request brought each first."""
        self.requests += 1
        keys = _keys_in(self.platform, asked) if asked.path != "/token" else []
        for key in keys:
            self.seen.setdefault(key, self.requests)
            self.asked_s[key] = trio.current_time()
        return keys

    def _draw(self, keys: list[str]) -> Misfortune | None:
        if self.is_picky and any(_is_disliked(key) for key in keys):
            return "status"
        luck = self._random.random()
        for misfortune, share in MOODS[self.mood].items():
            luck -= share
            if luck < 0:
                return misfortune
        return None

    async def _refuse(self, misfortune: Misfortune | None) -> Response | Failure:
        match misfortune:
            case "reset":
                return Failure(kind="reset", message="closed before the answer")
            case "timeout":
                await trio.sleep(TIMEOUT_S)
                return Failure(kind="timeout", message="no answer in time")
            case "limit":
                return _response(self._sim.rate_limited(self._random.choice((None, 5.0, 60.0, 900.0))))
            case "token":
                return _response(self._sim.bad_token() if self.platform != "criteo" else disabled("criteo"))
            case "disabled":
                return _response(disabled(self.platform))
            case "own_fault" if isinstance(self._sim, TellsErrors):
                return _response(self._sim.failed(500))
        return Response(status=self._random.choice((500, 503)), body=b"")

    def _take(self, asked: SimRequest, keys: Sequence[str], life: int) -> tuple[list[Taken], SimResponse]:
        bad = [self.is_strict and self.is_bad(key) for key in keys]
        if any(bad):
            asked = msgspec.structs.replace(asked, body=spoiled(self.platform, asked.body, bad))
        before, refused = len(self._sim.accepted), len(self._sim.refused)
        response = self._sim.answer(asked)
        new = [
            Taken(key=taken_key(self.platform, one), life=life, event=one.event) for one in self._sim.accepted[before:]
        ]
        self.taken += new
        self.refused += self._sim.refused[refused:] if not any(bad) else []
        self.families.saw(keys, bad, [one.key for one in new])
        return new, response


class StationSender:
    """What a dispatcher sends through, in one life of the machine."""

    def __init__(self, station: Station, life: int) -> None:
        self._station = station
        self._life = life

    async def send(self, request: Request) -> Response | Failure:
        return await self._station.answer(request, self._life)

    async def close_idle(self) -> None:
        """There are no connections."""

    async def aclose(self) -> None:
        """There are no connections."""


def _is_disliked(key: str) -> bool:
    """One key in sixteen."""
    return blake2b(key.encode(), digest_size=1).digest()[0] % 16 == 0


def _sim(platform: str) -> Platform:
    """Both ways into Google Ads are one platform's."""
    name = "google_ads" if platform == "google_ads_api" else platform
    return next(sim for sim in all_platforms() if sim.name == name)


def _keys_in(platform: str, asked: SimRequest) -> list[str]:
    """What a platform in a good mood would take of it."""
    sim = _sim(platform)
    sim.answer(asked)
    return [taken_key(platform, one) for one in sim.accepted]


def _sim_request(request: Request, at_ms: int) -> SimRequest:
    parts = urlsplit(request.url)
    return SimRequest(
        method=request.method,
        path=parts.path,
        query=dict(parse_qsl(parts.query)),
        headers=dict(request.headers),
        body=request.body,
        at_ms=at_ms,
    )


def _response(answer: SimResponse) -> Response:
    return Response(status=answer.status, headers=dict(answer.headers), body=answer.body)
