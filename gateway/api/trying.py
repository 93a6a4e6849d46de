"""Tries credentials for the API: a few at once, over one TLS context that is made when it is first needed."""

from typing import Final

import trio

from actors.destinations.base import Attempt, CheckFailed, CheckPassed, Destination
from actors.tls import Contexts
from gateway.api.destination_records import CheckResult
from gateway.api.requests import refuse
from gateway.credentials import try_credentials

AT_ONCE: Final = 4  # each may last as long as two attempts; more wait


class Trier:
    def __init__(self) -> None:
        self._room = trio.CapacityLimiter(AT_ONCE)
        self._tls = Contexts()

    async def told(self, destination: Destination) -> CheckResult:
        """What the platform says of them."""
        async with self._room:
            shared = self._tls.of(None) if destination.ca_file is None else None
            found = await try_credentials(destination, tls=shared)
        if isinstance(found, CheckPassed):
            return CheckResult(outcome="passed", words=found.words)
        return CheckResult(outcome="refused" if isinstance(found, CheckFailed) else "unsure", words=found.words)

    async def accepted(self, destination: Destination) -> CheckResult:
        """The same; ends the request where they are refused, or could be tried and were not."""
        result = await self.told(destination)
        if result.outcome == "refused":
            words = f"{destination.platform} refuses the credentials: {result.words}"
            refuse(422, "credentials_refused", words)
        if result.outcome == "unsure" and _has_check(destination):
            words = f'the credentials could not be tried: {result.words}; give "check": false to store them unchecked'
            refuse(422, "credentials_untried", words)
        return result


def _has_check(destination: Destination) -> bool:
    return destination.credential_check(Attempt(at_ms=0, access_token="")) is not None
