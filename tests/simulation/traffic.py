"""Visitors and shops: what they send to the gateway, and how they insist until they hear that it has it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import msgspec
import trio
from msgspec import Struct

from gateway.call import Answer, Call
from tests.simulation.plan import DAY_S, HOUR_S, Plan
from tests.simulation.shops import ORIGIN, SITES

BROWSED: Final = ("page_viewed", "product_viewed", "cart_item_added", "search_performed", "collection_viewed")
DENIED: Final = {"analytics": "denied", "marketing": "denied", "sale_of_data": "denied"}
GRANTED: Final = {"analytics": "granted", "marketing": "granted"}
ALL_GRANTED: Final = {**GRANTED, "preferences": "granted"}
CHANGES: Final[tuple[Mapping[str, str], ...]] = (
    GRANTED, ALL_GRANTED, DENIED, {"marketing": "denied"}, {"analytics": "granted"}, {"preferences": "denied"},
    {"marketing": "granted"}, {"sale_of_data": "denied"},
)  # fmt: skip
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
TRIES: Final = 40
AGAIN: Final = "again"  # ids that a shop uses twice
CHANGE_SHARE: Final = 0.15
AGAIN_SHARE: Final = 0.3  # of shoppers who were there before, or whose device was
NAMES: Final = ("email", "external_id")
INSIDE: Final = ("", "")
LANDINGS: Final = (  # parameters of the url, referrer
    INSIDE, INSIDE, ("?utm_source=news&utm_medium=email&utm_campaign=autumn", ""), ("?gclid=Cj0KCQ", ""),
    ("", "https://www.google.com/"), ("?utm_source=facebook&utm_medium=cpc", "https://l.facebook.com/"),
    ("?utm_source=pal&utm_medium=affiliate", "https://pal.example.net/x"),
)  # fmt: skip


class Sent(Struct, frozen=True, kw_only=True):
    """One good event as its sender knows it. `consent`: what the visitor had said by then, with the event's own."""

    site: str
    event_id: str
    event_name: str
    visitor: str
    consent: Mapping[str, str]


class Shopper(Struct, frozen=True, kw_only=True):
    site: str
    visitor: str  # 32 hexadecimal digits
    address: str
    person: Mapping[str, Any]


class Choice(Struct, frozen=True, kw_only=True):
    """What a visitor said, and when they heard that the gateway has it."""

    at_s: float
    consent: Mapping[str, str]


Post = Callable[[Call], Awaitable[Answer | None]]


