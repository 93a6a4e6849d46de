"""The simulated TikTok refuses what the page says the real one refuses, with http 200."""

import json
from typing import Any

import pytest

from bench.simulator.base import SimRequest
from bench.simulator.tiktok import TikTokSim

AT_MS = 1_795_166_130_250
PATH = "/open_api/v1.3/event/track/"
HASH = "a" * 64
EVENT: dict[str, Any] = {
    "event": "Purchase",
    "event_time": AT_MS // 1000,
    "event_id": "e-1",
    "user": {"email": HASH},
    "properties": {"content_type": "product", "value": 10.5, "currency": "EUR", "shade": "red"},
}


def body(*events: dict[str, Any], **head: Any) -> dict[str, Any]:
    return {"event_source": "web", "event_source_id": "C0", "data": list(events or [EVENT]), **head}


def ask(sim: TikTokSim, sent: object, path: str = PATH, token: str = "t") -> tuple[int, str]:
    headers = {"content-type": "application/json", "access-token": token}
    raw = json.dumps(sent).encode()
    answer = sim.answer(SimRequest(method="POST", path=path, query={}, headers=headers, body=raw, at_ms=AT_MS))
    fields = json.loads(answer.body) if answer.status == 200 else {}
    return fields.get("code", answer.status), fields.get("message", "")


def test_right_event_is_taken_under_what_tiktok_deduplicates_by() -> None:
    sim = TikTokSim()
    assert ask(sim, body()) == (0, "OK")
    assert [accepted.key for accepted in sim.accepted] == ["C0/Purchase/e-1"]
    assert sim.refused == []


def test_one_bad_event_refuses_its_request_and_is_named() -> None:
    sim = TikTokSim()
    code, message = ask(sim, body(EVENT, EVENT | {"event_id": 7}, EVENT))
    assert code == 40002
    assert message.startswith("Batch.1.")
    assert sim.accepted == []
    assert len(sim.refused) == 1


FAULTS: dict[str, dict[str, Any]] = {
    "plain email": body(EVENT | {"user": {"email": "jane@example.com"}}),
    "upper-case hash": body(EVENT | {"user": {"email": "A" * 64}}),
    "no match key": body(EVENT | {"user": {"ip": "203.0.113.7"}}),
    "unknown identifier": body(EVENT | {"user": {"email": HASH, "gender": HASH}}),
    "city with capitals and a space": body(EVENT | {"user": {"email": HASH, "city": "New York"}}),
    "milliseconds for seconds": body(EVENT | {"event_time": AT_MS}),
    "older than 28 days": body(EVENT | {"event_time": AT_MS // 1000 - 29 * 86_400}),
    "in the future": body(EVENT | {"event_time": AT_MS // 1000 + 3_600}),
    "purchase without value": body(EVENT | {"properties": {"content_type": "product"}}),
    "value without currency": body(EVENT | {"properties": {"content_type": "product", "value": 1}}),
    "no content type": body(EVENT | {"properties": {"value": 1, "currency": "EUR"}}),
    "content id as a number": body(
        EVENT | {"properties": {**EVENT["properties"], "contents": [{"content_id": 7}]}},
    ),
    "reserved name": body(EVENT | {"event": "Checkout"}),
    "name with a space": body(EVENT | {"event": "Quiz finished"}),
    "limited data use offline": body(EVENT | {"limited_data_use": True}, event_source="offline"),
    "lead on the web": body(EVENT | {"lead": {"lead_id": "7"}}),
    "no event": body(data=[]),
    "too many events": body(data=[EVENT] * 1_001),
    "unknown source": body(event_source="website"),
    "unknown field": body(pixel_code="C0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_refuses(name: str) -> None:
    sim = TikTokSim()
    assert ask(sim, FAULTS[name])[0] == 40002
    assert (sim.accepted, len(sim.refused)) == ([], 1)


def test_token_pixel_and_path_are_checked() -> None:
    sim = TikTokSim(event_source_id="C1", access_token="t")
    assert ask(sim, body(event_source_id="C1"), token="")[0] == 40104
    assert ask(sim, body(event_source_id="C1"), token="other")[0] == 40105
    assert ask(sim, body())[0] == 40001
    assert ask(sim, body(event_source_id="C1"), path=PATH.rstrip("/"))[0] == 404
    assert ask(sim, body(event_source_id="C1"), path=PATH.replace("1.3", "1.2"))[0] == 40006
    assert ask(sim, body(event_source_id="C1"))[0] == 0
