"""What every adapter keeps, whatever its platform: one suite over all that are registered."""

import inspect
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import httpx
import msgspec
import pytest

from actors.destinations import (
    AnyDestination,
    Awin,
    Criteo,
    Ga4,
    GoogleAds,
    Klaviyo,
    LinkedIn,
    Meta,
    Pinterest,
    Reddit,
    Snapchat,
    Taboola,
    TikTok,
    Webhook,
)
from actors.destinations.base import Attempt, Delivered, Destination, Drop, Payload, Request, Response
from actors.destinations.linkedin import NAMES as LINKEDIN_NAMES
from actors.event import CustomData, Event, Item, Page, Plaintext, UserData
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from bench.simulator import Simulator, all_platforms
from bench.simulator.webhook import SECRET as WEBHOOK_SECRET
from tests.actors.destinations.cases import AT_MS, everything, full_custom_data, full_user_data, purchase

DOCS = Path(__file__).parents[3] / "docs" / "destinations"
TAKES_BACK = ("order_cancelled", "order_refunded")  # Google Ads refuses a conversion action for these
ACTIONS = {name: "987654321" for name in (*CANONICAL_NAMES, "quiz_finished") if name not in TAKES_BACK}
RULES = {name: "12345678" for name in ACTIONS if LINKEDIN_NAMES.get(name, "OTHER")}
CASES: tuple[AnyDestination, ...] = (
    Meta(id="meta", pixel_id="1234567890123456", access_token=Secret("canary-token-meta")),
    Ga4(id="ga4", measurement_id="G-ABCDE12345", api_secret=Secret("canary-secret-ga4")),
    GoogleAds(id="b", customer_id="1234567890", conversion_actions=ACTIONS, access_token=Secret("canary-token-b")),
    GoogleAds(
        id="a",
        customer_id="1234567890",
        conversion_actions=ACTIONS,
        access_token=Secret("canary-token-a"),
        via="google_ads_api",
    ),
    Webhook(id="hook", url="https://hooks.example.com/in", secret=Secret(WEBHOOK_SECRET)),
    LinkedIn(id="linkedin", conversion_rules=RULES, access_token=Secret("canary-token-linkedin"), user_info="hashed"),
    Reddit(id="reddit", pixel_id="a2_abc", access_token=Secret("canary-token-reddit")),
    Criteo(id="criteo", partner_id="98765", caller_id="4321", country="US", language="en"),
    TikTok(id="tiktok", event_source_id="C0EXAMPLEPIXELCODE00", access_token=Secret("canary-token-tiktok")),
    Pinterest(id="pinterest", ad_account_id="549700000123", access_token=Secret("canary-token-pinterest")),
    Snapchat(id="snapchat", pixel_id="3f2b8c1e-0d57-4c3a", access_token=Secret("canary-token-snapchat")),
    Klaviyo(id="klaviyo", api_key=Secret("canary-key-klaviyo")),
    Awin(id="awin", advertiser_id="12345", api_key=Secret("canary-token-awin"), leads=("lead_submitted",)),
    Awin(id="awin-sread", advertiser_id="12345", via="sread", sales=("quiz_finished",)),
    Taboola(id="taboola", account_id="1234567", conversions={"quiz_finished": "quiz"}),
    Taboola(id="taboola-postback", via="postback"),
)
SECRETS = (
    "canary-token-meta",
    "canary-secret-ga4",
    "canary-token-b",
    "canary-token-a",
    WEBHOOK_SECRET,
    "canary-token-linkedin",
    "canary-token-reddit",
    "canary-token-tiktok",
    "canary-token-pinterest",
    "canary-token-snapchat",
    "canary-key-klaviyo",
    "canary-token-awin",
)
HOSTILE = {
    "quotes": "\"'`</script>\\",
    "newlines": "a\r\nX-Injected: 1\n\tb",
    "four byte characters": "🛒" * 50,
    "long": "x" * 10_000,
    "controls": "\x00\x1b[31m\x7f",
    "right to left": "\u202eevil\u2066",
    "blank": "   ",
}

every_adapter = pytest.mark.parametrize("destination", CASES, ids=lambda destination: f"{destination.id}")


def attempt(events: int = 1) -> Attempt:
    return Attempt(at_ms=AT_MS, delivery_ids=tuple(f"d{index}" for index in range(events)), access_token="canary-token")


def encoded(destination: Destination, event: Event) -> Payload | None:
    """The payload, checked; None where the event is dropped for a reason."""
    result = destination.encode(event)
    if isinstance(result, Drop):
        assert result.reason
        return None
    json.loads(result.body)
    assert len(result.body) + len(result.envelope) <= destination.limits.body_bytes
    json.loads(destination.request([result], attempt()).body or b"null")  # a GET has none
    return result


