"""How credentials are tried without anything being counted: what the adapters' `credential_check` share.

Two ways. Where a platform has a test mode that records nothing, a sample event is sent in it. Where it has none, a
request goes out that the platform must refuse for its content: an event older than it takes, or none at all. A platform
looks at the credentials before the content, so a refusal of the content says that they were taken.
"""

import msgspec

from actors.destinations.base import (
    DAY_S,
    Attempt,
    CheckFailed,
    CheckPassed,
    CheckUnsure,
    CredentialCheck,
    Delivered,
    Destination,
    Drop,
    Pause,
    Payload,
    Refresh,
    Request,
    Verdict,
    sha256,
)
from actors.event import Consent, CustomData, EmailDigests, Event, Page, UserData

TOO_OLD_S = 400 * DAY_S  # older than any platform takes
SAMPLE = Payload(b"{}")  # stands for the sample event where an answer is judged
SAMPLE_EMAIL = "credential-check@example.com"  # RFC 2606: nobody's


def sample_event(attempt: Attempt, name: str, *, age_s: int = 0) -> Event:
    """An event of nobody, at no shop; an order is worth nothing to anybody."""
    at_ms = attempt.at_ms - age_s * 1_000
    return Event(
        site="credential-check",
        event_name=name,
        event_id=f"credential-check-{attempt.at_ms}",
        occurred_at_ms=at_ms,
        received_at_ms=attempt.at_ms,
        source="server",
        page=Page(url="https://www.example.com/credential-check"),
        user_data=UserData(
            email=EmailDigests(sha256=sha256(SAMPLE_EMAIL)),
            external_id="credential-check",
            client_user_agent="credential-check",
        ),
        custom_data=CustomData(order_id=f"credential-check-{attempt.at_ms}"),
        consent=Consent(analytics="granted", marketing="granted", preferences="granted", sale_of_data="granted"),
    )


def sample_request(destination: Destination, event: Event, attempt: Attempt) -> Request | None:
    """The request that holds this one event; None where the destination's settings do not let it through."""
    payload = destination.encode(event)
    if isinstance(payload, Drop):
        return None
    return destination.request([payload], msgspec.structs.replace(attempt, delivery_ids=("credential_check",)))


def by_acceptance(verdict: Verdict) -> CredentialCheck:
    """Of a sample that should be taken. One that is refused leaves open what was looked at before it."""
    match verdict:
        case Delivered(note=note):
            return CheckPassed(note)
        case Pause(reason=reason) | Refresh(reason=reason):
            return CheckFailed(reason)
    return CheckUnsure(verdict.reason)


def by_refusal(verdict: Verdict) -> CredentialCheck:
    """Of a sample that should be refused for its content."""
    match verdict:
        case Drop(reason=reason):
            return CheckPassed(
                f"the credentials were taken; the sample was refused for its content, as it should be: {reason}"
            )
        case Delivered():
            return CheckUnsure("the sample was taken, which the platform should refuse: is base_url the platform's?")
    return by_acceptance(verdict)
