"""People, devices, visits and orders of a year, drawn from a seed.

Visits of one device lie at least two hours apart, and pages of one visit within it, so that what is one visit is never
in doubt. A device that two people share is handed over by a log-in, in a visit of its own.
"""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from tests.year.landings import LANDINGS, Landing

YEAR_S: Final = 365 * 86_400
APART_S: Final = 7_200
CAMPAIGNS: Final = 40
SHARES: Final = tuple(one.share for one in LANDINGS)

Stated = Literal["", "granted", "denied"]
Habit = Literal["silent", "granting", "denying", "late", "withdrawing"]
HABITS: Final[dict[Habit, int]] = {"silent": 50, "granting": 36, "denying": 7, "late": 4, "withdrawing": 3}


class Order(Struct, frozen=True, kw_only=True):
    """`refund`: how much is given back `refund_after_s` later; all of it is a cancellation."""

    number: int
    value: Decimal
    currency: str
    has_pixel: bool
    refund: Decimal
    refund_after_s: int


class Device(Struct, frozen=True):
    """`owner`: the first person who had it."""

    owner: int
    number: int


class Visit(Struct, frozen=True, kw_only=True):
    """`cookie`: number of the visitor id that the device has while the visit begins; a log-in of somebody else gives
    it the next. `link`: number of the url that was followed. `is_again`: this device brought that url's click id
    before."""

    at_s: int
    person: int
    device: Device
    cookie: int
    number: int  # of the device's visits
    landing: Landing
    link: int
    campaign: int
    pages: int
    stated: Stated = ""
    is_again: bool = False
    has_cart: bool = False
    is_login: bool = False
    is_handover: bool = False  # the log-in is somebody else's than the last
    has_lead: bool = False
    order: Order | None = None

    @property
    def serial(self) -> str:
        """What no other visit has."""
        return f"{self.device.owner}x{self.device.number}x{self.number}"


class Sale(Struct, frozen=True, kw_only=True):
    """An order without a visit: at the counter, or by telephone."""

    at_s: int
    person: int
    order: Order
    is_counter: bool


class Person(Struct, frozen=True, kw_only=True):
    """Without an account there is an email only."""

    number: int
    has_account: bool

    @property
    def email(self) -> str:
        return f"person{self.number}@example.com"

    @property
    def customer(self) -> str | None:
        return f"cust-{self.number}" if self.has_account else None


Step = Visit | Sale


class Plan:
    """Of `people`; the same seed gives the same year."""

    def __init__(self, people: int, seed: int = 1) -> None:
        self.people = people
        self._seed = seed

    def person(self, number: int) -> Person:
        is_of_couple = self._is_couple(number - number % 2)
        return Person(number=number, has_account=is_of_couple or self._random("account", number).random() < 0.6)

    def steps(self) -> list[Step]:
        """In order of time."""
        return sorted(self._all(), key=lambda step: (step.at_s, step.person))

    def _random(self, what: str, number: int) -> Random:
        return Random(f"{self._seed}/{what}/{number}")

    def _is_couple(self, first: int) -> bool:
        """Whether this person shares a device with the next; one in a hundred, and never two pairs in a row."""
        return first % 2 == 0 and first + 1 < self.people and self._random("couple", first).random() < 0.02

    def _all(self) -> Iterator[Step]:
        number = 0
        while number < self.people:
            random = self._random("life", number)
            if self._is_couple(number):
                yield from _couple(random, number)
                number += 2
            else:
                yield from _single(random, self.person(number))
                number += 1


def _single(random: Random, who: Person) -> Iterator[Step]:
    """Somebody with one to three devices of their own."""
    (habit,) = random.choices(tuple(HABITS), tuple(HABITS.values()))
    for number in range(*random.choices((1, 2, 3), (74, 19, 7))):
        yield from _own_visits(random, who, Device(who.number, number), habit)
    if random.random() < 0.008:
        order = _order(random, who.number, 999, has_pixel=False)
        yield Sale(at_s=random.randrange(YEAR_S), person=who.number, order=order, is_counter=random.random() < 0.5)