class Traffic:
    """`play` returns when everybody has gone home. `acknowledged`: what the gateway said it has."""

    def __init__(self, plan: Plan, random: Random, now_ms: Callable[[], int], post: Post) -> None:
        self.sent: dict[tuple[str, str, str], Sent] = {}
        self.acknowledged: set[tuple[str, str, str]] = set()
        self.unforeseen: list[str] = []
        self.said: dict[tuple[str, str], list[Choice]] = {}  # of each site's visitors
        self._shoppers: list[Shopper] = []
        self._minds: dict[str, Mapping[str, str]] = {}  # what each visitor allows
        self._plan = plan
        self._random = random
        self._now_ms = now_ms
        self._post = post
        self._number = 0
        self._last_ms = 0

    async def play(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(self._plan.journeys):
                nursery.start_soon(self._journey, self._shopper(), self._random.uniform(0, self._plan.span_s))

    # --- people ---

    def _shopper(self) -> Shopper:
        random = self._random
        self._number += 1
        person: dict[str, Any] = {"fbp": f"fb.1.1700000000000.{self._number}", "ga_client_id": f"{self._number}.1700"}
        if random.random() < 0.5:
            person |= {"email": f"p{self._number}@example.com", "gclid": f"Cj0K{self._number}"}
        if random.random() < 0.4:
            person |= {"external_id": f"customer-{self._number}"}
        if random.random() < 0.8:
            person |= _clicks(self._number)
        visitor, site = f"{random.getrandbits(128):032x}", random.choice(SITES)
        if self._shoppers and random.random() < AGAIN_SHARE:
            known = random.choice(self._shoppers)
            site = known.site
            if random.random() < 0.6:  # the same person, at another device
                person = {**person, **{name: known.person[name] for name in NAMES if name in known.person}}
            else:  # another person, at the same device
                visitor = known.visitor
        self._minds.setdefault(visitor, random.choice(({}, {}, {}, GRANTED, ALL_GRANTED, DENIED)))
        who = Shopper(site=site, visitor=visitor, address=f"203.0.113.{random.randint(1, 6)}", person=person)
        self._shoppers.append(who)
        return who

    async def _journey(self, who: Shopper, at_s: float) -> None:
        random = self._random
        await trio.sleep(at_s)
        for number in range(random.randint(1, 5)):
            await self._browse(who, random.choice(LANDINGS) if number == 0 else INSIDE)
            await trio.sleep(random.choice((0.0, 0.01, 1.0)) * random.expovariate(1 / 8))
            if random.random() < CHANGE_SHARE:
                await self._choose(who)
        match random.choice(("order", "order", "lead", "used_again", "server_batch", "leave")):
            case "order":
                await self._order(who)
            case "lead":
                event = self._event(who, "lead_submitted", self._id("lead"), lead_id=self._id("l"))
                await self._insist(who, [event], is_browser=True)
                await self._browse(who)
            case "used_again":
                await self._used_again(who)
            case "server_batch":
                await self._server_batch(who)
        if random.random() < CHANGE_SHARE:
            await trio.sleep(random.choice((0.0, 10.0, HOUR_S)) * random.random())
            await self._choose(who)

    async def _choose(self, who: Shopper) -> None:
        """The visitor answers the banner, or changes their mind, and goes on."""
        said = self._random.choice(CHANGES)
        self._minds[who.visitor] = {**self._minds[who.visitor], **said}
        body = msgspec.json.encode({"visitor_id": who.visitor, **said})
        headers = {"authorization": f"Bearer wk_{who.site}", "content-type": "application/json"}
        call = Call(method="POST", path="/v1/consent", query="", headers=headers, body=body, peer="198.51.100.7")
        if self._random.random() < 0.5:
            event = self._event(who, "page_viewed", self._id("c"), own=said)
            await self._insist(who, [event], True)
        elif await self._answered(call) is not None:
            self._said(who.site, who.visitor, said)

    async def _browse(self, who: Shopper, landing: tuple[str, str] = INSIDE) -> None:
        """A page sends one to three events at once; now and then it sends them again, or never hears and gives up."""
        random = self._random
        names = random.choices(BROWSED, k=random.choice((1, 1, 2, 3)))
        events = [self._event(who, name, self._id("b")) for name in names]
        parameters, referrer = landing
        events[0]["page"]["url"] += parameters
        if referrer:
            events[0]["page"]["referrer"] = referrer
        await self._insist(who, events, is_browser=True, tries=random.choice((1, TRIES)))
        if random.random() < 0.15:
            await trio.sleep(random.choice((0.0, 3.0, 600.0)) * random.random())
            await self._insist(who, events, is_browser=True)

    async def _order(self, who: Shopper) -> None:
        """The pixel's copy and the server's, in either order, with the same id or another; then what follows."""
        random = self._random
        order: dict[str, Any] = {"order_id": self._id("o"), "value": 42.5, "currency": "EUR"}
        if random.random() < 0.5:
            order["checkout_token"] = self._id("t")
        own_id = self._id("buy")
        copies = [(self._event(who, "purchase_placed", own_id, **order), True)]
        if random.random() < 0.8:
            other_id = own_id if random.random() < 0.3 else self._id("ord")
            copies.append((self._event(who, "purchase_placed", other_id, **order), False))
        random.shuffle(copies)
        async with trio.open_nursery() as nursery:
            for event, is_browser in copies:
                nursery.start_soon(self._insist, who, [event], is_browser)
                await trio.sleep(random.choice((0.0, 1.0, 4.0, 60.0, 1_800.0)) * random.random())
        event, is_browser = random.choice(copies)
        if random.random() < 0.4:
            await trio.sleep(random.choice((1.0, 600.0, 2 * HOUR_S)) * random.random())
            await self._insist(who, [event], is_browser)
        if random.random() < 0.4:
            await trio.sleep(random.choice((0.0, 30.0, HOUR_S)))
            name = random.choice(("order_refunded", "order_refunded", "order_cancelled"))
            part = random.choice((42.5, 10.01))
            back = self._event(who, name, self._id("ref"), **{**order, "value": part})
            await self._insist(who, [back], False)

    async def _used_again(self, who: Shopper) -> None:
        """A shop without order ids that uses an event id again days later: that is another purchase."""
        event_id = self._id(AGAIN)
        for copy in range(2):
            if copy and self._plan.span_s < DAY_S:
                return
            await trio.sleep(copy * 2.5 * DAY_S)
            event = self._event(who, "purchase_placed", event_id, value=10, currency="EUR")
            await self._insist(who, [event], True)
            await self._insist(who, [event], False)

    async def _server_batch(self, who: Shopper) -> None:
        """Several events of a server, good and bad ones."""
        names = self._random.choices(("login_completed", "wishlist_item_added", "points_earned"), k=3)
        events = [self._event(who, name, self._id("s")) for name in names]
        events.insert(self._random.randint(0, 3), {"event_name": "page_viewed", "custom_data": {"value": "much"}})
        await self._insist(who, events, False)

    # --- requests ---

    def _id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number}"

    def _event(
        self, who: Shopper, name: str, event_id: str, own: Mapping[str, str] | None = None, **custom: Any
    ) -> dict[str, Any]:
        self._last_ms = max(self._last_ms + 1, self._now_ms())
        event: dict[str, Any] = {
            "event_name": name,
            "event_id": event_id,
            "occurred_at": datetime.fromtimestamp(self._last_ms / 1000, UTC).isoformat(timespec="milliseconds"),
            "page": {"url": f"{ORIGIN.format(site=who.site)}/p/{event_id}"},
            "user_data": {"anonymous_id": who.visitor, "client_user_agent": AGENT, **who.person},
            "custom_data": {"mark": event_id, **custom},
        }
        if own is None:
            own = self._minds[who.visitor] if self._random.random() < 0.7 else {}
        if own:
            event["consent"] = dict(own)
        known = self.known(who.site, who.visitor)
        fact = Sent(site=who.site, event_id=event_id, event_name=name, visitor=who.visitor, consent={**known, **own})
        self.sent[who.site, event_id, name] = fact
        return event

    async def _insist(
        self, who: Shopper, events: Sequence[dict[str, Any]], is_browser: bool, tries: int = TRIES
    ) -> None:
        """Sends until an answer says that it is taken."""
        call = _browser_call(who, events) if is_browser else _server_call(who, events)
        answer = await self._answered(call, tries)
        if answer is not None:
            self._hear(who, events, answer)

    async def _answered(self, call: Call, tries: int = TRIES) -> Answer | None:
        """The answer that it is taken."""
        for _ in range(tries):
            answer = await self._post(call)
            if answer is not None and answer.status in (200, 202):
                return answer
            if answer is not None and answer.status not in (429, 500, 503):
                self.unforeseen.append(f"answer {answer.status}: {answer.body.decode()}")
                return None
            wait_s = dict(answer.headers).get("retry-after") if answer is not None else None
            await trio.sleep(float(wait_s) if wait_s else self._random.uniform(0.2, 30.0))
        return None

    def known(self, site: str, visitor: str) -> dict[str, str]:
        """What the gateway was told of this visitor."""
        return {
            purpose: choice for said in self.said.get((site, visitor), ()) for purpose, choice in said.consent.items()
        }

    def _said(self, site: str, visitor: str, consent: Mapping[str, str]) -> None:
        choice = Choice(at_s=trio.current_time(), consent=dict(consent))
        self.said.setdefault((site, visitor), []).append(choice)

    def _hear(self, who: Shopper, events: Sequence[dict[str, Any]], answer: Answer) -> None:
        body = msgspec.json.decode(answer.body)
        told = body.get("event_ids") or [one.get("event_id") for one in body["events"]]
        for event, event_id in zip(events, told, strict=True):
            if event_id is not None:
                self.acknowledged.add((who.site, event_id, event["event_name"]))
                if "consent" in event:
                    self._said(who.site, who.visitor, event["consent"])


