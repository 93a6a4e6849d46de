"""Criteo: what is sent, what each answer means."""

import json
from typing import Any

import pytest

from actors.destinations.base import Attempt, Delivered, Drop, Pause, Payload, Response, Retry, Verdict
from actors.destinations.criteo import NAMES, Criteo
from actors.event import Event, UserData
from actors.identity import email_digests
from actors.names import CANONICAL_NAMES
from tests.actors.destinations.cases import AT_MS, case_names, full_user_data, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
EU = "https://widget.eu.criteo.com/m/event?version=s2s_v0"


def criteo(**settings: Any) -> Criteo:
    basics: dict[str, Any] = {"id": "c", "partner_id": "98765", "caller_id": "4321"}
    return Criteo(**{**basics, **settings})


def payload(event: Event) -> Payload:
    encoded = criteo().encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def judged(status: int, body: bytes = b"", **headers: str) -> Verdict:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    user = full_user_data()
    [verdict] = criteo().judge(Response(status=status, headers=named, body=body), [payload(purchase(user_data=user))])
    return verdict


@pytest.mark.parametrize("name", case_names("criteo"))
def test_case(name: str) -> None:
    case, event = read_case("criteo", name)
    destination = criteo(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        assert json.loads(destination.request([encoded], ATTEMPT).body) == case.body


def test_worked_example_is_that_of_the_page_byte_for_byte() -> None:
    case, event = read_case("criteo", "worked_example")
    destination = criteo(**case.settings)
    encoded = destination.encode(event)
    assert isinstance(encoded, Payload)
    request = destination.request([encoded], ATTEMPT)
    assert request.body == json.dumps(case.body, separators=(",", ":")).encode()
    assert (request.method, request.url) == ("POST", "https://widget.criteo.com/m/event?version=s2s_v0")
    assert request.headers == (("content-type", "application/json"),)


def test_host_of_a_region_is_a_setting() -> None:
    request = criteo(base_url="https://widget.eu.criteo.com").request([payload(purchase())], ATTEMPT)
    assert request.url == EU


def test_every_canonical_name_is_mapped_and_no_other_is_taken() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert {name for name in [*CANONICAL_NAMES, "quiz_finished"] if criteo().takes(name)} == {
        name for name, own in NAMES.items() if own
    }


@pytest.mark.parametrize(
    ("address", "md5", "sha256", "sha256_md5"),
    [
        (
            " Jane.Doe+news@Example.com",
            "6a58e7286ac0e6944c137f0fb3f101b1",
            "dbf1912b4cad4df9823f627874244e64b50a6ac550b9cb33b17df671a26679db",
            "cd9020cef7b4a5f3d1c655cfa6a6c8b39abfb153c571a9f544e8756c42caa8ae",
        ),
        (
            "User@Example.com",
            "b58996c504c5638798eb6b511e6f49af",
            "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514",
            "7f7892563bd354c8aa47ec54a5ce8c6100c6258089273db2f8c777e1853d365b",
        ),
        (
            "customer@example.org",
            "514a8530f239116ca6fd15c8b401bc2a",
            "7016fcf54ae194a1bdab8740baf889438eb924a58341b3f2d72b44f5e9356794",
            "f223003c26ce15904251c58f3a3d895433690da12cb93b7183ecbea1950cdee7",
        ),
    ],
)
def test_email_has_the_three_digests_of_the_page(address: str, md5: str, sha256: str, sha256_md5: str) -> None:
    body = json.loads(payload(purchase(user_data=UserData(email=email_digests(address)))).body)
    assert body["id"]["email"] == {"md5": md5, "sha256": sha256, "sha256_md5": sha256_md5}


ANSWERS: dict[str, tuple[int, type[Verdict]]] = {
    "taken": (200, Delivered),
    "taken without a word": (204, Delivered),
    "rate limit": (429, Retry),
    "timed out": (408, Retry),
    "server error": (500, Retry),
    "unavailable": (503, Retry),
    "redirect to nowhere": (302, Retry),
    "bad request": (400, Drop),
    "forbidden": (403, Drop),
    "not found": (404, Drop),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, verdict = ANSWERS[name]
    assert isinstance(judged(status), verdict)


def test_rate_limit_waits_as_long_as_a_header_says() -> None:
    assert judged(429, b"slow", retry_after="12") == Retry("answer 429: slow", 12.0, is_throttle=True)


def test_redirect_to_another_region_says_what_to_set() -> None:
    assert judged(307, location=EU) == Pause(
        'answer 307: Criteo has another region for this: set base_url = "https://widget.eu.criteo.com"'
    )


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://widget.criteo.com.evil.example/m/event",
        "http://widget.eu.criteo.com/m/event",
        "https://widget.eu.criteo.com/login",
        "https://[::1/m/event",
        "/m/event",
        "",
    ],
)
def test_redirect_elsewhere_is_a_failure_of_the_moment(location: str) -> None:
    assert isinstance(judged(307, location=location), Retry)


def test_reason_holds_no_person() -> None:
    user = full_user_data()
    echo = f"{user.client_ip} {user.anonymous_id} {user.client_user_agent} criteo_id={user.criteo_id} j@example.com"
    assert judged(400, echo.encode()) == Drop("answer 400: *** *** *** criteo_id=*** ***")


def test_settings_at_fault_are_named() -> None:
    wrong = criteo(partner_id="12x", caller_id="", country="USA", language="1")
    assert [field for field, _ in wrong.problems()] == ["partner_id", "caller_id", "country", "language"]
    assert list(criteo(country="us", language="EN").problems()) == []
