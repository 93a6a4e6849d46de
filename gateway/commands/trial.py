"""What one event would become at one destination: the request, or why there is none, and an answer in words.

Pure, and by the gateway's own code: its routing, its age limits, its adapters. What is shown holds no secret: each
stands as `***`, also where it is quoted for a URL or escaped for JSON.

    plan(event, site, destination, now_ms)   Plan, or Stopped with the reason
    plan.request(token)                      the adapter's request
    shown_request(request, hide)             that request, fit to be seen
    verdict_in_words(verdict)                what the platform's answer means
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from actors.consent import may_wait
from actors.content import read_content, with_content
from actors.destinations.base import (
    Again,
    Attempt,
    Delivered,
    Destination,
    Drop,
    Pause,
    Payload,
    Refresh,
    Request,
    Response,
    Retry,
    Split,
    Verdict,
)
from actors.dialing import Failure
from actors.event import PURPOSES, Event
from actors.holds import HELD
from actors.redaction import Redactor, forms_of
from actors.routing import Asking, NotRouted, decide_one
from actors.secret import Secret
from actors.snapshot import Site
from actors.work import delivery_id
from gateway.routes_words import refusal_in_words
from store import keys

HIDDEN: Final = "***"
SHORT_CHARS: Final = 4  # shorter values of a person ("us", "m") are parts of ordinary words

_DIGEST: Final = re.compile(r"\b[0-9a-fA-F]{64}\b")
_EMAIL: Final = re.compile(r"[\w.+%-]{1,64}@[\w.-]{1,255}")

Outcome = Literal["delivered", "again", "refused", "paused"]


class Stopped(Struct, frozen=True, kw_only=True):
    """The event would not be sent there. `reason`: that of the books; `words`: why, for people."""

    reason: NotRouted | Literal["too_old", "not_encodable"]
    words: str


class Plan(Struct, frozen=True, kw_only=True):
    """An event as its destination wants it, with the id that its delivery would have."""

    destination: Destination
    payload: Payload
    delivery_id: str
    at_ms: int

    def request(self, token: str | None) -> Request:
        attempt = Attempt(at_ms=self.at_ms, delivery_ids=(self.delivery_id,), access_token=token)
        return self.destination.request([self.payload], attempt)

    def verdict(self, answer: Response | Failure | Retry | Pause) -> Verdict:
        """As a dispatcher takes it for a delivery that is alone in its request."""
        match answer:
            case Retry() | Pause():
                return answer
            case Failure():
                return Retry(f"{answer.kind}: {answer.message}")
        verdicts = self.destination.judge(answer, [self.payload])
        return verdicts[0] if len(verdicts) == 1 else Retry(f"unforeseen answer {answer.status}")


class Shown(Struct, frozen=True, kw_only=True):
    """A request that is fit to be seen. `body` is JSON where the request's is."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: Raw | str

    def pretty_body(self) -> str:
        return self.body if isinstance(self.body, str) else msgspec.json.format(bytes(self.body), indent=2).decode()


class Hide:
    """Takes secrets out of texts, in every form in which an adapter or a platform may write them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._secrets = [secret for secret in secrets if secret]
        forms = {form for secret in self._secrets for form in forms_of(secret.reveal())}
        self._forms = sorted(forms, key=len, reverse=True)
        self._redact = Redactor(self._secrets)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    def words(self, text: str) -> str:
        """A platform's words: also without what they may say of a person, at most 2 KiB."""
        return self._redact(self(text))


def plan(event: Event, site: Site, destination: Destination, now_ms: int) -> Plan | Stopped:
    """The event's way to the destination: its route and consent, its age, its form. The visitor's consent stated
    before is not known here: only the event's own counts."""
    asking = Asking(event, event.consent, site)
    decision = decide_one(asking, destination)
    if decision.reason == "consent_unknown" and may_wait(event, site.consent):
        decision = msgspec.structs.replace(decision, reason=HELD)
    if decision.reason is not None:
        is_routed = site.plan.of(destination.id) is not None
        words = refusal_in_words(decision, asking, destination) if is_routed else ""
        return Stopped(reason=decision.reason, words=words or _refusal_in_words(decision.reason, event, destination))
    changes = read_content(decision.content) if decision.content is not None else None
    return encoded(with_content(event, changes) if changes is not None else event, site.id, destination, now_ms)


