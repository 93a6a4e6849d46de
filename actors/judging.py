"""What an answer means for each delivery of its request, also where there was none or the adapter fails on it."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from actors.destinations.base import (
    Again,
    Destination,
    Drop,
    Pause,
    Refresh,
    Response,
    Retry,
    Split,
    Verdict,
    unforeseen,
)
from actors.dialing import Failure
from actors.observer import AttemptOutcome, Reason
from actors.rates import Quota
from actors.taking import adapter_failed
from actors.work import AGAIN_MOST, Work, outcome_of, words_of
from store.records import AttemptRow

Answer = Response | Failure | Pause | Retry  # Pause and Retry: there was no request, since there is no access token


def verdicts_of(site: str, destination: Destination, answer: Answer, lot: Sequence[Work]) -> Sequence[Verdict]:
    """One verdict for each delivery, in order."""
    match answer:
        case Pause() | Retry():
            return [answer] * len(lot)
        case Failure():
            return [Retry(f"{answer.kind}: {answer.message}")] * len(lot)
    try:
        verdicts = destination.judge(answer, [work.payload for work in lot])
    except Exception as error:  # noqa: BLE001  an adapter's bug leaves the answer unforeseen
        adapter_failed(site, destination.id, "judge", error)
        verdicts = []
    if len(verdicts) != len(lot):
        return [unforeseen(answer)] * len(lot)
    return verdicts


def quota_of(site: str, destination: Destination, answer: Answer, now_ms: int) -> Quota:
    """What the answer's headers say about asking again; nothing where there was no answer."""
    if not isinstance(answer, Response):
        return Quota()
    try:
        return destination.heed(answer, now_ms)
    except Exception as error:  # noqa: BLE001  an adapter's bug leaves the headers unread
        adapter_failed(site, destination.id, "heed", error)
        return Quota()


def heeding(verdicts: Sequence[Verdict], quota: Quota) -> Sequence[Verdict]:
    """The verdicts, with the wait that the headers ask for where it is longer than the one the adapter read."""
    if not quota.wait_s:
        return verdicts
    return [
        msgspec.structs.replace(one, after_s=max(one.after_s or 0.0, quota.wait_s)) if isinstance(one, Retry) else one
        for one in verdicts
    ]


def alone(work: Work, verdict: Verdict, batch: int) -> Verdict:
    """What a verdict that concerns a batch means for a delivery that was alone in it, or came back too often."""
    match verdict:
        case Split(reason=reason) if batch == 1:
            return Drop(reason)
        case Again(reason=reason):
            work.again += 1
            if work.again < AGAIN_MOST:
                return verdict
            return Split(reason) if batch > 1 else Retry(reason)  # whatever its company did: it costs no attempt
        case Refresh(reason=reason):
            work.refreshes += 1
            return verdict if work.refreshes == 1 else Pause(reason)
    return verdict


def reason_of(verdict: Verdict, answer: Answer) -> Reason:
    """The code of what keeps a delivery from its platform."""
    match verdict, answer:
        case Drop(), _:
            return "platform_refused"
        case Pause(), _:
            return "paused"
        case Retry(), Failure(kind=kind):
            return "timeout" if kind == "timeout" else "unreachable"
        case Retry(is_throttle=True), _:
            return "throttled"
        case Retry(is_unforeseen=True), _:
            return "unforeseen"
        case Retry(), _:
            return "not_now"
    return "none"


def outcomes_of(verdicts: Sequence[Verdict], answer: Answer) -> Mapping[AttemptOutcome, int]:
    """How many deliveries of a request came to what."""
    return Counter("failure" if isinstance(answer, Failure) else outcome_of(verdict) for verdict in verdicts)


def attempt_row(verdict: Verdict, answer: Answer, at_ms: int, latency_s: float, batch: int, counts: bool) -> AttemptRow:
    """The record of an attempt, its words as they came."""
    return AttemptRow(
        at_ms=at_ms,
        outcome="failure" if isinstance(answer, Failure) else outcome_of(verdict),
        status=answer.status if isinstance(answer, Response) else None,
        latency_ms=int(latency_s * 1000),
        words=words_of(verdict),
        batch=batch,
        counts=counts,
    )