def _clicks(number: int) -> dict[str, str]:
    """What the other platforms know a visitor by."""
    return {
        "ttclid": f"E.C.P.{number}", "rdt_cid": f"rdt-{number}", "li_fat_id": f"li-{number}",
        "awc": f"12345_1795032251_{number:x}", "tblci": f"GiExample{number}", "criteo_id": f"cr-{number}",
        "klaviyo_id": f"01HYQ{number}",
    }  # fmt: skip


def _browser_call(who: Shopper, events: Sequence[dict[str, Any]]) -> Call:
    headers = {
        "origin": ORIGIN.format(site=who.site),
        "user-agent": AGENT,
        "cookie": f"_gw_vid={who.visitor}",
        "content-type": "text/plain",
    }
    body = msgspec.json.encode({"events": events})
    return Call(method="POST", path="/i", query=f"k=pk_{who.site}", headers=headers, body=body, peer=who.address)


def _server_call(who: Shopper, events: Sequence[dict[str, Any]]) -> Call:
    headers = {"authorization": f"Bearer wk_{who.site}", "content-type": "application/json"}
    body = msgspec.json.encode(events[0] if len(events) == 1 else {"events": events})
    return Call(method="POST", path="/v1/events", query="", headers=headers, body=body, peer="198.51.100.7")
