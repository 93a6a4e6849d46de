"""Awin conversions: POST /s2s/advertiser/{id}/orders, up to 1,000 a request; or GET /sread.php, one order a request.

Source: "Conversion API", "Direct S2S" and "Parameter guidance", help.awin.com, read 2026-11-20; contracts/awin.md. The
way is the setting `via`: `conversion_api` (needs a token, the default) or `sread` (open to every plan). Awin knows
orders and leads only, and no personal data. Where the page leaves a doubt, the safe way:

- The answer's lists of orders come from a third party's test double: an order stands as failed only where its reference
  is in `failedOrders`, and a refusal that names none splits the batch.
- `aw` is the channel unless a setting or a property of the event says who had the last click.
- A basket is sent whole or not at all: a part of it would not sum up to the order.
- Custom parameters go up to key 127, the lower of the two bounds that were published.
- Awin allows 20 calls a minute for a token: one request at a time, and a minute's wait when it is told of too many.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from actors.destinations import awin_answers as answers
from actors.destinations import carried
from actors.destinations.awin_orders import Order, Row, order_of
from actors.destinations.base import (
    Attempt,
    CheckUnsure,
    CredentialCheck,
    Delivered,
    Destination,
    Drop,
    InTestMode,
    Limits,
    Payload,
    Request,
    Response,
    Verdict,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
)
from actors.destinations.credential_checks import by_acceptance, sample_event, sample_request
from actors.destinations.redaction import conceal_all
from actors.destinations.webhook import url_fault
from actors.event import CustomData, Event
from actors.rates import Rate
from actors.secret import Secret

SREAD_URL = "https://www.awin1.com"
CALLS = Rate("20/min")  # contracts/awin.md, section 3
SREAD_CHARS = 8_000  # of the address; the page names no bound, servers commonly take 8 KiB
PARAMETER_KEYS = range(1, 128)
SALE = "purchase_placed"

# fmt: off
# What a programme may pay for beside purchases (section 5); the settings `sales` and `leads` switch them on.
MORE_SALES = frozenset({"subscription_started", "donation_made"})
LEADS = frozenset({
    "trial_started", "lead_submitted", "contact_requested", "registration_completed", "newsletter_subscribed",
    "appointment_scheduled", "application_submitted",
})
NAMES: Mapping[str, str | None] = {
    "page_viewed": None, "collection_viewed": None, "product_viewed": None, "search_performed": None,
    "product_customized": None, "promotion_clicked": None,
    "wishlist_item_added": None, "cart_viewed": None, "cart_item_added": None, "cart_item_removed": None,
    "checkout_started": None, "contact_info_added": None, "shipping_info_added": None, "payment_info_added": None,
    SALE: "order", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": None, "subscription_renewed": None, "subscription_cancelled": None, "trial_started": None,
    "lead_submitted": None, "contact_requested": None, "registration_completed": None, "login_completed": None,
    "newsletter_subscribed": None, "appointment_scheduled": None, "application_submitted": None,
    "donation_made": None, "store_located": None,
    "message_clicked": None,
}
# fmt: on

_DIGITS = re.compile(r"\d{1,12}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
_CODE = re.compile(r"[A-Z0-9_.-]{1,100}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Sent(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is read back from a payload: of which order it is, and whose click."""

    order_reference: str
    awc: str | None = None
    query: str | None = None