def whole(destination: Destination) -> Event:
    """An event with everything; a platform without a limited mode gets none that denies the sale of data."""
    event = everything()
    if destination.without_sale:
        return event
    return msgspec.structs.replace(event, consent=msgspec.structs.replace(event.consent, sale_of_data="granted"))


def strings_set_to(text: str) -> Event:
    """An event whose every free string is the text; digests and structure stay."""
    user, custom = full_user_data(), full_custom_data()
    plain = {
        name: text
        for name in UserData.__struct_fields__
        if name != "ga_client_id" and isinstance(getattr(user, name), str)
    }
    free = {
        name: text
        for name in CustomData.__struct_fields__
        if name not in ("customer_type", "currency") and isinstance(getattr(custom, name), str)
    }
    items = (Item(id=text, name=text, brand=text, category=text, variant=text, quantity=1, price=Decimal(1)),)
    return purchase(
        page=Page(url=f"https://shop.example.com/?q={text}", referrer=text, title=text, path=text),
        user_data=msgspec.structs.replace(user, **plain),
        custom_data=msgspec.structs.replace(custom, **free, items=items, properties={"note": text, text: 1}),
    )


def test_every_registered_adapter_is_walked() -> None:
    assert {type(destination) for destination in CASES} == set(get_args(AnyDestination))


@every_adapter
def test_settings_of_the_cases_are_right(destination: Destination) -> None:
    assert list(destination.problems()) == []


@every_adapter
def test_same_event_gives_the_same_request(destination: Destination) -> None:
    first, second = destination.encode(whole(destination)), destination.encode(whole(destination))
    assert isinstance(first, Payload)
    assert first == second
    assert destination.request([first], attempt()) == destination.request([first], attempt())


@every_adapter
@pytest.mark.parametrize("name", [*CANONICAL_NAMES, "quiz_finished"])
def test_every_name_it_takes_is_sent(destination: Destination, name: str) -> None:
    event = msgspec.structs.replace(whole(destination), event_name=name)
    if destination.takes(name):
        assert encoded(destination, event) is not None


@every_adapter
def test_denied_sale_leaves_only_where_the_platform_has_a_limited_mode(destination: Destination) -> None:
    event = everything()
    assert event.consent.sale_of_data == "denied"
    assert isinstance(destination.encode(event), Payload) == destination.without_sale


@every_adapter
def test_event_with_little_is_sent(destination: Destination) -> None:
    assert encoded(destination, purchase()) is not None


@every_adapter
def test_event_with_nothing_is_sent_or_dropped_for_a_reason(destination: Destination) -> None:
    encoded(destination, purchase(page=Page(), user_data=UserData(), custom_data=CustomData()))


@every_adapter
@pytest.mark.parametrize("field", [name for name in UserData.__struct_fields__ if name not in ("sealed", "plain")])
def test_each_identifier_alone_is_sent_or_dropped_for_a_reason(destination: Destination, field: str) -> None:
    user: dict[str, Any] = {field: getattr(full_user_data(), field)}
    encoded(destination, purchase(user_data=UserData(**user)))


@every_adapter
@pytest.mark.parametrize("field", CustomData.__struct_fields__)
def test_each_fact_alone_is_sent_or_dropped_for_a_reason(destination: Destination, field: str) -> None:
    custom: dict[str, Any] = {field: getattr(full_custom_data(), field)}
    for name in ("purchase_placed", "product_viewed"):
        encoded(destination, purchase(event_name=name, custom_data=CustomData(**custom)))


@every_adapter
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_strings_stay_inside_the_body(destination: Destination, name: str) -> None:
    payload = encoded(destination, strings_set_to(HOSTILE[name]))
    if payload is not None:
        request = destination.request([payload], attempt())
        assert not any(char in value for _, value in request.headers for char in "\r\n\x00")
        assert request.url.isprintable()


