"""TikTok: what is sent, what each answer means."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.destinations.base import (
    DAY_S,
    Again,
    Attempt,
    Delivered,
    Drop,
    Pause,
    Payload,
    Response,
    Retry,
    Split,
    Verdict,
    sha256,
)
from actors.destinations.tiktok import TikTok
from actors.destinations.tiktok_names import NAMES, RESERVED_NAMES, fault_in_name, own_name
from actors.event import Event, UserData
from actors.names import CANONICAL_NAMES
from actors.secret import Secret
from tests.actors.destinations.cases import AT_MS, case_names, everything, purchase, read_case

ATTEMPT = Attempt(at_ms=AT_MS)
TOKEN = "e0f1a2b3c4-token"


def tiktok(**settings: Any) -> TikTok:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    basics: dict[str, Any] = {"id": "t", "event_source_id": "C0EXAMPLEPIXELCODE00", "access_token": Secret(TOKEN)}
    return TikTok(**{**basics, **settings})


def payload(event: Event, **settings: Any) -> Payload:
    encoded = tiktok(**settings).encode(event)
    assert isinstance(encoded, Payload), encoded
    return encoded


def judged_each(status: int, body: object, **headers: str) -> list[Verdict]:
    """The verdicts on a request of three events."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response(status=status, headers=named, body=raw)
    return list(tiktok().judge(response, [payload(everything())] * 3))


def judged(status: int, body: object, **headers: str) -> Verdict:
    verdicts = judged_each(status, body, **headers)
    assert verdicts == [verdicts[0]] * 3
    return verdicts[0]


def answer(code: int, message: str = "words of TikTok") -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "2026", "data": {}}


@pytest.mark.parametrize("name", case_names("tiktok"))
def test_case(name: str) -> None:
    case, event = read_case("tiktok", name)
    destination = tiktok(**case.settings)
    encoded = destination.encode(event)
    if isinstance(encoded, Drop):
        assert case.drop
        assert case.drop in encoded.reason
    else:
        body = destination.request([encoded], ATTEMPT).body
        assert json.dumps(json.loads(body)) == json.dumps(case.body), "in the page's order too"


def test_worked_example_goes_to_the_address_of_the_page() -> None:
    _, event = read_case("tiktok", "worked_example")
    request = tiktok().request([payload(event)], ATTEMPT)
    assert (request.method, request.url) == ("POST", "https://business-api.tiktok.com/open_api/v1.3/event/track/")
    assert dict(request.headers) == {"content-type": "application/json", "access-token": TOKEN}


def test_version_and_host_are_settings() -> None:
    request = tiktok(api_version="v1.4", base_url="http://127.0.0.1:1/tiktok").request([payload(purchase())], ATTEMPT)
    assert request.url == "http://127.0.0.1:1/tiktok/open_api/v1.4/event/track/"


def test_batch_holds_its_events_in_order() -> None:
    batch = [payload(purchase(event_id=f"e-{index}")) for index in range(3)]
    body = json.loads(tiktok().request(batch, ATTEMPT).body)
    assert [event["event_id"] for event in body["data"]] == ["e-0", "e-1", "e-2"]


def test_events_of_two_sources_share_no_request() -> None:
    sets = {"offline": "7000000000000000001"}
    in_store = payload(purchase(action_source="physical_store"), event_source_ids=sets)
    assert in_store.envelope != payload(purchase()).envelope


def test_every_canonical_name_is_decided() -> None:
    assert set(NAMES) == set(CANONICAL_NAMES)
    assert tiktok().max_age_s(purchase()) == 28 * DAY_S


@pytest.mark.parametrize("field", ["email", "phone", "external_id", "anonymous_id", "ttclid", "ttp"])
def test_each_match_key_is_enough(field: str) -> None:
    user: dict[str, Any] = {field: getattr(everything().user_data, field)}
    assert payload(purchase(user_data=UserData(**user)))


def test_hashes_are_those_of_the_page() -> None:
    user = UserData(external_id=" cust_10482 ", postal_code="SW1A 1AA")
    sent = json.loads(payload(purchase(user_data=user)).body)["user"]
    assert sent == {
        "external_id": "643eb5e088470a5d0eda00a63788177a589ff29836f5bfc144f1ef76a325b720",
        "zip_code": "830e1d4b9838bab1f5c2acdb23e0b502ff13a9832c4632e8d67a1d43d3b7f614",
    }


def test_name_keeps_its_punctuation() -> None:
    sent = json.loads(payload(everything()).body)["user"]
    assert (sent["first_name"], sent["last_name"]) == (sha256("ann-lee"), sha256("o'neil"))


