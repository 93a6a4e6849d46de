"""Awin: what is sent by each of its two ways, what each answer means."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.awin import LEADS, MORE_SALES, NAMES, Awin
from actors.destinations.base import Attempt, Delivered, Drop, Pause, Payload, Response, Retry, Split, Verdict
from actors.event import Event, Item, UserData
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from bench.simulator import SimRequest
from bench.simulator.awin import AwinSim
from tests.actors.destinations.cases import AT_MS, case_names, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
KEY = "0a1b2c3d-token"
AWC = "12345_1795032251_0f3c5e0b7a1d4c2e9b8a7f6e5d4c3b2a"
CLICKED = UserData(awc=AWC)
SREAD_EXAMPLE = (
    "https://www.awin1.com/sread.php?tt=ss&tv=2&merchant=12345&amount=109.80&ch=aw&parts=DEFAULT%3A109.80&vc=WELCOME10"
    "&cr=USD&ref=100234&customeracquisition=NEW&testmode=0&cks=12345_1795032251_0f3c5e0b7a1d4c2e9b8a7f6e5d4c3b2a"
    "&bd[0]=AW:P|12345|100234|SKU-RED-42|Trail%20Shoe|89.90|1|SKU-RED-42|DEFAULT|Shoes"
    "&bd[1]=AW:P|12345|100234|SKU-SOCK-M|Merino%20Sock|14.95|2|SKU-SOCK-M|DEFAULT|Socks"
)


def awin(**settings: Any) -> Awin:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return Awin(**{"id": "a", "advertiser_id": "12345", "api_key": Secret(KEY), **settings})


def order(number: int = 1, **changes: Any) -> Event:
    data = msgspec.structs.replace(purchase().custom_data, order_id=f"o-{number}")
    return purchase(**{"event_id": f"e-{number}", "user_data": CLICKED, "custom_data": data, **changes})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = awin(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def judged(status: int, body: object = None, orders: int = 3, headers: Any = None, **settings: Any) -> list[Verdict]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    batch = [payload(order(number), **settings) for number in range(1, orders + 1)]
    return list(awin(**settings).judge(Response(status=status, headers=headers or {}, body=raw), batch))


@pytest.mark.parametrize("name", case_names("awin"))
def test_case(name: str) -> None:
    case, event = read_case("awin", name)
    destination = awin(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_goes_with_the_headers_of_the_page() -> None:
    request = awin().request([payload(order())], ATTEMPT)
    assert (request.method, request.url) == ("POST", "https://api.awin.com/s2s/advertiser/12345/orders")
    assert dict(request.headers) == {"content-type": "application/json", "x-api-key": KEY}


def test_worked_example_of_sread_is_the_pages_letter_for_letter() -> None:
    _, event = read_case("awin", "worked_example")
    destination = awin(via="sread", api_key=None)
    request = destination.request([payload(event, via="sread")], ATTEMPT)
    assert (request.method, request.url, request.body) == ("GET", SREAD_EXAMPLE, b"")


def test_hosts_are_settings() -> None:
    for via, path in (("conversion_api", "/s2s/"), ("sread", "/sread.php?")):
        destination = awin(via=via, base_url="http://127.0.0.1:1/awin/")
        assert destination.request([payload(order(), via=via)], ATTEMPT).url.startswith(
            f"http://127.0.0.1:1/awin{path}"
        )


def test_orders_of_sread_share_no_request() -> None:
    assert payload(order(1), via="sread").envelope != payload(order(2), via="sread").envelope
    assert payload(order(1)).envelope == payload(order(2)).envelope


def test_sread_writes_custom_parameters_and_parts_of_texts() -> None:
    items = (Item(id="S1", name="Shoes | red & blue", price=purchase().custom_data.value),)
    custom = msgspec.structs.replace(order().custom_data, items=items, properties={"gift": True, "shop": "a b"})
    settings: dict[str, Any] = {"via": "sread", "custom_parameters": {"gift": "1", "shop": "2"}}
    url = awin(**settings).request([payload(order(custom_data=custom), **settings)], ATTEMPT).url
    fields = dict(parse_qsl(urlsplit(url).query))
    assert (fields["p1"], fields["p2"]) == ("true", "a b")
    assert fields["bd[0]"] == "AW:P|12345|o-1|S1|Shoes _ red & blue|10.50|1|S1|DEFAULT|"


GROUPS: dict[str, Any] = {"item_commission_groups": {"shoes": "SHOES", "books": "BOOKS"}}


def test_sread_tells_the_parts_of_several_commission_groups() -> None:
    _, event = read_case("awin", "items_of_two_commission_groups")
    settings: dict[str, Any] = {"via": "sread", "item_commission_groups": {"Shoes": "SHOES"}}
    fields = dict(parse_qsl(urlsplit(awin(**settings).request([payload(event, **settings)], ATTEMPT).url).query))
    assert (fields["amount"], fields["parts"]) == ("109.80", "SHOES:82.40|DEFAULT:27.40")
    assert [fields[f"bd[{index}]"].split("|")[8] for index in (0, 1)] == ["SHOES", "DEFAULT"]


@given(
    st.lists(st.tuples(st.decimals(0, 1_000, places=2), st.integers(0, 9), st.sampled_from(["shoes", "books", "tea"]))),
    st.decimals(0, 9_999, places=2),
)
def test_parts_of_commission_groups_sum_up_to_the_amount(
    bought: list[tuple[Decimal, int, str]], value: Decimal
) -> None:
    items = tuple(Item(id="S", price=price, quantity=count, category=category) for price, count, category in bought)
    custom = msgspec.structs.replace(order().custom_data, items=items, value=value)
    sent = msgspec.json.decode(payload(order(custom_data=custom), **GROUPS).body)
    parts = [Decimal(str(group["amount"])) for group in sent["commissionGroups"]]
    assert sum(parts) == Decimal(str(sent["amount"]))
    assert min(parts) >= 0
    assert len({group["code"] for group in sent["commissionGroups"]}) == len(parts) <= 3


def test_code_of_an_items_commission_group_is_checked() -> None:
    assert [field for field, _ in awin(item_commission_groups={"Shoes": "shoes"}).problems()] == [
        "item_commission_groups.Shoes"
    ]


def test_basket_that_makes_an_address_too_long_is_left_out() -> None:
    items = tuple(Item(id=f"S{index}", name="n" * 80, price=purchase().custom_data.value) for index in range(100))
    custom = msgspec.structs.replace(order().custom_data, items=items)
    assert b"bd[" not in payload(order(custom_data=custom), via="sread").body


def test_only_what_the_settings_name_is_sent() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert [name for name in CANONICAL_NAMES if awin().takes(name)] == ["purchase_placed"]
    more = awin(sales=sorted(MORE_SALES), leads=[*sorted(LEADS), "quiz_finished"])
    assert {name for name in CANONICAL_NAMES if more.takes(name)} == {"purchase_placed", *MORE_SALES, *LEADS}
    assert more.takes("quiz_finished")
    assert not awin(events=["lead_submitted"]).takes("purchase_placed")


@given(st.text(max_size=60), st.sampled_from(["conversion_api", "sread"]))
def test_no_text_makes_the_strict_platform_refuse(text: str, via: Any) -> None:
    items = (Item(id=text, name=text, category=text, price=purchase().custom_data.value),)
    custom = msgspec.structs.replace(order().custom_data, order_id=text, coupon=text, items=items)
    destination = awin(via=via)
    request = destination.request([payload(order(custom_data=custom), via=via)], ATTEMPT)
    url, sim = urlsplit(request.url), AwinSim()
    sim.answer(
        SimRequest(
            method=request.method,
            path=url.path,
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers=dict(request.headers),
            body=request.body,
            at_ms=AT_MS,
        )
    )
    assert (len(sim.accepted), sim.refused) == (1, [])


FAILED: list[Any] = [{"orderReference": "o-2", "reason": "bad"}]
ANSWERS: dict[str, tuple[int, object, list[Any]]] = {
    "accepted": (200, {"batchId": 1, "successfulOrders": [], "failedOrders": []}, [Delivered] * 3),
    "accepted without a body": (200, b"", [Delivered] * 3),
    "a 200 that lists a failed order": (200, {"failedOrders": FAILED}, [Delivered, Drop, Delivered]),
    "a 200 with an error": (200, {"error": "unavailable"}, [Retry] * 3),
    "some orders failed": (206, {"failedOrders": FAILED}, [Delivered, Drop, Delivered]),
    "some failed, and it is not said which": (206, b"", [Split] * 3),
    "some failed, and those that did not are named": (
        206,
        {"successfulOrders": [{"orderReference": "o-1"}]},
        [Delivered, Split, Split],
    ),
    "bad JSON or parameter": (400, b"", [Split] * 3),
    "token refused": (401, {"error": "unauthorized"}, [Pause] * 3),
    "no right to the advertiser": (403, b"", [Pause] * 3),
    "unknown advertiser": (404, b"", [Pause] * 3),
    "conflict": (409, b"", [Split] * 3),
    "too large": (413, b"", [Split] * 3),
    "not executable": (422, b"", [Split] * 3),
    "over 20 calls a minute": (429, b"", [Retry] * 3),
    "server trouble": (502, b"", [Retry] * 3),
    "unforeseen": (302, b"", [Retry] * 3),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, expected = ANSWERS[name]
    assert [type(verdict) for verdict in judged(status, body)] == expected


@pytest.mark.parametrize("status", [206, 400, 409, 413, 422])
def test_order_refused_alone_is_dropped(status: int) -> None:
    assert [type(verdict) for verdict in judged(status, b"no", orders=1)] == [Drop]


@pytest.mark.parametrize(
    ("status", "expected"), [(200, Delivered), (400, Drop), (404, Pause), (429, Retry), (500, Retry), (302, Retry)]
)
def test_answer_of_sread_means(status: int, expected: type[Verdict]) -> None:
    assert [type(verdict) for verdict in judged(status, b'{"error":1}', orders=1, via="sread")] == [expected]


@pytest.mark.parametrize(
    ("headers", "after_s"), [({}, 60.0), ({"retry-after": "5"}, 60.0), ({"retry-after": "90"}, 90)]
)
def test_too_many_calls_wait_a_minute_at_least(headers: dict[str, str], after_s: float) -> None:
    [verdict] = judged(429, b"", orders=1, headers=headers)
    assert isinstance(verdict, Retry)
    assert (verdict.after_s, verdict.is_throttle) == (after_s, True)


def test_reason_holds_neither_token_nor_click() -> None:
    assert judged(400, f"{KEY} {AWC} jane@example.com o-1".encode(), orders=1) == [Drop("answer 400: *** *** *** o-1")]


def test_settings_at_fault_are_named() -> None:
    wrong = awin(
        advertiser_id="x",
        api_key=Secret("Bearer t"),
        sales=["order_refunded"],
        leads=["purchase_placed", "page_viewed"],
        events=["product_viewed"],
        commission_group="default",
        commission_groups={"lead_submitted": "ä"},
        channel=" ",
        currency="eur",
        custom_parameters={"a": "128"},
        webhook_url="shop",
    )
    assert [field for field, _ in wrong.problems()] == [
        "advertiser_id",
        "api_key",
        "sales[0]",
        "leads[0]",
        "leads[1]",
        "leads",
        "events[0]",
        "commission_group",
        "commission_groups.lead_submitted",
        "channel",
        "currency",
        "custom_parameters.a",
        "webhook_url",
    ]
    assert list(awin().problems()) == list(awin(via="sread", api_key=None).problems()) == []
