"""The events of the benches: a storefront's mix, about 600 bytes each, every one with an id and a visitor of its own.

70 % product_viewed   15 % cart_item_added   10 % checkout_started   5 % purchase_placed

`rich` events, about 1,500 bytes, also have what every platform knows a buyer by, so that each gets all that it takes.
"""

from typing import Final

import msgspec

from bench.load_plan import Kind

WRITE_KEY: Final = "wk_bench"
MIX: Final = (("product_viewed", 14), ("cart_item_added", 3), ("checkout_started", 2), ("purchase_placed", 1))
NAMES: Final = tuple(name for name, _ in MIX)
STRIDE: Final = (
    7_919  # a prime: one visitor after the other is far from the one before, and all of them have their turn
)
AGENT: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"

# What stands for the two values that differ from event to event.
EVENT_ID: Final = "<event_id>"
VISITOR: Final = "<visitor>"  # seven digits


def templates(kind: Kind = "usual") -> tuple[str, ...]:
    """One JSON text for each name of the mix, with EVENT_ID and VISITOR in it."""
    return tuple(msgspec.json.encode(_event(name, kind)).decode() for name in NAMES)


def order() -> tuple[int, ...]:
    """Twenty indexes of `templates`, in the mix's shares: one event after the other takes the next."""
    places = [index for index, (_, share) in enumerate(MIX) for _ in range(share)]
    step = 7  # has no divisor in common with 20: spreads each name over the round
    return tuple(places[place * step % len(places)] for place in range(len(places)))


def visitor_of(number: int, visitors: int) -> str:
    """The visitor of the `number`th event."""
    return f"{number * STRIDE % visitors:07d}"


def visitor_id(visitor: str) -> str:
    return f"visitor-{visitor}"


def email_of(visitor: str) -> str:
    return f"jane.doe{visitor}@example.com"


def customer_of(visitor: str) -> str:
    return f"cust_{visitor}"


def browser_id_of(visitor: str) -> str:
    return f"fb.1.1795032251412.9{visitor}"


def client_id_of(visitor: str) -> str:
    return f"1098115397.179{visitor}"


def _event(name: str, kind: Kind) -> dict[str, object]:
    """Built once and sent as JSON: this is the edge of another process."""
    item = {"id": "SKU-RED-42", "name": "Trail Shoe", "quantity": 1, "price": 79.9}
    custom = {"value": 79.9, "currency": "USD", "items": [item]}
    if name == "purchase_placed":
        custom["order_id"] = EVENT_ID
    return {
        "event_name": name,
        "event_id": EVENT_ID,
        "action_source": "website",
        "page": {"url": "https://shop.example.com/products/trail-shoe?color=red", "title": "Trail Shoe"},
        "user_data": {
            "email": email_of(VISITOR),
            "external_id": customer_of(VISITOR),
            "anonymous_id": visitor_id(VISITOR),
            "client_ip": "203.0.113.7",
            "client_user_agent": AGENT,
            "fbp": browser_id_of(VISITOR),
            "ga_client_id": client_id_of(VISITOR),
            **(_person() if kind == "rich" else {}),
        },
        "custom_data": custom,
    }


def _person() -> dict[str, str]:
    """Names, address and every platform's click id."""
    return {
        "phone": "+12125550123", "first_name": "Jane", "last_name": "O'Neil", "street": "12 Main St.",
        "city": "New York", "region": "NY", "postal_code": "10001", "country": "US", "date_of_birth": "1990-04-23",
        "gender": "female", "fbc": f"fb.1.1795032251398.IwAR{VISITOR}", "gclid": f"Cj0KCQiA{VISITOR}",
        "ttclid": f"E.C.P.{VISITOR}", "ttp": f"ttp{VISITOR}", "epik": f"dj0{VISITOR}", "sc_click_id": f"sc-{VISITOR}",
        "li_fat_id": f"li-{VISITOR}", "rdt_cid": f"rdt-{VISITOR}", "awc": f"12345_1795032251_{VISITOR}",
        "tblci": f"GiExample{VISITOR}", "criteo_id": f"cr-{VISITOR}", "klaviyo_id": f"01HYQ{VISITOR}",
    }  # fmt: skip
