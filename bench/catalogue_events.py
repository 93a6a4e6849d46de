"""The events of the full catalogue: all canonical names, twenty custom ones, in every state that platforms tell apart.

`given(number, seed)` is one event as facts; `raw(one, now_ms)` the JSON that a shop's server would send for it. The
facts are what catalogue_rules.py decides by: neither knows the adapters.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Literal

from msgspec import Struct

from actors.destinations.base import DAY_S
from actors.names import CANONICAL_NAMES

LONG_45: Final = "a_name_of_forty_five_characters_x_x_x_x_x_x_x"
LONG_58: Final = "a_name_of_fifty_eight_characters_x_x_x_x_x_x_x_x_x_x_x_x_x"
LONG_70: Final = LONG_58 + "_and_more_xx"
CUSTOM_NAMES: Final = (
    "quiz_finished", "points_earned", "video_watched", "size_guide_opened", "chat_started", "review_written",
    "coupon_revealed", "gift_card_bought", "stock_alert_set", "bundle_built", "sample_ordered", "survey_answered",
    "referral_sent", "store_credit_used", "Kiosk Visited",
    "session_start",  # reserved by GA4
    "ClickForm",  # reserved by TikTok
    LONG_45, LONG_58, LONG_70,
)  # fmt: skip
NAMES: Final = (*CANONICAL_NAMES, *CUSTOM_NAMES)
CONVERSIONS: Final = (
    "purchase_placed",
    "lead_submitted",
    "checkout_started",
    "registration_completed",
    "product_viewed",
    "quiz_finished",
)  # fmt: skip  those that have a conversion action or rule

Person = Literal["full", "email", "hashed_email", "phone", "browser", "clicks", "customer", "visitor", "nobody"]
PEOPLE: Final[tuple[Person, ...]] = (
    "full", "full", "full", "email", "hashed_email", "phone", "browser", "clicks", "customer", "visitor", "nobody",
)  # fmt: skip
Choice = Literal["unknown", "granted", "no_marketing", "no_analytics", "no_sale", "nothing"]
CHOICES: Final[tuple[Choice, ...]] = (
    "unknown", "granted", "granted", "granted", "no_marketing", "no_analytics", "no_sale", "nothing",
)  # fmt: skip
CONSENTS: Final[Mapping[Choice, Mapping[str, str]]] = {
    "unknown": {},
    "granted": {"analytics": "granted", "marketing": "granted", "preferences": "granted", "sale_of_data": "granted"},
    "no_marketing": {"analytics": "granted", "marketing": "denied"},
    "no_analytics": {"analytics": "denied", "marketing": "granted"},
    "no_sale": {"analytics": "granted", "marketing": "granted", "sale_of_data": "denied"},
    "nothing": {"analytics": "denied", "marketing": "denied", "preferences": "denied", "sale_of_data": "denied"},
}
Money = Literal["whole", "no_currency", "none"]
Items = Literal["full", "no_price", "ids", "none"]
Where = Literal["website", "website_without_page", "physical_store", "email", "app"]
PLACES: Final[tuple[Where, ...]] = (
    "website", "website", "website", "website", "website_without_page", "physical_store", "email", "app",
)  # fmt: skip
AGES_S: Final = (0, 0, 0, 0, 0, 0, 0, 60, 4 * DAY_S, 9 * DAY_S, 40 * DAY_S, 100 * DAY_S)

AGENT: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0"
DIGEST: Final = "542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345"  # of person@example.com
TEXTS: Final = ("Trail Shoe", 'O\'Neil "Pro" <b>', "Größe 42 | rot", "🛒 Tasche", "x" * 150, "a\nb")


class Given(Struct, frozen=True, kw_only=True):
    """One event as facts."""

    number: int
    name: str
    person: Person
    choice: Choice
    money: Money
    items: Items
    where: Where
    has_order_id: bool
    has_coupon: bool
    age_s: int
    text: str
    price: float

    @property
    def event_id(self) -> str:
        return f"c-{self.number}"

    @property
    def is_person(self) -> bool:
        """Whether it names a person by more than a click."""
        return self.person in ("full", "email", "phone")


def given(number: int, seed: int) -> Given:
    """Names take turns; all else is drawn."""
    random = Random(f"{seed}/{number}")
    return Given(
        number=number,
        name=NAMES[number % len(NAMES)],
        person=random.choice(PEOPLE),
        choice=random.choice(CHOICES),
        money=random.choice(("whole", "whole", "whole", "no_currency", "none")),
        items=random.choice(("full", "full", "no_price", "ids", "none")),
        where=random.choice(PLACES),
        has_order_id=random.random() < 0.7,
        has_coupon=random.random() < 0.3,
        age_s=random.choice(AGES_S),
        text=random.choice(TEXTS),
        price=round(random.uniform(0.01, 999.99), 2),
    )


def raw(one: Given, now_ms: int) -> dict[str, Any]:
    """Sent as JSON to the gateway: this is the edge of another process."""
    event: dict[str, Any] = {
        "event_name": one.name,
        "event_id": one.event_id,
        "occurred_at": datetime.fromtimestamp(now_ms / 1000 - one.age_s, UTC).isoformat(timespec="milliseconds"),
        "action_source": "website" if one.where == "website_without_page" else one.where,
        "user_data": _user_data(one),
        "custom_data": _custom_data(one),
        "consent": dict(CONSENTS[one.choice]),
    }
    if one.where == "website":
        event["page"] = {
            "url": f"https://shop.example.com/p/{one.number}?color=red&msclkid=c0ffee&email=jane%40example.com",
            "referrer": "https://shop.example.com/",
            "title": one.text,
        }
    return event


def _user_data(one: Given) -> dict[str, Any]:
    number = one.number
    email = {"email": f" Jane.Doe+{number}@Example.com"}
    phone = {"phone": f"+1 (212) 555-{number % 10_000:04d}"}
    clicks = {
        "fbp": f"fb.1.1795032251412.{10_000 + number}", "fbc": f"fb.1.1795032251398.IwAR{number}",
        "ga_client_id": f"{10_000 + number}.1795032200", "ga_session_id": "1795165000", "gclid": f"Cj0{number}",
        "ttclid": f"E.C.P.{number}", "ttp": f"ttp{number}", "epik": f"dj0{number}", "sc_click_id": f"sc-{number}",
        "sc_cookie1": f"scid-{number}", "li_fat_id": f"li-{number}", "rdt_cid": f"rdt-{number}",
        "rdt_uuid": f"1795032251412.{number}", "awc": f"12345_1795032251_{number:x}", "tblci": f"GiExample{number}",
        "criteo_id": f"cr-{number}", "klaviyo_id": f"01HYQ{number}",
    }  # fmt: skip
    browser = {"client_ip": f"203.0.113.{number % 250 + 1}", "client_user_agent": AGENT}
    names = {
        "first_name": "Anne-Marie", "last_name": "O'Neil", "street": "12 Main St.", "date_of_birth": "1990-04-23",
        "gender": "female", "city": "New York", "region": "NY", "postal_code": "10001-1234", "country": "US",
    }  # fmt: skip
    customer = {"external_id": f"cust_{number}"}
    visitor = {"anonymous_id": f"5b1f0c527a3e4c0b9d54{number:012x}"}
    match one.person:
        case "full":
            return email | phone | clicks | browser | names | customer | visitor
        case "email":
            return email | visitor
        case "hashed_email":
            return {"email": DIGEST}
        case "phone":
            return phone
        case "browser":
            return browser
        case "clicks":
            return clicks
        case "customer":
            return customer
        case "visitor":
            return visitor
    return {}


def _custom_data(one: Given) -> dict[str, Any]:
    fields: dict[str, Any] = {"plan": one.text, "score": one.price, "flags": [True, False], "deep": {"a": {"b": 1}}}
    if one.money != "none":
        fields |= {"value": round(one.price * 3 + 10, 2), "tax": 5.5, "shipping": 4.5}
    if one.money == "whole":
        fields["currency"] = "USD"
    if one.has_order_id:
        fields["order_id"] = f"o-{one.number}"
    if one.has_coupon:
        fields["coupon"] = "WELCOME10"
    if one.name == "lead_submitted":
        fields["lead_id"] = f"l-{one.number}"
    if one.items == "ids":
        fields["product_ids"] = [f"SKU-{one.number}", "SKU-SOCK"]
    elif one.items != "none":
        fields["items"] = [_item(one, f"SKU-{one.number}", 1), _item(one, "SKU-SOCK", 2)]
    return fields


def _item(one: Given, item_id: str, quantity: int) -> dict[str, Any]:
    item = {"id": item_id, "name": one.text, "quantity": quantity, "brand": "Northpeak", "category": "Shoes"}
    return item if one.items == "no_price" else item | {"price": one.price}
