"""Who may use the API: bearers of the admin token, compared in constant time; guesses are bounded per address.

No token that is tried is kept, logged or shown. What is counted of an address lives in this process and is bounded:
when the table is full, the address that was refused longest ago is forgotten.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable

import trio
from msgspec import Struct

from actors.secret import Secret
from gateway.answers import error_answer
from gateway.call import Answer

WRONG_MOST = 10  # wrong tokens of one address, within:
WINDOW_S = 60.0
ADDRESSES = 1_024  # counted at once
SCHEME = "bearer"
CHALLENGE = ("www-authenticate", 'Bearer realm="gateway"')
IS_OFF = "the API is off: no admin token is set; set GATEWAY_ADMIN_TOKEN, or admin_token under [server], and restart"
HOW = "give the admin token as `Authorization: Bearer TOKEN`"


class Wrong(Struct, frozen=True):
    """Wrong tokens of one address since `since_s`."""

    since_s: float
    count: int


class AdminGate:
    """Says of each request to the API whether it is let through. `now_s`: a clock that never goes back."""

    def __init__(self, token: Secret | None, now_s: Callable[[], float] = trio.current_time) -> None:
        self._digest = _digest(token.reveal()) if token is not None else None
        self._now_s = now_s
        self._wrong: OrderedDict[str, Wrong] = OrderedDict()

    def refusal(self, address: str, authorization: str | None) -> Answer | None:
        """None: let through. `address`: what its guesses are counted by."""
        if self._digest is None:
            return error_answer(403, "api_off", IS_OFF)
        wait_s = self._wait_s(address)
        if wait_s > 0:
            told = f"{WRONG_MOST} wrong admin tokens came from this address; try again in {wait_s} s"
            return error_answer(429, "rate_limited", told, ("retry-after", str(wait_s)))
        if authorization is None:
            return error_answer(401, "unauthorized", f"the API needs the admin token; {HOW}", CHALLENGE)
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == SCHEME and hmac.compare_digest(_digest(given.strip()), self._digest):
            return None
        self._count(address)
        return error_answer(401, "unauthorized", f"this is not the admin token; {HOW}", CHALLENGE)

    def _wait_s(self, address: str) -> int:
        """Whole seconds until a token of this address is looked at again; 0: now."""
        wrong = self._wrong.get(address)
        if wrong is None or wrong.count < WRONG_MOST:
            return 0
        left_s = wrong.since_s + WINDOW_S - self._now_s()
        return max(0, int(-(-left_s // 1)))

    def _count(self, address: str) -> None:
        now_s = self._now_s()
        before = self._wrong.pop(address, None)
        is_new = before is None or now_s - before.since_s >= WINDOW_S
        self._wrong[address] = Wrong(now_s, 1) if before is None or is_new else Wrong(before.since_s, before.count + 1)
        if len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)


def _digest(token: str) -> bytes:
    """Of one length whatever was given, so that the comparison takes the same time for each."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
