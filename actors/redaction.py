"""Takes out of a platform's words what must not be kept: secrets of the destination, addresses, numbers, digests."""

import re
from collections.abc import Iterable

from msgspec import Struct

from actors.secret import Secret

WORDS_BYTES = 2_048
SHORTEST_SECRET = 4

_PERSONAL = re.compile(
    r"(?P<email>[^\s@\"'<>=:,;]{1,64}@[\w.-]{1,190}\.[A-Za-z]{2,24})"
    r"|(?P<digest>\b[0-9a-fA-F]{64}\b|\b[0-9a-fA-F]{32}\b)"
    r"|(?P<phone>\+\d[\d ().-]{6,18}\d)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}\b)"
)


class Redactor:
    """Knows the secrets of one destination."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = {secret.reveal() for secret in secrets}
        self._secrets = sorted((text for text in texts if len(text) >= SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, words: str) -> str:
        """At most 2 KiB of the words, with what is secret or personal replaced by what it was."""
        for secret in self._secrets:
            words = words.replace(secret, "[secret]")
        words = _PERSONAL.sub(lambda match: f"[{match.lastgroup}]", words)
        return words.encode("utf-8", "replace")[:WORDS_BYTES].decode("utf-8", "ignore")


def secrets_of(settings: object) -> list[Secret]:
    """All secrets in a record and in the tuples and mappings it holds."""
    if isinstance(settings, Secret):
        return [settings]
    if isinstance(settings, Struct):
        return [secret for name in settings.__struct_fields__ for secret in secrets_of(getattr(settings, name))]
    if isinstance(settings, tuple | list):
        return [secret for one in settings for secret in secrets_of(one)]
    if isinstance(settings, dict):
        return [secret for one in settings.values() for secret in secrets_of(one)]
    return []
