"""What a platform says of credentials before they are stored: a note, or the end of the command."""

from typing import Final

import trio

from actors.destinations.base import Attempt, CheckFailed, CheckPassed, CheckUnsure, Destination
from actors.transport import silence_http_logs
from gateway.commands.controlling import now_ms
from gateway.commands.reading import end, visible
from gateway.credentials import try_credentials

NOTE_CHARS: Final = 2_000


def tried(destination: Destination) -> str:
    """A note on what the platform said. Ends the command where it refused, or could not be asked."""
    silence_http_logs()
    match trio.run(try_credentials, destination):
        case CheckFailed(words=words):
            end(visible(f"{destination.platform} refuses the credentials, nothing is stored: {words}", NOTE_CHARS))
        case CheckUnsure(words=words) if _has_check(destination):
            told = f"the credentials could not be tried, nothing is stored: {words}"
            end(visible(told, NOTE_CHARS) + "; --no-check stores them untried")
        case CheckUnsure(words=words) | CheckPassed(words=words):
            return words


def _has_check(destination: Destination) -> bool:
    return destination.credential_check(Attempt(at_ms=now_ms(), access_token="")) is not None
