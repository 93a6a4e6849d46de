"""Taboola: what is sent by each of its two ways, what each answer means."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import DAY_S, Attempt, Delivered, Drop, Pause, Payload, Response, Retry, Split, Verdict
from actors.destinations.taboola import NAMES, Taboola
from actors.event import CustomData, Event, UserData
from actors.names import CANONICAL_NAMES
from bench.simulator import SimRequest
from bench.simulator.taboola import TaboolaSim
from tests.actors.destinations.cases import AT_MS, case_names, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
CLICK_ID = "GiBt3kQ8Zr1xW5vN7yJ2mHcF9dLsA4pEoUuTgXbKqYVhSyC0mVko7aPJ8dLG2OqcATCwxlQ"
POSTBACK_EXAMPLE = (
    f"https://trc.taboola.com/actions-handler/log/3/s2s-action?click-id={CLICK_ID}"
    "&name=make_purchase&revenue=123.76&currency=USD&orderid=100234&quantity=3"
)


def taboola(**settings: Any) -> Taboola:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return Taboola(**{"id": "t", "account_id": "1234567", **settings})


def clicked(**changes: Any) -> Event:
    return purchase(**{"user_data": UserData(tblci=CLICK_ID), **changes})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = taboola(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def judged(status: int, body: bytes = b"no", events: int = 2, headers: Any = None) -> list[Verdict]:
    batch = [payload(clicked())] * events
    return list(taboola().judge(Response(status=status, headers=headers or {}, body=body), batch))


@pytest.mark.parametrize("name", case_names("taboola"))
def test_case(name: str) -> None:
    case, event = read_case("taboola", name)
    destination = taboola(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_goes_to_the_address_of_the_page() -> None:
    request = taboola().request([payload(clicked())], ATTEMPT)
    assert (request.method, request.url) == ("POST", "https://trc.taboola.com/1234567/log/3/bulk-s2s-action")
    assert dict(request.headers) == {"content-type": "application/json"}


def test_worked_example_of_the_postback_is_the_pages_letter_for_letter() -> None:
    _, event = read_case("taboola", "worked_example")
    request = taboola(via="postback", account_id=None).request([payload(event, via="postback")], ATTEMPT)
    assert (request.method, request.url, request.body) == ("GET", POSTBACK_EXAMPLE, b"")


def test_version_and_host_are_settings() -> None:
    request = taboola(api_version="4", base_url="http://127.0.0.1:1/taboola/").request([payload(clicked())], ATTEMPT)
    assert request.url == "http://127.0.0.1:1/taboola/1234567/log/4/bulk-s2s-action"


def test_postbacks_share_no_request() -> None:
    first, second = (payload(clicked(event_id=event_id), via="postback") for event_id in ("a", "b"))
    assert first.envelope != second.envelope


def test_batch_holds_its_actions_in_order() -> None:
    batch = [payload(clicked(occurred_at_ms=AT_MS - index)) for index in range(3)]
    actions = json.loads(taboola().request(batch, ATTEMPT).body)["actions"]
    assert [action["timestamp"] for action in actions] == [AT_MS, AT_MS - 1, AT_MS - 2]


@pytest.mark.parametrize("amount", ["0", "9.90", "1E+3", "0.000001"])
def test_amount_is_written_the_same_by_both_ways(amount: str) -> None:
    event = clicked(custom_data=CustomData(value=Decimal(amount), currency="EUR"))
    bulk = json.loads(payload(event).body)
    query = urlsplit(taboola(via="postback").request([payload(event, via="postback")], ATTEMPT).url).query
    written = dict(parse_qsl(query))["revenue"]
    assert Decimal(str(bulk["revenue"])) == Decimal(written) == Decimal(amount)
    assert "E" not in written


def test_address_too_long_for_a_postback_is_dropped() -> None:
    event = clicked(custom_data=CustomData(order_id="é" * 2_000))
    assert isinstance(taboola(via="postback").encode(event), Drop)
    assert isinstance(taboola().encode(event), Payload)


def test_only_names_with_a_rule_are_taken() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert [name for name in CANONICAL_NAMES if taboola().takes(name)] == [name for name in NAMES if NAMES[name]]
    with_rules = taboola(conversions={"quiz_finished": "quiz", "order_refunded": "refund"})
    assert with_rules.takes("quiz_finished")
    assert with_rules.takes("order_refunded")
    assert with_rules.platform_name("quiz_finished") == "quiz"
    assert not taboola().takes("quiz_finished")
    assert not taboola(events=["lead_submitted"]).takes("purchase_placed")


@given(st.text(max_size=60), st.sampled_from(["bulk", "postback"]))
def test_no_text_makes_the_strict_platform_refuse(text: str, via: Any) -> None:
    destination = taboola(via=via, conversions={"quiz": text} if text.strip() else {})
    event = clicked(event_name="quiz" if text.strip() else "page_viewed", custom_data=CustomData(order_id=text))
    encoded = destination.encode(event)
    assert isinstance(encoded, Payload)
    request, sim = destination.request([encoded], ATTEMPT), TaboolaSim()
    url = urlsplit(request.url)
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


ANSWERS: dict[str, tuple[int, type[Verdict]]] = {
    "accepted": (204, Delivered),
    "any other 2xx": (200, Delivered),
    "malformed": (400, Split),
    "too large": (413, Split),
    "not executable": (422, Split),
    "wrong path or account": (404, Pause),
    "too many": (429, Retry),
    "server trouble": (503, Retry),
    "redirect": (302, Retry),
    "unforeseen": (403, Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, expected = ANSWERS[name]
    assert [type(verdict) for verdict in judged(status)] == [expected] * 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_action_refused_alone_is_dropped(status: int) -> None:
    assert judged(status, events=1) == [Drop(f"answer {status}: no")]


@pytest.mark.parametrize(("header", "after_s"), [("30", 30.0), ("9999999", DAY_S), ("soon", None), ("-5", None)])
def test_retry_after_is_kept_within_a_day(header: str, after_s: float | None) -> None:
    [verdict] = judged(429, events=1, headers={"retry-after": header})
    assert verdict == Retry("answer 429: no", after_s=after_s, is_throttle=True)


def test_reason_does_not_hold_the_click_id() -> None:
    assert judged(400, CLICK_ID.encode(), events=1) == [Drop("answer 400: ***")]


def test_settings_at_fault_are_named() -> None:
    wrong = taboola(account_id="my-shop", api_version="v3", conversions={"purchase_placed": " "})
    assert [field for field, _ in wrong.problems()] == ["account_id", "api_version", "conversions.purchase_placed"]
    assert [field for field, _ in taboola(account_id=None).problems()] == ["account_id"]
    assert list(taboola().problems()) == list(taboola(via="postback", account_id=None).problems()) == []
