"""A platform that is easily told what to answer: two adapters, and the sender that plays its part."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import trio
from msgspec import Struct

from actors.destinations.base import (
    Again,
    Delivered,
    Destination,
    Drop,
    Limits,
    OAuth,
    Pause,
    Payload,
    Refresh,
    Request,
    Response,
    Retry,
    Split,
    Verdict,
    encode_json,
    post_json,
)
from actors.dialing import Failure
from actors.event import Event, Purpose

VERDICTS: Mapping[str, Verdict] = {
    "ok": Delivered(),
    "retry": Retry("later"),
    "drop": Drop("never"),
    "split": Split("one of you is wrong"),
    "again": Again("another one was wrong"),
    "pause": Pause("token refused"),
    "refresh": Refresh("token is old"),
}


class Single(Destination, frozen=True, kw_only=True, tag="test_single"):
    """One event a request. The answer's body is JSON: one verdict for each event, or one for all."""

    account: str = "1"
    max_s: int | None = None
    needs_token: bool = False

    platform: ClassVar[str] = "test"
    limits: ClassVar[Limits] = Limits(events=1)
    names: ClassVar[Mapping[str, str | None]] = {"cart_viewed": None}
    needs: ClassVar[tuple[Purpose, ...]] = ("marketing",)
    default_base_url: ClassVar[str] = "https://platform.example"

    def max_age_s(self, event: Event) -> int | None:
        return self.max_s

    def oauth(self, at_ms: int = 0) -> OAuth | None:
        return OAuth(request=Request(url=self.api_url("/token"))) if self.needs_token else None

    def encode(self, event: Event) -> Payload | Drop:
        if event.event_name == "unencodable":
            return Drop("cannot be encoded")
        if event.event_name == "adapter_bug":
            raise ZeroDivisionError
        envelope = str(event.custom_data.properties.get("envelope", "")).encode()
        return Payload(encode_json({"id": event.event_id, "event": event}), envelope)

    def request(self, payloads: Sequence[Payload], attempt: Any) -> Request:
        body = b"[" + b",".join(payload.body for payload in payloads) + b"]"
        url = self.api_url(f"/{self.id}")
        return post_json(url, body, bearer=attempt.access_token, x_deliveries=",".join(attempt.delivery_ids))

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        if response.status == 429:
            after = response.headers.get("retry-after")
            return [Retry("slower", after_s=float(after) if after else None, is_throttle=True)] * len(payloads)
        told = response.json()
        if isinstance(told, str):
            return [VERDICTS[told]] * len(payloads)
        return [VERDICTS[one] for one in told]


class Batching(Single, frozen=True, kw_only=True, tag="test_batching"):
    limits: ClassVar[Limits] = Limits(events=100)


class Sent(Struct, frozen=True):
    """One request that left: when, to which destination, with which events and token."""

    at_s: float
    destination: str
    ids: tuple[str, ...]
    events: tuple[dict[str, Any], ...]
    token: str | None
    deliveries: tuple[str, ...]


Answer = Response | Failure
Play = Callable[[Sent], "Answer | str | list[str]"]


class FakeSender:
    """Plays `answers` in turn, then `play`; keeps what was sent. `delay_s`: how long an answer takes."""

    def __init__(self, *answers: "Answer | str | list[str]", play: Play | None = None, delay_s: float = 0.0) -> None:
        self.sent: list[Sent] = []
        self.tokens = 0
        self.token = "t"  # what access tokens begin with
        self.refusal: Response | None = None  # the token endpoint's answer instead of a token
        self.answers = deque(answers)
        self.play = play or (lambda _: "ok")
        self.delay_s = delay_s
        self.under_way = 0
        self.closings: list[str] = []
        self.most_under_way = 0

    async def send(self, request: Request) -> Answer:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await trio.sleep(self.delay_s)
        finally:
            self.under_way -= 1
        if request.url.endswith("/token"):
            self.tokens += 1
            return self.refusal or Response(
                status=200, body=encode_json({"access_token": f"{self.token}{self.tokens}", "expires_in": 3600})
            )
        sent = _sent(request)
        self.sent.append(sent)
        return _response(self.answers.popleft() if self.answers else self.play(sent))

    async def close_idle(self) -> None:
        self.closings.append("idle")

    async def aclose(self) -> None:
        self.closings.append("all")

    def ids(self) -> list[str]:
        """The ids of all events that were sent, in order, repeats too."""
        return [one for sent in self.sent for one in sent.ids]


def answer(status: int, told: Any = "ok", **headers: str) -> Response:
    return Response(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=encode_json(told),
    )


def failure() -> Failure:
    return Failure(kind="connect", message="nobody is there")


def _sent(request: Request) -> Sent:
    body = msgspec.json.decode(request.body)
    return Sent(
        trio.current_time(),
        request.url.rsplit("/", 1)[1],
        tuple(one["id"] for one in body),
        tuple(one["event"] for one in body),
        dict(request.headers).get("authorization", "").removeprefix("Bearer ") or None,
        tuple(dict(request.headers)["x-deliveries"].split(",")),
    )


def _response(told: "Answer | str | list[str]") -> Answer:
    return told if isinstance(told, Response | Failure) else answer(200, told)
