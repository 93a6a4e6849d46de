"""What a seed means: the size of the run, its crashes, its clock."""

from random import Random
from typing import Final, Literal

from msgspec import Struct

from tests.simulation.shops import PLATFORMS, Place

HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0
HOUR_MS: Final = 3_600_000
YEAR_MS: Final = 365 * 86_400_000

LONG_EVERY: Final = 50  # one seed in so many simulates a month
JUMPS_EVERY: Final = 6  # one seed in so many has a wall clock that jumps
SHOP_PLATFORMS: Final = 4
MART_PLATFORMS: Final = 2
CALM_EVERY: Final = 9  # one seed in so many has platforms that never fail

CrashKind = Literal["at_time", "before_commit", "after_commit", "stop"]
CRASHES: tuple[CrashKind, ...] = ("at_time", "before_commit", "after_commit", "stop")


class Crash(Struct, frozen=True, kw_only=True):
    """How one life ends: after so many seconds or at its so-manieth commit, and how long the machine is down then."""

    kind: CrashKind
    after_s: float
    commits: int
    down_s: float


class Jump(Struct, frozen=True, kw_only=True):
    at_s: float
    shift_ms: int


class Plan(Struct, frozen=True, kw_only=True):
    seed: int
    journeys: int  # visits to the shops
    span_s: float  # within which they begin
    crashes: tuple[Crash, ...]
    jumps: tuple[Jump, ...]
    is_calm: bool
    places: tuple[Place, ...]  # the destinations of the shops
    hold_ms: int
    rescan_s: float  # how often what nothing wakes looks around
    publishes_at_s: tuple[float, ...]  # when the operator publishes other routes
    splits_at_s: tuple[float, ...]  # when the operator undoes a merge


def stream(seed: int, name: str) -> Random:
    """A random source of its own for each part, so that one's draws do not shift another's."""
    return Random(f"{seed}/{name}")


def plan_of(seed: int) -> Plan:
    random = stream(seed, "plan")
    is_long = seed % LONG_EVERY == LONG_EVERY - 1
    span_s = 30 * DAY_S if is_long else random.choice((60.0, 600.0, 2 * HOUR_S, 8 * HOUR_S))
    crashes = random.randint(4, 8) if is_long else random.choice((0, 1, 2, 3, 5))
    return Plan(
        seed=seed,
        journeys=random.randint(250, 350) if is_long else random.randint(3, 14),
        span_s=span_s,
        crashes=tuple(_crash(random, span_s / (crashes + 1), is_long) for _ in range(crashes)),
        jumps=_jumps(random, span_s) if seed % JUMPS_EVERY == 1 else (),
        is_calm=seed % CALM_EVERY == 2,
        places=_places(stream(seed, "places")),
        hold_ms=random.choice((5_000, 5_000, 30_000, 0)),
        rescan_s=600.0 if span_s > HOUR_S else 60.0,
        publishes_at_s=_times(stream(seed, "publishes"), span_s),
        splits_at_s=_times(stream(seed, "splits"), 2 * span_s),
    )


def _places(random: Random) -> tuple[Place, ...]:
    """Some platforms at each shop; over the seeds each has its turn, and each meets each."""
    at_shop, at_mart = random.sample(PLATFORMS, SHOP_PLATFORMS), random.sample(PLATFORMS, MART_PLATFORMS)
    return tuple([("shop", one) for one in at_shop] + [("mart", one) for one in at_mart])


def _times(random: Random, span_s: float) -> tuple[float, ...]:
    return tuple(sorted(random.uniform(0, span_s) for _ in range(random.choice((0, 1, 1, 3)))))


def _crash(random: Random, mean_s: float, is_long: bool) -> Crash:
    return Crash(
        kind=random.choice(CRASHES),
        after_s=random.uniform(0, 2 * mean_s),
        commits=random.randint(1, 600 if is_long else 60),
        down_s=random.choice((0.0, 0.3, 5.0, 60.0)) * random.random() * (60 if is_long else 1),
    )


def _jumps(random: Random, span_s: float) -> tuple[Jump, ...]:
    """An hour forth or back, a day back; ten years forth and, sooner or later, back again."""
    kind = random.choice(("hour", "day", "years", "years"))
    at_s = random.uniform(0, span_s)
    match kind:
        case "hour":
            shifts = [random.choice((HOUR_MS, -HOUR_MS)) for _ in range(random.randint(1, 3))]
        case "day":
            shifts = [-24 * HOUR_MS]
        case _:
            shifts = [10 * YEAR_MS, -10 * YEAR_MS]
    return tuple(Jump(at_s=at_s + index * random.uniform(1, span_s / 4), shift_ms=s) for index, s in enumerate(shifts))
