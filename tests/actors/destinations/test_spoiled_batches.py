"""A batch that bad events spoil, sent to a strict platform until every event has its end: only the bad ones fail."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.destinations import Pinterest, Snapchat, TikTok
from actors.destinations.base import Again, Attempt, Delivered, Destination, Drop, Payload, Response, Split
from actors.secret import Secret
from bench.simulator import PinterestSim, Platform, SimRequest, SnapchatSim, TikTokSim
from tests.actors.destinations.cases import AT_MS, purchase

TOKEN = Secret("t")
PLATFORMS: tuple[tuple[Destination, type[Platform]], ...] = (
    (TikTok(id="t", event_source_id="C0", access_token=TOKEN), TikTokSim),
    (Pinterest(id="p", ad_account_id="1", access_token=TOKEN), PinterestSim),
    (Snapchat(id="s", pixel_id="a-1", access_token=TOKEN), SnapchatSim),
)


def payload_of(destination: Destination, index: int, *, is_bad: bool) -> Payload:
    payload = destination.encode(purchase(event_id=f"e-{index}"))
    assert isinstance(payload, Payload)
    body = payload.body.replace(b'"event_id":', b'"no_such_field":') if is_bad else payload.body
    return Payload(body, payload.envelope)


def ask(destination: Destination, platform: Platform, payloads: Sequence[Payload]) -> Response:
    request = destination.request(payloads, Attempt(at_ms=AT_MS))
    url = urlsplit(request.url)
    answer = platform.answer(
        SimRequest(
            method=request.method,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers=dict(request.headers),
            body=request.body,
            at_ms=AT_MS,
        )
    )
    return Response(status=answer.status, headers=dict(answer.headers), body=answer.body)


def settle(destination: Destination, platform: Platform, payloads: list[Payload]) -> list[Payload]:
    """Sends as the dispatcher does, and gives those that were dropped."""
    verdicts = destination.judge(ask(destination, platform, payloads), payloads)
    dropped, again, split = [], [], []
    for payload, verdict in zip(payloads, verdicts, strict=True):
        match verdict:
            case Drop():
                dropped.append(payload)
            case Again():
                again.append(payload)
            case Split():
                split.append(payload)
            case _:
                assert isinstance(verdict, Delivered), verdict
    if len(split) == 1:
        dropped += split
    elif split:
        middle = len(split) // 2
        dropped += settle(destination, platform, split[:middle]) + settle(destination, platform, split[middle:])
    return dropped + (settle(destination, platform, again) if again else [])


@pytest.mark.parametrize(("destination", "platform"), PLATFORMS, ids=["tiktok", "pinterest", "snapchat"])
@settings(max_examples=30)
@given(bad=st.sets(st.integers(0, 19), max_size=5))
def test_only_the_bad_events_of_a_batch_fail(destination: Destination, platform: type[Platform], bad: set[int]) -> None:
    batch = [payload_of(destination, index, is_bad=index in bad) for index in range(20)]
    played = platform()
    assert {batch.index(payload) for payload in settle(destination, played, batch)} == bad
    assert len({accepted.key for accepted in played.accepted}) == 20 - len(bad)