@given(st.text(max_size=60))
def test_custom_name_is_one_that_tiktok_takes_or_is_refused(raw: str) -> None:
    name = own_name(raw)
    if fault_in_name(name) is None:
        assert name.isascii()
        assert 1 <= len(name) <= 50
        assert name[0].isalpha()
        assert name.lower() not in RESERVED_NAMES
        assert own_name(name) == name


TOKEN_CODES = (40101, 40102, 40104, 40105, 40106, 40110, 40113, 40118, 40119, 40124, 40125)
ANSWERS: dict[str, tuple[int, object, type[Verdict]]] = {
    "done": (200, answer(0, "OK"), Delivered),
    "partly done": (200, answer(20001), Delivered),
    "repeated request": (200, answer(40050), Delivered),
    **{f"bad parameter {code}, no event named": (200, answer(code), Split) for code in (40000, 40002, 40700)},
    **{f"version not served {code}": (200, answer(code), Pause) for code in (40006, 40051)},
    "object does not exist": (200, answer(40007), Pause),
    **{f"wrong endpoint {code}": (200, answer(code), Pause) for code in (40008, 40010)},
    "no permission for this pixel": (200, answer(40001), Pause),
    **{f"token {code}": (200, answer(code), Pause) for code in TOKEN_CODES},
    "banned country": (200, answer(41000), Pause),
    **{f"rate limit {code}": (200, answer(code), Retry) for code in (40016, 40100, 40132, 40133)},
    "write conflict": (200, answer(40202), Retry),
    **{f"TikTok's fault {code}": (200, answer(code), Retry) for code in (50000, 50002, 51305)},
    "maintenance": (200, answer(60001), Retry),
    "the code decides, not the status": (500, answer(40105), Pause),
    "words of another type": (200, {"code": 40105, "message": {"a": 1}, "request_id": 7}, Pause),
    "code as text": (200, {"code": "0", "message": "OK"}, Delivered),
    "no trailing slash": (404, b"404 page not found", Pause),
    "too large": (413, b"", Split),
    "too many, by a gateway": (429, b"", Retry),
    "server error": (502, b"<html>", Retry),
    "an HTML body": (200, b"<html>maintenance</html>", Retry),
    "no code": (200, {}, Retry),
    "an unknown code": (200, answer(99_999), Retry),
    "a redirect": (307, b"", Retry),
    "endless nesting": (200, b'{"data":' * 5_000, Retry),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_means(name: str) -> None:
    status, body, verdict = ANSWERS[name]
    assert isinstance(judged(status, body), verdict)


def test_named_event_is_dropped_and_the_others_go_again() -> None:
    words = "Batch.1.properties.contents.0.content_id: Not a valid string"
    verdicts = judged_each(200, answer(40002, words), x_tt_logid="2026AB")
    told = f"200, 40002: {words}, request_id 2026, log id 2026AB"
    assert verdicts == [Again(told), Drop(told), Again(told)]


@pytest.mark.parametrize("words", ["Batch.3.event: bad", "data.1.event: bad", "Batch.x", "Batch.12345.event"])
def test_event_that_is_not_named_for_certain_is_found_by_splitting(words: str) -> None:
    assert isinstance(judged(200, answer(40002, words)), Split)


@pytest.mark.parametrize(("code", "after_s"), [(40100, 300), (50000, 300), (60001, 3_600)])
def test_wait_is_as_long_as_tiktok_asks_for(code: int, after_s: int) -> None:
    verdict = judged(200, answer(code))
    assert isinstance(verdict, Retry)
    assert (verdict.after_s, verdict.is_throttle) == (after_s, code == 40100)


def test_words_of_a_repeated_request_stay_on_record() -> None:
    assert judged(200, answer(40050)) == Delivered("200, 40050: words of TikTok, request_id 2026")


def test_reason_holds_neither_token_nor_person() -> None:
    user = everything().user_data
    echo = f"token {TOKEN} for {user.client_user_agent} at {user.client_ip}, {user.ttp}, j@example.com"
    assert judged(200, answer(40105, echo)) == Pause("200, 40105: token *** for *** at ***, ***, ***, request_id 2026")


def test_settings_at_fault_are_named() -> None:
    wrong = tiktok(
        event_source_id="C0 X", access_token=Secret("a b"), api_version="1.3", event_source_ids={"web": "1", "crm": ""}
    )
    faults = [field for field, _ in wrong.problems()]
    assert faults == ["event_source_id", "event_source_ids.web", "event_source_ids.crm", "access_token", "api_version"]
    assert list(tiktok(event_source_ids={"offline": "7"}).problems()) == []


def test_event_too_large_for_any_request_is_dropped() -> None:
    custom = msgspec.structs.replace(everything().custom_data, properties={"note": "x" * 1_000_001})
    assert isinstance(tiktok().encode(purchase(custom_data=custom)), Drop)
