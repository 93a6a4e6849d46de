"""Webhooks: what is sent, how it is signed, and what each answer means."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from actors.destinations.base import Attempt, Delivered, Drop, Pause, Payload, Request, Response, Retry, Verdict
from actors.destinations.webhook import Webhook, sign
from actors.event import Consent, EmailDigests, Event, UserData
from actors.secret import Secret
from bench.simulator.base import SimRequest
from bench.simulator.webhook import SECRET, WebhookSim

CASES = Path(__file__).parents[2] / "cases" / "destinations" / "webhook"
NEW = Secret("whsec_5m+Gy/FweN5Fmm+Wd/UcG5/GoqqtrArfeP9fb67jm9k=")
OLD = Secret("whsec_mzFlak9ndinBkq2GMGvkfT4toiYHKpAvbi/aQ7eZfaU=")
VECTOR = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
AT_MS = 1_795_166_131_999


class Case(Struct, frozen=True, kw_only=True):
    why: str
    event: msgspec.Raw
    body: str


def webhook(**settings: Any) -> Webhook:
    return Webhook(**{"id": "hook", "url": "https://hooks.example.com/events", "secret": VECTOR, **settings})


def read_case(name: str) -> tuple[Case, Event]:
    case = msgspec.json.decode((CASES / f"{name}.json").read_bytes(), type=Case)
    basics = b'{"site":"demo","received_at_ms":0,'
    return case, msgspec.json.decode(basics + bytes(case.event).lstrip()[1:], type=Event)


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "site": "demo",
        "event_name": "page_viewed",
        "event_id": "p-1",
        "occurred_at_ms": AT_MS,
        "received_at_ms": AT_MS,
        "source": "server",
    }
    return Event(**{**fields, **changes})


def request(destination: Webhook, sent: Event, **attempt: Any) -> Request:
    payload = destination.encode(sent)
    assert isinstance(payload, Payload)
    return destination.request([payload], Attempt(**{"at_ms": AT_MS, "delivery_ids": ("d1",), **attempt}))


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_body_is_as_its_case_says_byte_for_byte(name: str) -> None:
    case, sent = read_case(name)
    assert request(webhook(), sent).body.decode() == case.body


def test_request_is_the_worked_example_with_both_signatures() -> None:
    _, sent = read_case("worked_example")
    destination = webhook(secret=NEW, previous_secrets=(OLD,))
    made = request(destination, sent, delivery_ids=("2qXcVb7LwTzR9dKpHs4NfYgJ1eA",))
    assert made.url == "https://hooks.example.com/events"
    assert dict(made.headers) == {
        "content-type": "application/json",
        "webhook-id": "msg_2qXcVb7LwTzR9dKpHs4NfYgJ1eA",
        "webhook-timestamp": "1795166131",
        "webhook-signature": "v1,wHnuZ6NAAkQkE1PIBOVciZ5GT0QXVklGz8RbJP0EQo0= "
        "v1,3OX4T+iD4Y1tKepsDf8mms6wJwj7keyc0KylB2VP9p8=",
    }


def test_signature_is_that_of_the_reference_libraries() -> None:
    signature = sign(VECTOR, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(key=st.binary(min_size=24, max_size=64), body=st.binary(max_size=200), at_s=st.integers(0, 2**40))
def test_receiver_with_the_key_gets_the_same_signature(key: bytes, body: bytes, at_s: int) -> None:
    secret = Secret("whsec_" + base64.b64encode(key).decode())
    expected = hmac.new(key, b"msg_a." + str(at_s).encode() + b"." + body, hashlib.sha256).digest()
    assert sign(secret, "msg_a", at_s, body) == "v1," + base64.b64encode(expected).decode()


@given(body=st.binary(min_size=1, max_size=50), at=st.integers(0, 49), flip=st.integers(1, 255))
def test_changing_any_byte_changes_the_signature(body: bytes, at: int, flip: int) -> None:
    at %= len(body)
    changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
    assert sign(VECTOR, "msg_a", 1, body) != sign(VECTOR, "msg_a", 1, changed)


def test_retry_keeps_the_id_and_is_signed_anew() -> None:
    first = dict(request(webhook(), event()).headers)
    later = dict(request(webhook(), event(), at_ms=AT_MS + 600_000, number=2).headers)
    assert first["webhook-id"] == later["webhook-id"]
    assert first["webhook-timestamp"] != later["webhook-timestamp"]
    assert first["webhook-signature"] != later["webhook-signature"]


@given(name=st.text(min_size=1, max_size=128), url=st.text(max_size=50))
def test_strict_receiver_takes_any_event(name: str, url: str) -> None:
    sent = event(event_name=name, user_data=UserData(email=EmailDigests(sha256="a" * 64), fbp=url))
    made = request(webhook(secret=Secret(SECRET)), sent)
    receiver = WebhookSim()
    headers = dict(made.headers)
    receiver.answer(SimRequest(method="POST", path="/", query={}, headers=headers, body=made.body, at_ms=AT_MS))
    assert receiver.refused == []
    assert receiver.accepted[0].event["data"]["event_name"] == name


def test_person_is_a_digest_unless_the_plaintext_was_opened() -> None:
    _, opened = read_case("worked_example")
    sealed = msgspec.structs.replace(
        opened, user_data=msgspec.structs.replace(opened.user_data, plain=None, sealed=b"x")
    )
    user = json.loads(request(webhook(), sealed).body)["data"]["user_data"]
    assert [len(user[name]) for name in ("email", "phone", "first_name", "last_name")] == [64] * 4
    assert b"Jane" not in request(webhook(), sealed).body
    assert "sealed" not in user


def test_plaintext_is_opened_only_on_request() -> None:
    assert webhook(plaintext=True).opens_plaintext()
    assert not webhook().opens_plaintext()


def test_any_name_is_taken_unless_the_destination_says_otherwise() -> None:
    assert webhook().takes("quiz_finished")
    assert not webhook(events=("purchase_placed",)).takes("quiz_finished")


def test_own_headers_go_along() -> None:
    made = request(webhook(headers={"Authorization": Secret("Basic eDp5")}), event())
    assert ("Authorization", "Basic eDp5") in made.headers


ANSWERS: list[tuple[int, dict[str, str], Verdict]] = [
    (200, {}, Delivered()),
    (204, {}, Delivered()),
    (299, {}, Delivered()),
    (301, {"location": "http://10.0.0.1/"}, Retry("receiver answered 301: no")),
    (308, {}, Retry("receiver answered 308: no")),
    (400, {}, Retry("receiver answered 400: no")),
    (401, {}, Retry("receiver answered 401: no")),
    (404, {}, Retry("receiver answered 404: no")),
    (410, {}, Pause("receiver answered 410: no")),
    (429, {"retry-after": "60"}, Retry("receiver answered 429: no", after_s=60, is_throttle=True)),
    (500, {}, Retry("receiver answered 500: no")),
    (502, {}, Retry("receiver answered 502: no", is_throttle=True)),
    (503, {"retry-after": "1.5"}, Retry("receiver answered 503: no", after_s=1.5)),
    (504, {}, Retry("receiver answered 504: no", is_throttle=True)),
]


@pytest.mark.parametrize(("status", "headers", "verdict"), ANSWERS, ids=[str(row[0]) for row in ANSWERS])
def test_answer_means_what_the_page_says(status: int, headers: dict[str, str], verdict: Verdict) -> None:
    response = Response(status=status, headers=headers, body=b"no")
    assert webhook().judge(response, [Payload(b"{}")]) == [verdict]


def test_reason_keeps_neither_secrets_nor_the_person_that_the_receiver_echoes() -> None:
    _, opened = read_case("worked_example")
    destination = webhook(headers={"Authorization": Secret("Bearer sesame")})
    payload = destination.encode(opened)
    assert isinstance(payload, Payload)
    echo = b"no 'Jane' of jane.doe+news@example.com, Bearer sesame, " + VECTOR.reveal().encode()
    [verdict] = destination.judge(Response(status=400, body=echo), [payload])
    assert verdict == Retry("receiver answered 400: no '***' of ***, ***, ***")


def test_event_whose_consent_is_denied_is_not_sent() -> None:
    refused = event(consent=Consent(analytics="denied"))
    assert webhook().encode(refused) == Drop("analytics consent is denied")
    assert isinstance(webhook(consent=()).encode(refused), Payload)


NOW = "Fri, 20 Nov 2026 09:15:31 GMT"


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({"retry-after": "0"}, 0),
        ({"retry-after": "315360000"}, 86_400),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 20 Nov 2026 09:16:31 GMT", "date": NOW}, 60),
        ({"retry-after": "Fri, 20 Nov 2020 09:16:31 GMT", "date": NOW}, 0),
        ({"retry-after": "Fri, 20 Nov 2036 09:16:31 GMT", "date": NOW}, 86_400),
        ({"retry-after": "Fri, 20 Nov 2026 09:16:31 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 09:16:31", "date": NOW}, None),
        ({"retry-after": "Fri, 20 Nov 2026 09:16:31 GMT", "date": "garbage"}, None),
    ],
)
def test_retry_after_is_between_nothing_and_a_day(headers: dict[str, str], after_s: float | None) -> None:
    [verdict] = webhook().judge(Response(status=503, headers=headers), [Payload(b"{}")])
    assert isinstance(verdict, Retry)
    assert verdict.after_s == after_s


@given(value=st.text(max_size=40), date=st.text(max_size=40) | st.just(NOW))
def test_no_retry_after_breaks_the_verdict(value: str, date: str) -> None:
    [verdict] = webhook().judge(Response(status=500, headers={"retry-after": value, "date": date}), [Payload(b"{}")])
    assert isinstance(verdict, Retry)
    assert verdict.after_s is None or 0 <= verdict.after_s <= 86_400


def test_good_settings_have_no_problems() -> None:
    headers = {"Authorization": Secret("Bearer x"), "X-Shop": Secret("demo")}
    assert list(webhook(previous_secrets=(OLD, NEW), headers=headers).problems()) == []


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        ("url", {"url": "hooks.example.com"}),
        ("url", {"url": "ftp://hooks.example.com/"}),
        ("url", {"url": "https://user:pass@hooks.example.com/"}),
        ("url", {"url": "https://hooks.example.com/\r\nx: y"}),
        ("url", {"url": "https://hooks.example.com:99999/"}),
        ("url", {"url": "https://hooks.example.com/#a"}),
        ("base_url", {"base_url": "https://hooks.example.com"}),
        ("secret", {"secret": Secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}),
        ("secret", {"secret": Secret("whsec_not base64")}),
        ("secret", {"secret": Secret("whsec_c2hvcnQ=")}),
        ("secret", {"secret": Secret("whsec_" + base64.b64encode(b"x" * 65).decode())}),
        ("previous_secrets[1]", {"previous_secrets": (OLD, Secret("old"))}),
        ("previous_secrets", {"previous_secrets": (OLD,) * 11}),
        ("headers.User-Agent", {"headers": {"User-Agent": Secret("x")}}),
        ("headers.X-Amz-Date", {"headers": {"X-Amz-Date": Secret("x")}}),
        ("headers.webhook-id", {"headers": {"webhook-id": Secret("x")}}),
        ("headers.Host", {"headers": {"Host": Secret("x")}}),
        ("headers.X Y", {"headers": {"X Y": Secret("x")}}),
        ("headers.X-Y", {"headers": {"X-Y": Secret("a\r\nb: c")}}),
        ("headers.X-Y", {"headers": {"X-Y": Secret("a" * 5_000)}}),
    ],
)
def test_wrong_setting_is_named(place: str, settings: dict[str, Any]) -> None:
    assert [name for name, _ in webhook(**settings).problems()] == [place]


def test_problem_with_a_secret_does_not_tell_it() -> None:
    [(_, words)] = webhook(secret=Secret("whsec_sesame-open")).problems()
    assert "sesame" not in words
