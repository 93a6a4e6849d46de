"""Events and case files that the adapters' tests share: input beside output, one JSON file a case."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from actors.destinations.base import sha256
from actors.event import (
    Consent,
    CustomData,
    Digest,
    EmailDigests,
    Event,
    Item,
    NameDigests,
    Page,
    PhoneDigests,
    UserData,
)

FOLDER = Path(__file__).parents[2] / "cases" / "destinations"
AT_MS = 1_795_166_130_250  # 2026-11-20T09:15:30.250Z, as in the worked examples of contracts/
USER_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0"
BASICS: dict[str, Any] = {"site": "demo", "received_at_ms": AT_MS, "occurred_at_ms": AT_MS, "source": "server"}


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`body` is the whole request's for this event alone; `drop` a part of the reason."""

    why: str
    event: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    drop: str | None = None


def case_names(platform: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / platform).glob("*.json"))


def read_case(platform: str, name: str) -> tuple[Case, Event]:
    case = msgspec.json.decode((FOLDER / platform / f"{name}.json").read_bytes(), type=Case)
    return case, msgspec.convert(BASICS | case.event, Event, strict=False)


def purchase(**changes: Any) -> Event:
    """A purchase with little more than platforms must have."""
    fields: dict[str, Any] = {
        **BASICS,
        "event_name": "purchase_placed",
        "event_id": "e-1",
        "page": Page(url="https://shop.example.com/thanks"),
        "user_data": UserData(
            email=EmailDigests(sha256=sha256("jane@example.com")),
            client_user_agent=USER_AGENT,
            ga_client_id="1.2",
            gclid="Cj0",
            klaviyo_id="N2MyYz",
            awc="12345_1795032251_0f3c5e0b",
            tblci="GiExample",
        ),
        "custom_data": CustomData(value=Decimal("10.50"), currency="EUR", order_id="o-1"),
    }
    return Event(**{**fields, **changes})


def everything() -> Event:
    """An event with a value in every field that is allowed beside the others."""
    return purchase(
        page=Page(
            url="https://shop.example.com/thanks?utm_source=x",
            referrer="https://shop.example.com/checkout",
            title="Thank you",
            path="/thanks",
        ),
        user_data=full_user_data(),
        custom_data=full_custom_data(),
        consent=Consent(analytics="granted", marketing="granted", preferences="denied", sale_of_data="denied"),
        marks=("card_removed",),
    )


def full_user_data() -> UserData:
    return UserData(
        email=EmailDigests(sha256=sha256("jane.doe@gmail.com"), gmail=sha256("janedoe@gmail.com")),
        phone=PhoneDigests(sha256=sha256("+12125550123"), digits=sha256("12125550123")),
        first_name=NameDigests(sha256=sha256("annlee"), words=sha256("ann lee"), plain=sha256("ann-lee")),
        last_name=NameDigests(sha256=sha256("oneil"), plain=sha256("o'neil")),
        street=Digest(sha256=sha256("12 main st")),
        date_of_birth=Digest(sha256=sha256("19900423")),
        gender=Digest(sha256=sha256("f")),
        city="New York",
        region="NY",
        postal_code="10001",
        country="US",
        external_id="cust_10482",
        anonymous_id="0123456789abcdef0123456789abcdef",
        session_id="s-1",
        client_ip="203.0.113.7",
        client_user_agent=USER_AGENT,
        fbp="fb.1.1795032251412.1098115397",
        fbc="fb.1.1795032251398.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk",
        ga_client_id="1234567890.1795032200",
        ga_session_id="1795165000",
        gclid="Cj0ExampleClick",
        gbraid="0AAExampleG",
        wbraid="CkExampleW",
        ttclid="E.C.P.1",
        ttp="TDYcExampleValue0123456789A",
        epik="dj0y1",
        sc_click_id="sc-1",
        sc_cookie1="scid-1",
        li_fat_id="li-1",
        rdt_cid="rdt-1",
        rdt_uuid="1795032251412.0f3c5e0b",
        awc="12345_1795032251_0f3c5e0b",
        tblci="GiExample",
        criteo_id="cr-1",
        klaviyo_id="N2MyYz",
        kx="Zm9v.AbC123",
        msclkid="0123456789abcdef0123456789abcde0",
    )


def full_custom_data() -> CustomData:
    red = Item(
        id="SKU-RED-42",
        name="Trail Shoe",
        quantity=1,
        price=Decimal("79.9"),
        brand="Northpeak",
        category="Shoes",
        variant="Red / 42",
        discount=Decimal("10.0"),
    )
    return CustomData(
        value=Decimal("109.8"),
        currency="USD",
        order_id="100234",
        checkout_token="tok-1",
        items=(red, Item(id="SKU-SOCK-M", name="Merino Sock", quantity=2, price=Decimal("14.95"))),
        num_items=3,
        product_ids=("SKU-RED-42", "SKU-SOCK-M"),
        shipping=Decimal("4.9"),
        tax=Decimal("9.06"),
        discount=Decimal("5"),
        coupon="WELCOME10",
        search_term="shoes",
        subscription_id="sub-1",
        lead_id="lead-1",
        content_name="Trail",
        content_category="Shoes",
        customer_type="new",
        properties={"gift": True, "rating": 4.5, "tags": ["a", "b"], "nested": {"a": 1}, "status": "done"},
    )
