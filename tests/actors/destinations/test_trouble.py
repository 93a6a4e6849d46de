"""What every adapter makes of a peer in trouble, or of one that plays: waits, redirects, faults of a gateway."""

import pytest

from actors.destinations.base import DAY_S, Delivered, Destination, Pause, Response, Retry, Verdict
from tests.actors.destinations.test_conformance import CASES, encoded, whole

IDS = [f"{case.platform}-{case.id}" for case in CASES]
NOW = "Fri, 20 Nov 2026 09:15:30 GMT"
WAITS: dict[str, dict[str, str]] = {
    "ten years": {"retry-after": "315360000"},
    "negative": {"retry-after": "-5"},
    "a date": {"retry-after": "Fri, 20 Nov 2026 10:15:30 GMT", "date": NOW},
    "a date in ten years": {"retry-after": "Fri, 20 Nov 2036 09:15:30 GMT", "date": NOW},
    "a date that has passed": {"retry-after": "Fri, 20 Nov 2020 09:15:30 GMT", "date": NOW},
    "a date without the peer's own": {"retry-after": "Fri, 20 Nov 2026 10:15:30 GMT"},
    "a date that is none": {"retry-after": "Fri, 99 Nov 99999 99:99:99 GMT", "date": "never"},
    "a number without an end": {"retry-after": "9" * 4_000},
    "not a number": {"retry-after": "nan"},
    "infinity": {"retry-after": "inf"},
    "an exponent": {"retry-after": "1e400"},
    "digits of another script": {"retry-after": "٣٠"},
    "two at once": {"retry-after": "5, 9"},
    "nothing": {"retry-after": ""},
    "none": {},
}


def verdict_of(destination: Destination, response: Response) -> Verdict:
    payload = encoded(destination, whole(destination))
    assert payload is not None
    [verdict] = destination.judge(response, [payload])
    return verdict


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("destination", CASES, ids=IDS)
def test_a_throttle_is_one_whatever_wait_it_names(destination: Destination, wait: str) -> None:
    found = verdict_of(destination, Response(status=429, headers=WAITS[wait], body=b"slow down"))
    assert isinstance(found, Retry)
    assert found.is_throttle
    assert found.after_s is None or 0 <= found.after_s <= DAY_S


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("destination", CASES, ids=IDS)
def test_a_redirect_is_no_delivery(destination: Destination, status: int) -> None:
    response = Response(status=status, headers={"location": "http://169.254.169.254/"})
    assert not isinstance(verdict_of(destination, response), Delivered)


@pytest.mark.parametrize("wait", ["ten years", "negative", "none"])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("destination", CASES, ids=IDS)
def test_a_fault_of_the_platform_is_tried_again(destination: Destination, status: int, wait: str) -> None:
    body = b"<html><body>Bad gateway</body></html>"
    found = verdict_of(destination, Response(status=status, headers=WAITS[wait], body=body))
    assert isinstance(found, Retry)
    assert found.after_s is None or 0 <= found.after_s <= DAY_S


@pytest.mark.parametrize("destination", CASES, ids=IDS)
def test_an_answer_to_somebody_without_rights_costs_no_event(destination: Destination) -> None:
    if destination.platform in ("ga4", "criteo", "taboola", "webhook"):
        return  # without credentials of that kind: their pages say what becomes of a 401
    assert isinstance(verdict_of(destination, Response(status=401, body=b"{}")), Pause | Retry)
