"""The simulated receiver of webhooks refuses what a strict one would."""

from typing import Any

import msgspec
import pytest

from actors.destinations.base import Attempt, Payload
from actors.destinations.webhook import Webhook
from actors.secret import Secret
from bench.simulator.base import SimRequest
from bench.simulator.webhook import SECRET, WebhookSim

AT_MS = 1_795_166_131_000
BODY = b'{"type":"page_viewed","timestamp":"2026-11-20T09:15:30.250Z","data":{"event_name":"page_viewed"}}'


def sent(body: bytes = BODY, *, secret: str = SECRET, old: str | None = None, **headers: str) -> SimRequest:
    previous = (Secret(old),) if old else ()
    destination = Webhook(id="hook", url="http://127.0.0.1/", secret=Secret(secret), previous_secrets=previous)
    made = destination.request([Payload(body)], Attempt(at_ms=AT_MS, delivery_ids=("d1",)))
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimRequest(
        method="POST", path="/", query={}, headers={**dict(made.headers), **changed}, body=made.body, at_ms=AT_MS
    )


def test_signed_message_is_taken_under_its_id() -> None:
    receiver = WebhookSim()
    assert receiver.answer(sent()).status == 204
    assert [accepted.key for accepted in receiver.accepted] == ["msg_d1"]
    assert receiver.refused == []


def test_old_secret_is_good_while_it_signs_along() -> None:
    assert WebhookSim().answer(sent(secret="whsec_" + "b" * 32, old=SECRET)).status == 204


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (sent(secret="whsec_" + "b" * 32), 401),
        (sent(webhook_signature=""), 401),
        (sent(webhook_signature="v1,short"), 401),
        (sent(webhook_id="msg_other"), 401),
        (sent(webhook_id="a.b"), 400),
        (sent(webhook_timestamp=str(AT_MS // 1000 - 301)), 400),
        (sent(webhook_timestamp="2026-11-20T09:15:30Z"), 400),
        (sent(content_type="text/plain"), 400),
        (sent(b"not json"), 400),
        (sent(BODY.replace(b'"type":"page_viewed"', b'"type":"x"')), 400),
        (sent(BODY.replace(b",", b",\n")), 400),
        (sent(BODY.replace(b"30.250Z", b"30.250")), 400),
        (sent(b'{"type":"page_viewed","timestamp":"2026-11-20T09:15:30.250Z"}'), 400),
        (msgspec.structs.replace(sent(), method="PUT"), 400),
        (msgspec.structs.replace(sent(), body=BODY + b" "), 401),
    ],
)
def test_message_with_one_fault_is_refused(request_: SimRequest, status: int) -> None:
    receiver = WebhookSim()
    assert receiver.answer(request_).status == status
    assert len(receiver.refused) == 1
    assert receiver.accepted == []


@pytest.mark.parametrize(("delay", "headers"), [(2.5, (("retry-after", "2.5"),)), (None, ())])
def test_rate_limit_says_when_to_come_back(delay: float | None, headers: Any) -> None:
    answer = WebhookSim().rate_limited(delay)
    assert (answer.status, answer.headers) == (429, headers)
