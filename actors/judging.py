"""What an answer means for each delivery of its request, also where there was none or the adapter fails on it."""

from collections.abc import Sequence

from actors.destinations.base import Destination, Pause, Response, Retry, Verdict
from actors.dialing import Failure
from actors.taking import adapter_failed
from actors.work import Work

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
        return [Retry(f"unforeseen answer {answer.status}: {answer.words()}")] * len(lot)
    return verdicts