def encoded(event: Event, site: str, destination: Destination, now_ms: int) -> Plan | Stopped:
    """The rest of the way of an event that is routed there: its age, its form."""
    age_s, most_s = (now_ms - event.occurred_at_ms) // 1000, destination.max_age_s(event)
    if most_s is not None and age_s > most_s:
        words = f"the event is {age_s} s old; {destination.platform} takes at most {most_s} s"
        return Stopped(reason="too_old", words=words)
    payload = destination.encode(event)
    if isinstance(payload, Drop):
        return Stopped(reason="not_encodable", words=payload.reason)
    key = keys.event(site, event.event_id, event.event_name)
    return Plan(
        destination=destination,
        payload=payload,
        delivery_id=delivery_id(key, keys.destination(site, destination.id)),
        at_ms=now_ms,
    )


def _refusal_in_words(reason: NotRouted, event: Event, destination: Destination) -> str:
    needed = destination.consent if destination.consent is not None else destination.needs
    choices = {purpose: getattr(event.consent, purpose) for purpose in PURPOSES}
    denied = ", ".join(purpose for purpose in needed if choices[purpose] == "denied")
    unknown = ", ".join(purpose for purpose in needed if choices[purpose] is None)
    match reason:
        case "no_route":
            return f"{destination.id} takes no event of the name {event.event_name!r}"
        case "consent_denied":
            return f"{destination.id} needs consent that the event denies: {denied}"
        case "consent_unknown":
            return (
                f"{destination.id} needs consent that the event leaves open, and the site takes for denied: {unknown}"
            )
        case "sale_denied":
            return "the event denies the sale of data, and the platform has no way to honour that"
        case "held":
            return f"the event waits for its visitor's choice: {unknown}"
        case "test_event":
            return "it is a test event, and the platform has no test mode in which nothing is counted"
        case "bot":
            return "no person seems to have sent it, and the site keeps such events from all platforms"
        case "destination_disabled":
            return f"{destination.id} is disabled; set enabled = true"
    return f"{destination.id} does not get it: {reason}"  # of routes, which are not asked here


def shown_request(request: Request, hide: Hide) -> Shown:
    return Shown(
        method=request.method,
        url=hide(request.url),
        headers=tuple((name, hide(value)) for name, value in request.headers),
        body=_shown_body(hide(request.body.decode("utf-8", "replace"))),
    )


def hide_person(shown: Shown, event: Event) -> Shown:
    """The request without what it says of a person: the values of the event's identifiers, in whatever form."""
    values = sorted(set(_strings(msgspec.to_builtins(event.user_data))), key=len, reverse=True)

    def hide(text: str) -> str:
        for value in values:
            for form in sorted(forms_of(value), key=len, reverse=True):
                text = text.replace(form, HIDDEN)
        return _DIGEST.sub(HIDDEN, _EMAIL.sub(HIDDEN, text))

    body = shown.body if isinstance(shown.body, str) else bytes(shown.body).decode()
    return Shown(
        method=shown.method,
        url=hide(shown.url),
        headers=tuple((name, hide(value)) for name, value in shown.headers),
        body=_shown_body(hide(body)),
    )


def _strings(value: object) -> Iterator[str]:
    match value:
        case str() if len(value) >= SHORT_CHARS:
            yield value
        case list() | tuple():
            for one in value:
                yield from _strings(one)
        case dict():
            for one in value.values():
                yield from _strings(one)


def _shown_body(text: str) -> Raw | str:
    try:
        msgspec.json.decode(text, type=Any)
    except (msgspec.DecodeError, RecursionError):
        return text
    return Raw(text.encode())


def verdict_in_words(verdict: Verdict) -> tuple[Outcome, str]:
    """What the answer means for an event that was sent alone, and what the gateway would do then."""
    match verdict:
        case Delivered(note=note):
            return "delivered", _joined("the platform took it", note)
        case Retry(reason=reason) | Again(reason=reason):
            return "again", _joined("not this time; the gateway would try again", reason)
        case Drop(reason=reason) | Split(reason=reason):
            return "refused", _joined("refused for good; the gateway would drop it", reason)
        case Pause(reason=reason) | Refresh(reason=reason):
            return "paused", _joined("the credentials or the account are refused; the destination would pause", reason)


def _joined(words: str, reason: str) -> str:
    return f"{words}: {reason}" if reason else words
