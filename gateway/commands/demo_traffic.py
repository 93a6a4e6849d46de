"""A storefront's traffic over real HTTP: shoppers' browsers that post to `/i`, and the shop's server to `/v1/events`.

What the gateway answered is kept as receipts, so that at the end the platforms' side can be compared with what was
accepted, and with nothing that the gateway itself says.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from random import Random
from typing import Any, Final, Literal

import httpx
import msgspec
import trio
from msgspec import Struct

from gateway.commands.demo_world import ORIGIN, PUBLIC_KEY, WRITE_KEY

Side = Literal["browser", "server"]
Consent = Literal["granted", "denied", "measuring only"]

AGENTS: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
PRODUCTS: Final = (("SKU-101", "Linen shirt", "59.90"), ("SKU-202", "Canvas bag", "34.50"), ("SKU-303", "Mug", "14.00"))
SHIPPING: Final = Decimal("4.90")
CONSENTS: Final[tuple[Consent, ...]] = (
    "granted", "granted", "granted", "denied", "granted", "measuring only", "granted",
)  # fmt: skip
RECEIPTS_KEPT: Final = 100_000
REFUSED_KEPT: Final = 1_000
CHOICES: Final = {
    "granted": {"analytics": "granted", "marketing": "granted"},
    "denied": {"analytics": "denied", "marketing": "denied", "preferences": "denied", "sale_of_data": "denied"},
    "measuring only": {"analytics": "granted", "marketing": "denied"},
}  # fmt: skip


class Receipt(Struct, frozen=True, kw_only=True):
    """One event that the gateway acknowledged with a 2xx."""

    event_id: str
    event_name: str
    side: Side
    consent: Consent
    order_id: str | None = None
    value: Decimal | None = None
    is_repeat: bool = False  # of an order that is known already


class Shopper(Struct, kw_only=True):
    """One visitor's browser: its cookies, address and choices."""

    number: int
    agent: str
    address: str
    consent: Consent
    cookies: dict[str, str]


