"""What attribution has to say of a year: worked out from its plan by contracts/attribution.md, sections 2, 5, 6 and 7,
in exact numbers, and without the gateway.

What a merge of identities brings to light later counts for conversions before it: the figures are those of the year's
end.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, getcontext
from typing import Final

from msgspec import Struct

from tests.year.plan import Device, Order, Plan, Sale, Visit
from tests.year.timing import bought_at_s, cart_at_s, lead_at_s, login_at_s, seen_at_s

WINDOW_S: Final = 30 * 86_400
HALF_LIFE_S: Final = 7 * 86_400
CENT: Final = Decimal("0.01")

getcontext().prec = 50


Person = int
Cookie = tuple[Device, int]
Shares = Sequence[Decimal]


class Touch(Struct, frozen=True, order=True):
    at_s: int
    channel: str
    evidence: int
    is_paid: bool

    @property
    def is_direct(self) -> bool:
        return self.channel == "direct"


class Conversion(Struct, frozen=True, kw_only=True):
    at_s: int
    person: int
    name: str
    order: Order | None
    is_counter: bool = False
    cookie: Cookie | None = None  # of the visit that it was made in


class Figures(Struct, kw_only=True):
    """`gross`, `shares`: model, channel, currency -> amount before refunds, and conversions."""

    conversions: int
    gross: dict[tuple[str, str, str], Decimal]
    shares: dict[tuple[str, str, str], Decimal]
    gaps: Counter[str]


class _Journeys:
    """Touchpoints and carts of each visitor id, and whose it turned out to be."""

    def __init__(self) -> None:
        self.touches: dict[Cookie, list[Touch]] = defaultdict(list)
        self.carts: dict[Cookie, list[int]] = defaultdict(list)
        self.withheld: dict[Cookie, list[int]] = defaultdict(list)
        self.said: dict[Cookie, list[tuple[int, str]]] = defaultdict(list)
        self.cookies_of: dict[Person, set[Cookie]] = defaultdict(set)

    def see(self, visit: Visit) -> None:
        cookie = (visit.device, visit.cookie)
        if visit.stated:
            self.said[cookie].append((seen_at_s(visit), visit.stated))
        if visit.stated != "denied":
            self.touches[cookie].append(_touch(visit))
            self.carts[cookie] += [at(visit) for has, at in _MILESTONES if has(visit)]
        else:
            self.withheld[cookie].append(seen_at_s(visit))
        if visit.is_handover:  # the log-in is the first that the new visitor id is seen with
            self.touches[_cookie_after(visit)].append(Touch(login_at_s(visit), "direct", 30, False))
        if visit.is_login:
            self.cookies_of[visit.person].add(_cookie_after(visit))
        elif visit.has_lead or (visit.order is not None and visit.order.has_pixel):
            self.cookies_of[visit.person].add(cookie)

    def path(self, conversion: Conversion) -> list[Touch]:
        cookies = set() if self.is_refused(conversion) else self.cookies_of[conversion.person]
        touches = sorted(touch for cookie in cookies for touch in self.touches[cookie])
        return [one for one in touches if conversion.at_s - WINDOW_S < one.at_s <= conversion.at_s]

    def is_refused(self, conversion: Conversion) -> bool:
        """Whether one of the person's visitors had refused last: that counts where the order itself says nothing."""
        said = [self.said[cookie] for cookie in self.cookies_of[conversion.person]]
        last = [[what for at, what in one if at <= conversion.at_s] for one in said]
        return conversion.cookie is None and any(one[-1] == "denied" for one in last if one)

    def is_withheld(self, conversion: Conversion) -> bool:
        """Whether its visitor refused within the window, so that a contact is not known."""
        if self.is_refused(conversion):
            return True
        found = self.withheld[conversion.cookie] if conversion.cookie is not None else []
        return any(conversion.at_s - WINDOW_S < at <= conversion.at_s for at in found)

    def first_milestone_s(self, conversion: Conversion) -> int | None:
        cookies = self.cookies_of[conversion.person]
        found = [at for cookie in cookies for at in self.carts[cookie]]
        return min((at for at in found if conversion.at_s - WINDOW_S < at <= conversion.at_s), default=None)


_MILESTONES: Final[Sequence[tuple[Callable[[Visit], bool], Callable[[Visit], int]]]] = (
    (lambda visit: visit.has_cart, cart_at_s),
    (lambda visit: visit.has_lead, lead_at_s),
)


def figures(plan: Plan) -> Figures:
    journeys, conversions = _Journeys(), list[Conversion]()
    for step in plan.steps():
        match step:
            case Visit():
                journeys.see(step)
                conversions += _of_visit(step)
            case Sale():
                conversions.append(
                    Conversion(at_s=step.at_s, person=step.person, name="purchase_placed", order=step.order,
                               is_counter=step.is_counter)
                )  # fmt: skip
    found = Figures(conversions=0, gross=defaultdict(Decimal), shares=defaultdict(Decimal), gaps=Counter())
    for conversion in conversions:
        _add(found, conversion, journeys)
    return found


