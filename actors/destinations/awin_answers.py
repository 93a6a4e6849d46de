"""What an answer of Awin means for the orders of its request.

Source: contracts/awin.md, sections 3 and 9, read 2026-11-20.
"""

from collections.abc import Sequence
from typing import Any

from actors.destinations.base import (
    Delivered,
    Drop,
    Pause,
    Payload,
    Response,
    Retry,
    Split,
    Verdict,
    all_of,
    encode_json,
    unforeseen,
)
from actors.destinations.waits import retry_after_s

CONFIGURATION = frozenset({401, 403, 404})  # token, rights or plan, advertiser
REFUSED = frozenset({400, 409, 413, 422})
MINUTE_S = 60.0  # 20 calls a minute, and no header that says when the next is allowed


def verdicts_of(response: Response, references: Sequence[str]) -> list[Verdict]:
    """The Conversion API's: one per order, told apart by `orderReference`."""
    body = response.json()
    fields = body if isinstance(body, dict) else {}
    if 200 <= response.status < 300 and not fields.get("error"):
        failed, done = _references(fields.get("failedOrders")), _references(fields.get("successfulOrders"))
        return [_of_order(response, reference, failed, done, len(references)) for reference in references]
    return [_of_request(response, len(references))] * len(references)


def verdicts_of_sread(response: Response, payloads: Sequence[Payload]) -> list[Verdict]:
    """sread.php's: any 2xx is a yes, its body says nothing."""
    if 200 <= response.status < 300:
        return all_of(Delivered(), payloads)
    return all_of(_of_request(response, 1), payloads)


def _of_order(response: Response, reference: str, failed: dict[str, Any], done: dict[str, Any], sent: int) -> Verdict:
    if reference in failed:
        return Drop(f"{response.status}: Awin could not process the order: {encode_json(failed[reference]).decode()}")
    if response.status != 206 or reference in done or failed:
        return Delivered()
    words = f"206 without the orders that failed: {response.words()}"  # some failed, and it is not said which
    return Split(words) if sent > 1 else Drop(words)


def _of_request(response: Response, sent: int) -> Verdict:
    words = f"answer {response.status}: {response.words()}"
    if response.status in CONFIGURATION:
        return Pause(words)
    if response.status in REFUSED:
        return Split(words) if sent > 1 else Drop(words)
    if response.status == 429:
        return Retry(words, after_s=max(MINUTE_S, retry_after_s(response) or 0.0), is_throttle=True)
    if response.status >= 500:
        return Retry(words, after_s=retry_after_s(response))
    return unforeseen(response)


def _references(orders: object) -> dict[str, Any]:
    """Each order of a list by its reference."""
    found = orders if isinstance(orders, list) else []
    return {
        str(order["orderReference"]): order for order in found if isinstance(order, dict) and "orderReference" in order
    }