class Awin(Destination, frozen=True, kw_only=True, tag="awin"):
    advertiser_id: str  # the account: digits
    api_key: Secret | None = None  # a user's token, from ui.awin.com/awin-api; not for `sread`
    via: Literal["conversion_api", "sread"] = "conversion_api"  # the Conversion API, or sread.php, which needs no token
    channel: str = "aw"  # who had the last click
    channel_property: str | None = None  # a custom property of the event that says it
    sales: tuple[str, ...] = ()  # event names that are orders too
    leads: tuple[str, ...] = ()  # event names that are leads: their amount is 1
    commission_group: str = "DEFAULT"  # its code
    commission_groups: dict[str, str] = field(default_factory=dict)  # event name -> its own commission group
    item_commission_groups: dict[str, str] = field(default_factory=dict)  # category of an item -> its own
    currency: str | None = None  # of events that name none, such as leads
    custom_parameters: dict[str, str] = field(default_factory=dict)  # custom property -> number of the parameter
    transaction_time: bool = False  # send the order's own time; only after Awin switched it on for the account
    test_mode: bool = False  # Awin ignores the conversion
    webhook_url: str | None = None  # where Awin posts the result of a batch
    concurrency: int = 1  # requests in flight at most: Awin counts calls

    platform: ClassVar[str] = "awin"
    limits: ClassVar[Limits] = Limits(events=1_000, body_bytes=1_000_000, answer_bytes=500_000)
    names: ClassVar[Mapping[str, str | None]] = NAMES
    takes_custom: ClassVar[bool] = False  # unless it stands in `sales` or `leads`
    match_on: ClassVar[int] = carried.CLICK_ID
    click_ids: ClassVar[tuple[str, ...]] = ("awc",)
    default_base_url: ClassVar[str] = "https://api.awin.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _DIGITS.fullmatch(self.advertiser_id):
            yield "advertiser_id", f"{self.advertiser_id!r} is no advertiser id; give its digits"
        if self.via == "conversion_api" and not (self.api_key and _TOKEN.fullmatch(self.api_key.reveal())):
            yield "api_key", "is missing or holds spaces; give the token from ui.awin.com/awin-api, without 'Bearer'"
        yield from _name_problems(self)
        yield from _order_problems(self)

    def platform_rate(self) -> Rate | None:
        """Of the API alone; shared by all that uses the token, so who runs several gives each its part as `rate`."""
        return CALLS if self.via == "conversion_api" else None

    def takes(self, event_name: str) -> bool:
        if self.events is not None and event_name not in self.events and "*" not in self.events:
            return False
        return event_name == SALE or event_name in self.sales or event_name in self.leads

    def api_url(self, path: str) -> str:
        default = SREAD_URL if self.via == "sread" else self.default_base_url
        return (self.base_url or default).rstrip("/") + path

    def in_test_mode(self) -> InTestMode:
        return InTestMode(msgspec.structs.replace(self, test_mode=True), "Awin ignores the conversion")

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An order that Awin ignores (`isTest`). sread.php takes no credentials."""
        if self.via == "sread":
            return None
        trial = msgspec.structs.replace(self, test_mode=True, webhook_url=None)
        return sample_request(trial, _sample_order(attempt), attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = answers.verdicts_of(response, ["credential-check"])
        if isinstance(verdict, Delivered) and not isinstance(response.json(), dict):
            return CheckUnsure(f"answer {response.status}, which is not Awin's: {response.words()}")
        return by_acceptance(verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if (purpose := self.denied(event)) is not None:
            return Drop(f"{purpose} consent is denied")
        is_lead = event.event_name in self.leads
        if not (is_lead or event.event_name == SALE or event.event_name in self.sales):
            return Drop(f"Awin knows orders and leads only: {event.event_name[:40]} is neither by its settings")
        order = order_of(
            event,
            is_lead=is_lead,
            code=self.commission_groups.get(event.event_name, self.commission_group),
            codes=self.item_commission_groups,
            channel=self._channel(event),
            currency=self.currency,
            parameters=self.custom_parameters,
        )
        if isinstance(order, Drop):
            return order
        if self.via == "sread":
            return self._sread(event, order)
        body = encode_json(self._order(event, order))
        if len(body) > self.limits.body_bytes:
            return Drop(f"order of {len(body)} bytes; at most {self.limits.body_bytes} are sent in a request")
        return Payload(body, carries=carried.CLICK_ID if order.awc else 0)

    def _channel(self, event: Event) -> str:
        told = event.custom_data.properties.get(self.channel_property or "")
        return told.strip() if isinstance(told, str) and told.strip() else self.channel

    def _order(self, event: Event, order: Order) -> dict[str, object]:
        return drop_absent(
            orderReference=order.reference,
            amount=order.amount,
            channel=order.channel,
            currency=order.currency,
            awc=order.awc,
            voucher=order.voucher,
            customerAcquisition=order.acquisition,
            transactionTime=happened_at_ms(event) // 1000 if self.transaction_time else None,
            isTest=self.test_mode,
            commissionGroups=[{"code": code, "amount": amount} for code, amount in order.groups],
            basket=[_basket_row(row) for row in order.rows],
            custom=dict(order.custom),
        )

    def _sread(self, event: Event, order: Order) -> Payload | Drop:
        """The whole query; its envelope is the event's own, since such a request holds one order."""
        if order.awc is None:
            return Drop("no awc: sread.php reports orders by their click only")
        pairs = [_pair(name, value) for name, value in self._query(order)]
        rows = [f"bd[{index}]={_sread_row(self, order, row)}" for index, row in enumerate(order.rows)]
        query = "&".join([*pairs, *rows])
        if len(query) > SREAD_CHARS:
            query = "&".join(pairs)
        if len(query) > SREAD_CHARS:
            return Drop(f"address of {len(query)} characters; sread.php is sent at most {SREAD_CHARS}")
        body = encode_json(Sent(order_reference=order.reference, awc=order.awc, query=query))
        return Payload(body, encode_json([event.event_name, event.event_id]), carried.CLICK_ID)

    def _query(self, order: Order) -> Iterable[tuple[str, str | None]]:
        amount = f"{order.amount:.2f}"
        yield from (("tt", "ss"), ("tv", "2"), ("merchant", self.advertiser_id), ("amount", amount))
        parts = "|".join(f"{code}:{part:.2f}" for code, part in order.groups)
        yield from (("ch", order.channel), ("parts", parts))
        if order.voucher:
            yield "vc", order.voucher
        yield from (("cr", order.currency), ("ref", order.reference))
        if order.acquisition:
            yield "customeracquisition", order.acquisition
        yield from (("testmode", "1" if self.test_mode else "0"), ("cks", order.awc))
        yield from (
            (f"p{key}", value if isinstance(value, str) else encode_json(value).decode()) for key, value in order.custom
        )

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        if self.via == "sread":
            sent = msgspec.json.decode(payloads[0].body, type=Sent)
            return Request(url=self.api_url(f"/sread.php?{sent.query}"), method="GET")
        body = b'{"orders":[' + b",".join(payload.body for payload in payloads) + b"]"
        if self.webhook_url:
            body += b',"webhook":' + encode_json({"url": self.webhook_url})
        key = self.api_key.reveal() if self.api_key else ""
        return post_json(self.api_url(f"/s2s/advertiser/{self.advertiser_id}/orders"), body + b"}", x_api_key=key)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        sent = [msgspec.json.decode(payload.body, type=Sent) for payload in payloads]
        if self.via == "sread":
            verdicts = answers.verdicts_of_sread(response, payloads)
        else:
            verdicts = answers.verdicts_of(response, [one.order_reference for one in sent])
        people = [Payload(encode_json({"user_data": [one.awc]})) for one in sent]
        return conceal_all(verdicts, [self.api_key] if self.api_key else [], people)