@every_adapter
def test_full_batch_stays_within_the_limits_it_names(destination: Destination) -> None:
    payload = encoded(destination, whole(destination))
    assert payload is not None
    events = min(destination.limits.events, destination.limits.body_bytes // (len(payload.body) + 1))
    body = destination.request([payload] * events, attempt(events)).body
    json.loads(body or b"null")
    assert len(body) <= destination.limits.body_bytes + 1_000


@every_adapter
def test_opened_plaintext_reaches_only_who_asks_for_it(destination: Destination) -> None:
    plain = Plaintext(email="jane.doe@gmail.com", first_name="Ann-Lee", last_name="O'Neil", street="12 Main St.")
    user = msgspec.structs.replace(full_user_data(), plain=plain)
    payload = encoded(destination, msgspec.structs.replace(whole(destination), user_data=user))
    assert payload is not None
    if not destination.opens_plaintext() and not isinstance(destination, Webhook):
        assert b"jane.doe@gmail.com" not in payload.body + payload.envelope


@every_adapter
@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 413, 429, 500, 503])
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"error":7}', b'{"error":[]}', b"<html>", b"\xff\xfe"])
def test_any_answer_is_judged_once_for_each_event(destination: Destination, status: int, body: bytes) -> None:
    payload = destination.encode(whole(destination))
    assert isinstance(payload, Payload)
    batch = [payload] * min(3, destination.limits.events)
    assert len(destination.judge(Response(status=status, body=body), batch)) == len(batch)


@every_adapter
def test_no_reason_repeats_a_secret(destination: Destination) -> None:
    payload = destination.encode(whole(destination))
    assert isinstance(payload, Payload)
    echo = json.dumps({"error": {"code": 100, "message": " ".join(SECRETS)}}).encode()
    if isinstance(destination, Meta | Ga4):
        [verdict] = destination.judge(Response(status=400, body=echo), [payload])
        own = destination.access_token if isinstance(destination, Meta) else destination.api_secret
        assert own.reveal() not in repr(verdict)
    assert not any(secret in repr(destination) for secret in SECRETS)


@every_adapter
def test_no_reason_for_dropping_repeats_the_event(destination: Destination) -> None:
    marker = "person-0815"
    user = UserData(city=marker, client_user_agent=marker)
    for name in ("purchase_placed", "order_refunded", "quiz_finished" * 20):
        result = destination.encode(purchase(event_name=name, user_data=user, custom_data=CustomData(coupon=marker)))
        assert not isinstance(result, Drop) or marker not in result.reason


@pytest.mark.parametrize("adapter", get_args(AnyDestination), ids=lambda adapter: adapter.platform)
def test_adapter_has_a_page_that_names_every_setting(adapter: type[Destination]) -> None:
    page = (DOCS / f"{adapter.platform}.md").read_text()
    own = set(adapter.__struct_fields__) - set(Destination.__struct_fields__)
    assert [name for name in sorted(own) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("adapter", get_args(AnyDestination), ids=lambda adapter: adapter.platform)
def test_adapter_is_pure(adapter: type[Destination]) -> None:
    source = inspect.getsource(inspect.getmodule(adapter) or adapter)
    assert [
        word for word in ("import time", "import random", "open(", "import logging", "trio") if word in source
    ] == []


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(all_platforms(), now_ms=lambda: AT_MS).running() as running:
        yield running


def named(destination: Destination, name: str) -> Event:
    """An event with everything, of an order of its own: platforms deduplicate by it."""
    custom = msgspec.structs.replace(full_custom_data(), order_id=f"order-of-{name}")
    return msgspec.structs.replace(whole(destination), event_name=name, event_id=f"e-{name}", custom_data=custom)


async def send(client: httpx.AsyncClient, request: Request) -> Response:
    answer = await client.request(request.method, request.url, headers=list(request.headers), content=request.body)
    return Response(status=answer.status_code, headers=dict(answer.headers), body=answer.content)


def at_simulator(destination: Destination, simulator: Simulator) -> Destination:
    url = simulator.url(destination.platform)
    change = {"url": url} if isinstance(destination, Webhook) else {"base_url": url}
    return msgspec.structs.replace(destination, **change)


@every_adapter
async def test_every_event_it_encodes_is_accepted_by_the_strict_platform(
    destination: Destination, simulator: Simulator
) -> None:
    local = at_simulator(destination, simulator)
    events = [purchase(), whole(local)]
    if not isinstance(destination, GoogleAds):  # a click id is opaque: only Google can tell a bad one
        events += [strings_set_to(text) for text in HOSTILE.values()]
    events += [named(local, name) for name in CANONICAL_NAMES if local.takes(name)]
    payloads = [payload for event in events if isinstance(payload := local.encode(event), Payload)]
    async with httpx.AsyncClient(trust_env=False) as client:
        for payload in payloads:
            [verdict] = local.judge(await send(client, local.request([payload], attempt())), [payload])
            assert isinstance(verdict, Delivered), verdict
    assert simulator.refused(destination.platform) == []
    assert simulator.counts(destination.platform).accepted == len(payloads) > 0