class Storefront:
    """Sends as long as it is asked to. `tell` gets a line for what is worth one."""

    def __init__(self, url: str, random: Random, tell: Callable[[str], None]) -> None:
        self.receipts: deque[Receipt] = deque(maxlen=RECEIPTS_KEPT)
        self.refused: deque[str] = deque(maxlen=REFUSED_KEPT)  # answers other than 2xx: none is expected
        self.bad_answer = ""
        self.shoppers = 0
        self._random = random
        self._tell = tell
        self._client = httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            timeout=10,
            limits=httpx.Limits(max_connections=8),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # each shopper keeps its own
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    def new_shopper(self) -> Shopper:
        """Every seventh denies everything, every seventh all but measuring."""
        self.shoppers += 1
        number, random = self.shoppers, self._random
        consent = CONSENTS[number % len(CONSENTS)]
        now_s = 1_795_000_000 + number
        cookies = {"_fbp": f"fb.1.{now_s}000.{random.randrange(10**9, 10**10)}"} if consent == "granted" else {}
        if consent != "denied":
            cookies["_ga"] = f"GA1.1.{random.randrange(10**8, 10**9)}.{now_s}"
        return Shopper(
            number=number,
            agent=AGENTS[number % len(AGENTS)],
            address=f"81.2.{number // 250 % 250}.{number % 250 + 1}",
            consent=consent,
            cookies=cookies,
        )

    async def visit(self, shopper: Shopper, pace_s: float) -> None:
        """Browse, cart, checkout; two of three buy."""
        sku, name, price = PRODUCTS[shopper.number % len(PRODUCTS)]
        item = {"id": sku, "name": name, "price": price, "quantity": 1 + shopper.number % 2}
        goods = {"items": [item], "value": str(_total(item)), "currency": "EUR"}
        steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("page_viewed", f"/?utm_source=google&utm_medium=cpc&gclid=Cj0Demo{shopper.number:06d}", {}),
            ("collection_viewed", "/collections/summer", {"content_name": "Summer"}),
            ("product_viewed", f"/products/{sku.lower()}", goods),
            ("cart_item_added", f"/products/{sku.lower()}", goods),
            ("checkout_started", "/checkout", goods),
        )
        for step, path, data in steps:
            await self.browser(shopper, step, path, data)
            await trio.sleep(pace_s * self._random.uniform(0.5, 1.5))
        if shopper.number % 3:
            await self._buy(shopper, item)

    async def _buy(self, shopper: Shopper, item: dict[str, Any]) -> None:
        """The pixel sees the buyer and the items; the shop's server knows who it was and what was paid."""
        order_id = f"{1000 + shopper.number}"
        pixel = {"items": [item], "value": str(_total(item)), "currency": "EUR", "order_id": order_id}
        paid = _total(item) + SHIPPING
        server = {**pixel, "value": str(paid), "shipping": str(SHIPPING)}
        sides = [
            partial(self.browser, shopper, "purchase_placed", "/thank-you", pixel),
            partial(self.server, shopper, server),
        ]
        for send in reversed(sides) if shopper.number % 2 else sides:
            await send()
            await trio.sleep(self._random.uniform(0.05, 0.4))
        self._tell(
            f"order {order_id}: the pixel says {pixel['value']} EUR, the shop's server {paid} EUR and who bought"
        )
        if shopper.number % 5 == 1:
            await trio.sleep(0.3)
            await self.browser(shopper, "purchase_placed", "/thank-you", pixel, is_repeat=True)
            await self.server(shopper, server, is_repeat=True)
            self._tell(f"order {order_id}: the thank-you page is reloaded, and the shop's server sends its event again")

    async def browser(
        self, shopper: Shopper, event_name: str, path: str, data: dict[str, Any], *, is_repeat: bool = False
    ) -> None:
        """As `sendBeacon` posts: JSON as text/plain, so that no preflight is needed, with the page's own headers."""
        event_id = f"px-{shopper.number}-{self._random.getrandbits(48):012x}"
        event = {
            "event_name": event_name,
            "event_id": event_id,
            "page": {"url": ORIGIN + path, "referrer": "https://www.google.com/", "title": "Demo shop"},
            "custom_data": data,
            "consent": CHOICES[shopper.consent],
        }
        headers = {
            "content-type": "text/plain;charset=UTF-8",
            "origin": ORIGIN,
            "referer": ORIGIN + "/",
            "user-agent": shopper.agent,
            "x-forwarded-for": shopper.address,
            "sec-fetch-mode": "no-cors",
            "sec-fetch-site": "cross-site",
            "cookie": "; ".join(f"{name}={value}" for name, value in shopper.cookies.items()),
        }
        answer = await self._post(f"/i?k={PUBLIC_KEY}", event, headers)
        if answer is None:
            return
        for name, _, value in (one.partition("=") for one in answer.headers.get_list("set-cookie")):
            shopper.cookies[name] = value.partition(";")[0]
        order_id = data.get("order_id")
        self.receipts.append(_receipt(event, "browser", shopper.consent, order_id, is_repeat=is_repeat))

    async def server(self, shopper: Shopper, data: dict[str, Any], *, is_repeat: bool = False) -> None:
        """The shop's server: identifiers of the buyer, which are normalised and hashed at the edge."""
        event = {
            "event_name": "purchase_placed",
            "event_id": f"order-{data['order_id']}",
            "user_data": {
                "email": f"Buyer.{shopper.number}@Example.com",
                "phone": f"+44 7700 {900000 + shopper.number}",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "country": "GB",
                "postal_code": "NW1 5LR",
            },
            "custom_data": data,
            "consent": CHOICES[shopper.consent],
        }
        if await self._post_events(event) is not None:
            self.receipts.append(_receipt(event, "server", shopper.consent, data["order_id"], is_repeat=is_repeat))

    async def bad_batch(self) -> None:
        """Two events in one request, one of them wrong: the good one is taken, the other answered in its place."""
        good = {
            "event_name": "newsletter_subscribed",
            "event_id": "news-1",
            "user_data": {"email": "reader@example.com", "ga_client_id": "1234567890.1795000000"},
        }
        bad = {
            "event_name": "purchase_placed",
            "event_id": "bad-1",
            "custom_data": {"value": "10.00", "currency": "EURO"},
        }
        answer = await self._post_events([good, bad])
        if answer is None:
            return
        self.receipts.append(_receipt(good, "server", "granted", None))
        found = msgspec.json.decode(answer.content).get("events", [])
        told = [one["error"] for one in found if one.get("status") == "rejected"]
        error = told[0].get("error", told[0]) if told else {}
        self.bad_answer = f"{error.get('field', '?')}: {error.get('message', answer.text[:200])}"
        self._tell(f"a bad event in a batch of two is answered in its place: {self.bad_answer}")

    async def _post_events(self, body: object) -> httpx.Response | None:
        headers = {"content-type": "application/json", "authorization": f"Bearer {WRITE_KEY}"}
        return await self._post("/v1/events", body, headers)

    async def _post(self, path: str, body: object, headers: dict[str, str]) -> httpx.Response | None:
        """The answer, if it is a 2xx; what else came is kept, as no event of the demo deserves it."""
        try:
            answer = await self._client.post(path, content=msgspec.json.encode(body), headers=headers)
        except httpx.HTTPError as error:
            self.refused.append(f"{type(error).__name__}: {error}")
            return None
        if not answer.is_success:
            self.refused.append(f"{answer.status_code} {answer.text[:200]}")
            return None
        return answer


def _receipt(
    event: dict[str, Any], side: Side, consent: Consent, order_id: str | None, *, is_repeat: bool = False
) -> Receipt:
    value = event.get("custom_data", {}).get("value")
    return Receipt(
        event_id=event["event_id"],
        event_name=event["event_name"],
        side=side,
        consent=consent,
        order_id=order_id,
        value=Decimal(value) if value is not None else None,
        is_repeat=is_repeat,
    )


def _total(item: dict[str, Any]) -> Decimal:
    return Decimal(item["price"]) * int(item["quantity"])