def _sample_order(attempt: Attempt) -> Event:
    event = sample_event(attempt, SALE)
    user = msgspec.structs.replace(event.user_data, awc=f"1_{attempt.at_ms // 1000}_credentialcheck")
    data = CustomData(order_id="credential-check", value=Decimal(1), currency="EUR")
    return msgspec.structs.replace(event, user_data=user, custom_data=data)


def _basket_row(row: Row) -> dict[str, object]:
    return drop_absent(
        id=row.id.replace("|", ""),
        name=row.name.replace("|", ""),
        price=row.price,
        quantity=row.quantity,
        sku=row.id.replace("|", ""),
        category=row.category.replace("|", ""),
        commissionGroupCode=row.code,
    )


def _pair(name: str, value: str | None) -> str:
    return f"{name}={quote(value or '', safe='')}"


def _sread_row(settings: Awin, order: Order, row: Row) -> str:
    """`AW:P|merchant|ref|id|name|unit price|quantity|sku|commission group|category`, the bars bare (section 4)."""
    fields = (
        settings.advertiser_id,
        order.reference,
        row.id,
        row.name,
        f"{row.price:.2f}",
        str(row.quantity),
        row.id,
        row.code,
        row.category,
    )
    return "AW:P|" + "|".join(quote(text.replace("|", "_"), safe="") for text in fields)


def _name_problems(settings: Awin) -> Iterable[tuple[str, str]]:
    for setting, allowed in (("sales", MORE_SALES | {SALE}), ("leads", LEADS)):
        for index, name in enumerate(getattr(settings, setting)):
            if name in NAMES and name not in allowed:
                yield f"{setting}[{index}]", f"Awin takes no {name} there; give one of {', '.join(sorted(allowed))}"
    for name in sorted({SALE, *settings.sales} & set(settings.leads)):
        yield "leads", f"{name} is an order already; leave it out"
    for index, name in enumerate(settings.events or ()):
        if name != "*" and name not in (SALE, *settings.sales, *settings.leads):
            yield f"events[{index}]", f"{name!r} is no order or lead; add it to sales or leads"


def _order_problems(settings: Awin) -> Iterable[tuple[str, str]]:
    right = "give upper-case letters, digits, '_', '.' and '-'"
    if not _CODE.fullmatch(settings.commission_group):
        yield "commission_group", f"{settings.commission_group!r} is no code; {right}"
    for table in ("commission_groups", "item_commission_groups"):
        for name, code in getattr(settings, table).items():
            if not _CODE.fullmatch(code):
                yield f"{table}.{name}", f"{code!r} is no code; {right}"
    if not settings.channel.strip():
        yield "channel", "is empty; give 'aw' or the channel that has the last click"
    if settings.currency is not None and not _CURRENCY.fullmatch(settings.currency):
        yield "currency", f"{settings.currency!r} is no currency; give three upper-case letters"
    for name, key in settings.custom_parameters.items():
        if not _DIGITS.fullmatch(key) or int(key) not in PARAMETER_KEYS:
            yield f"custom_parameters.{name}", f"{key!r} is no parameter; give a number from 1 to 127"
    if settings.webhook_url is not None and (fault := url_fault(settings.webhook_url)):
        yield "webhook_url", fault
