"""What the tests of Google Ads start from: a destination, a purchase, and the simulated platform to ask."""

import json
from typing import Any

from actors.destinations.base import Attempt, Payload, Response
from actors.destinations.google_ads import GoogleAds
from actors.event import Event, UserData
from actors.secret import Secret
from bench.simulator.base import SimRequest
from bench.simulator.google_ads import GoogleAdsSim

AT_MS = 1_795_166_130_250
OAUTH = {"client_id": "c", "client_secret": Secret("s3cret"), "refresh_token": Secret("r3fresh")}
WAYS = ("data_manager", "google_ads_api")
BASICS: dict[str, Any] = {
    "id": "ads",
    "customer_id": "1234567890",
    "conversion_actions": {"purchase_placed": "987654321"},
    "access_token": Secret("t0ken"),
}


def google_ads(**settings: Any) -> GoogleAds:
    if "consent" in settings:
        settings["consent"] = tuple(settings["consent"])
    return GoogleAds(**{**BASICS, **settings})


def purchase(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "site": "demo",
        "event_name": "purchase_placed",
        "event_id": "e-1",
        "occurred_at_ms": AT_MS,
        "received_at_ms": AT_MS,
        "source": "server",
        "user_data": UserData(gclid="Cj0"),
    }
    return Event(**{**fields, **changes})


def payloads(destination: GoogleAds, *events: Event) -> list[Payload]:
    encoded = [destination.encode(event) for event in events]
    return [payload for payload in encoded if isinstance(payload, Payload)]


def two(destination: GoogleAds) -> list[Payload]:
    return payloads(destination, purchase(), purchase(event_id="e-2", user_data=UserData(gclid="Cj1")))


def ask(sim: GoogleAdsSim, destination: GoogleAds, batch: list[Payload], token: str = "t0ken") -> Response:
    request = destination.request(batch, Attempt(at_ms=AT_MS, access_token=token))
    path = "/" + request.url.split("/", 3)[3]
    sent = SimRequest(
        method=request.method, path=path, query={}, headers=dict(request.headers), body=request.body, at_ms=AT_MS
    )
    answer = sim.answer(sent)
    return Response(status=answer.status, headers=dict(answer.headers), body=answer.body)


def json_response(status: int, body: object) -> Response:
    return Response(status=status, body=json.dumps(body).encode())