def _add(found: Figures, conversion: Conversion, journeys: _Journeys) -> None:
    path = journeys.path(conversion)
    found.conversions += 1
    gap = _gap(conversion, path, is_withheld=journeys.is_withheld(conversion))
    if gap is not None:
        found.gaps[gap] += 1
    value = conversion.order.value if conversion.order is not None else Decimal(0)
    currency = conversion.order.currency if conversion.order is not None else ""
    for model, shares in credit(path, conversion.at_s, journeys.first_milestone_s(conversion)).items():
        for touch, share, amount in zip(path, shares, split(shares, value), strict=True):
            found.shares[model, touch.channel, currency] += share
            found.gross[model, touch.channel, currency] += amount


def _gap(conversion: Conversion, path: Sequence[Touch], *, is_withheld: bool) -> str | None:
    """`nobody`: one of the reasons that differ only in when the gateway looked."""
    if any(not touch.is_direct for touch in path):
        return None
    if conversion.is_counter:
        return "offline_order"
    if is_withheld:
        return "consent_denied"
    return "direct_only" if path else "nobody"


def _of_visit(visit: Visit) -> Iterator[Conversion]:
    if visit.order is not None:
        yield Conversion(
            at_s=bought_at_s(visit), person=visit.person, name="purchase_placed", order=visit.order,
            cookie=(visit.device, visit.cookie),
        )  # fmt: skip
    if visit.has_lead:
        yield Conversion(
            at_s=lead_at_s(visit), person=visit.person, name="lead_submitted", order=None,
            cookie=(visit.device, visit.cookie),
        )  # fmt: skip


def _cookie_after(visit: Visit) -> Cookie:
    """Somebody else's log-in begins the next visitor id."""
    return visit.device, visit.cookie + visit.is_handover


def _touch(visit: Visit) -> Touch:
    if visit.is_again:
        return Touch(seen_at_s(visit), "direct", 30, False)
    landing = visit.landing
    return Touch(seen_at_s(visit), landing.channel, landing.evidence, landing.is_paid)


# --- the models, section 6 ---


def credit(path: Sequence[Touch], at_s: int, milestone_s: int | None) -> Mapping[str, Shares]:
    """Shares of every touchpoint in every model; nothing for an empty path."""
    if not path:
        return {}
    eligible = [index for index, touch in enumerate(path) if not touch.is_direct] or list(range(len(path)))
    paid = [index for index in eligible if path[index].is_paid]
    milestone = bisect_right([path[index].at_s for index in eligible], milestone_s) - 1 if milestone_s else -1
    count = len(eligible)
    halves = [Decimal(2) ** (Decimal(path[index].at_s - at_s) / HALF_LIFE_S) for index in eligible]
    return {
        "last_non_direct": _single(path, eligible[-1]),
        "first_touch": _single(path, eligible[0]),
        "last_touch": _single(path, len(path) - 1),
        "last_paid": _single(path, paid[-1] if paid else eligible[-1]),
        "linear": _spread(path, eligible, [Decimal(1) / count] * count),
        "time_decay": _spread(path, eligible, [half / sum(halves) for half in halves]),
        "position_based": _spread(path, eligible, _ends(count)),
        "w_shaped": _spread(path, eligible, _three(count, milestone)),
    }


def _single(path: Sequence[Touch], index: int) -> Shares:
    return [Decimal(index == one) for one in range(len(path))]


def _spread(path: Sequence[Touch], eligible: Sequence[int], shares: Shares) -> Shares:
    given = dict(zip(eligible, shares, strict=True))
    return [given.get(index, Decimal(0)) for index in range(len(path))]


def _ends(count: int) -> Shares:
    if count <= 2:
        return [Decimal(1) / count] * count
    return [Decimal("0.4"), *[Decimal("0.2") / (count - 2)] * (count - 2), Decimal("0.4")]


def _three(count: int, milestone: int) -> Shares:
    if milestone <= 0 or milestone >= count - 1:
        return _ends(count)
    if count == 3:
        return [Decimal(1) / 3] * 3
    rest = Decimal("0.1") / (count - 3)
    return [Decimal("0.3") if index in (0, milestone, count - 1) else rest for index in range(count)]


def split(shares: Shares, value: Decimal) -> list[Decimal]:
    """Rounded down to the cent; what is left goes to the largest remainders, the later one first."""
    exact = [share * value for share in shares]
    amounts = [one.quantize(CENT, rounding="ROUND_DOWN") for one in exact]
    left = int((value - sum(amounts)) / CENT)
    order = sorted(range(len(shares)), key=lambda index: (exact[index] - amounts[index], index), reverse=True)
    for index in order[:left]:
        amounts[index] += CENT
    return amounts
