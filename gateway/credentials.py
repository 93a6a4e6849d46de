"""Tries a destination's credentials against its platform, so that nothing is counted there.

As a dispatcher would: over the same transport with its bounds and address checks, with an access token where one is
needed. Whatever the platform or the network does is an answer, never an exception.
"""

import ssl

import msgspec

from actors.destinations.base import (
    Attempt,
    CheckFailed,
    CheckPassed,
    CheckUnsure,
    CredentialCheck,
    Destination,
    Pause,
    Retry,
)
from actors.dialing import Failure
from actors.redaction import Redactor, ids_of, secrets_of
from actors.sender import Sender
from actors.tls import Contexts
from actors.tokens import AccessToken
from actors.transport import Transport
from gateway.clock import wall_ms

__all__ = ["CheckFailed", "CheckPassed", "CheckUnsure", "CredentialCheck", "try_credentials", "try_over"]


async def try_credentials(destination: Destination, *, tls: ssl.SSLContext | None = None) -> CredentialCheck:
    """What the platform says of the credentials, in its own words without what is secret or personal.

    `tls`: the context for its `ca_file`, where one is at hand (actors/tls.py). Takes at most two attempts' time.
    """
    context = tls or Contexts().of(destination.ca_file)
    async with Transport.for_destination(destination, context) as transport:
        return await try_over(destination, transport, at_ms=wall_ms())


async def try_over(destination: Destination, sender: Sender, *, at_ms: int) -> CredentialCheck:
    """The same over any sender."""
    redact = Redactor(secrets_of(destination), ids_of(destination))
    token = await AccessToken(destination, sender, lambda: at_ms).get()
    match token:
        case Pause(reason=reason):
            return CheckFailed(redact(reason))
        case Retry(reason=reason):
            return CheckUnsure(redact(reason))
    redact.learn(token)
    request = destination.credential_check(Attempt(at_ms=at_ms, access_token=token))
    if request is None:
        return CheckUnsure(_unchecked(destination, has_token=token is not None))
    answer = await sender.send(request)
    if isinstance(answer, Failure):  # our own words, which hold nothing but host and port
        return CheckUnsure(f"{destination.platform} was not reached: {answer.message}")
    found = destination.judge_check(answer)
    return msgspec.structs.replace(found, words=redact(found.words))


def _unchecked(destination: Destination, *, has_token: bool) -> str:
    got = "gave an access token, but " if has_token else ""
    return f"{destination.platform} {got}has no way to check these settings: the first delivery will tell"