def _own_visits(random: Random, who: Person, device: Device, habit: Habit) -> Iterator[Visit]:
    times = _times(random, 1 + int(random.expovariate(1.0)))
    followed: list[Visit] = []
    for number, at_s in enumerate(times):
        visit = replace(
            _arrival(random, who.number, device, 0, at_s, number), stated=_stated(habit, number, len(times))
        )
        if followed and random.random() < 0.05:
            old = random.choice(followed)
            visit = replace(visit, landing=old.landing, link=old.link, campaign=old.campaign, is_again=True)
        elif visit.landing.has_click_id and visit.stated != "denied":
            followed.append(visit)
        yield _bought(random, who, visit, habit)


def _bought(random: Random, who: Person, visit: Visit, habit: Habit) -> Visit:
    """What comes of a visit. Who ever changes their mind about consent buys only while it is given."""
    is_login = who.has_account and visit.stated != "denied" and random.random() < 0.2
    if random.random() < 0.092 and (visit.stated != "denied" or habit == "denying"):
        order = _order(random, who.number, 100 * visit.device.number + visit.number, has_pixel=random.random() < 0.95)
        return replace(visit, order=order, has_cart=True, is_login=is_login)
    has_lead = visit.stated != "denied" and random.random() < 0.01
    return replace(visit, has_cart=random.random() < 0.12, has_lead=has_lead, is_login=is_login)


def _couple(random: Random, first: int) -> Iterator[Visit]:
    """Two people with a customer id each, who take turns at one device."""
    device, holder, cookie = Device(first, 0), first, 0
    for number, at_s in enumerate(_times(random, random.randint(4, 10))):
        who = first + random.randint(0, 1) if number else first
        visit = _arrival(random, who, device, cookie, at_s, number)
        if number == 0 or who != holder:
            yield replace(visit, is_login=True, is_handover=number > 0)
            cookie += number > 0
            holder = who
        elif random.random() < 0.3:
            yield replace(visit, has_cart=True, order=_order(random, who, number, has_pixel=True))
        else:
            yield visit


def _times(random: Random, count: int) -> list[int]:
    times: list[int] = []
    for time in sorted(random.randrange(YEAR_S - APART_S) for _ in range(count)):
        times.append(max(time, times[-1] + APART_S) if times else time)
    return [time for time in times if time < YEAR_S - APART_S]


def _arrival(random: Random, who: int, device: Device, cookie: int, at_s: int, number: int) -> Visit:
    (landing,) = random.choices(LANDINGS, SHARES)
    return Visit(
        at_s=at_s, person=who, device=device, cookie=cookie, number=number, landing=landing, link=number,
        campaign=random.randrange(CAMPAIGNS), pages=1 + int(random.expovariate(0.27)),
    )  # fmt: skip


def _stated(habit: Habit, number: int, count: int) -> Stated:
    match habit:
        case "granting":
            return "granted"
        case "denying":
            return "denied"
        case "late":
            return "granted" if number >= count / 2 else "denied"
        case "withdrawing":
            return "denied" if number > count / 2 else "granted"
    return ""


def _order(random: Random, who: int, number: int, *, has_pixel: bool) -> Order:
    value = Decimal(random.randint(1_000, 30_000)) / 100
    fate = random.random()
    refund = value if fate < 0.01 else (value * random.randint(1, 9) / 10).quantize(Decimal("0.01"))
    return Order(
        number=1_000 * who + number, value=value, currency=random.choice(("EUR", "EUR", "EUR", "EUR", "USD")),
        has_pixel=has_pixel, refund=refund if fate < 0.06 else Decimal(0),
        refund_after_s=random.randrange(3_600, 20 * 86_400),
    )  # fmt: skip
