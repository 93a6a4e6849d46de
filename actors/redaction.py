"""Takes out of a platform's words what must not be kept: secrets of the destination, addresses, numbers, digests.

What is kept is cut after that: a secret that a cut went through would leave its head.
"""

import ipaddress
import json
import re
from collections import deque
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from msgspec import Struct

from actors.secret import Secret

WORDS_BYTES: Final = 2_048
SHORTEST_SECRET: Final = 4
TOKENS_KNOWN: Final = 4  # access tokens: that in use, and those that requests under way may still carry

_PERSONAL = re.compile(
    r"(?P<email>[^\s@\"'<>=:,;&?]{1,64}(?:@|%40)[\w.-]{1,190}\.[A-Za-z]{2,24})"
    r"|(?P<digest>\b[0-9a-fA-F]{64}\b|\b[0-9a-fA-F]{32}\b)"
    r"|(?P<phone>(?:\+|%2[Bb])\d[\d ().-]{6,18}\d|(?<![\w.-])\d{10,15}(?![\w-]|\.\d))"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:.])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:]))"
)
# Ten or thirteen digits that begin with 1 are a Unix time: no country's number is written so.
_TIME = re.compile(r"1\d{9}(?:\d{3})?")


class Redactor:
    """Knows the secrets of one destination, and its ids, which are no telephone numbers."""

    def __init__(self, secrets: Iterable[Secret], ids: Iterable[str] = ()) -> None:
        texts = {form for secret in secrets for form in forms_of(secret.reveal())}
        self._secrets = sorted((text for text in texts if len(text) >= SHORTEST_SECRET), key=len, reverse=True)
        self._tokens: deque[str] = deque(maxlen=TOKENS_KNOWN)
        self._ids = frozenset(ids)

    def learn(self, token: str | None) -> None:
        """An access token that requests carry from now on."""
        if token is not None and len(token) >= SHORTEST_SECRET and token not in self._tokens:
            self._tokens.append(token)

    def __call__(self, words: str) -> str:
        """At most 2 KiB of the words, with what is secret or personal replaced by what it was."""
        for secret in (*self._secrets, *self._tokens):
            words = _without_head(words.replace(secret, "[secret]"), secret)
        words = _PERSONAL.sub(self._named, words)
        return words.encode("utf-8", "replace")[:WORDS_BYTES].decode("utf-8", "ignore")

    def _named(self, found: re.Match[str]) -> str:
        text, kind = found[0], found.lastgroup
        if kind == "phone" and text.isdigit() and (text in self._ids or _TIME.fullmatch(text)):
            return text
        if kind == "address" and ":" in text and not _is_ipv6(text):
            return text
        return f"[{kind}]"


def forms_of(secret: str) -> set[str]:
    """A secret as it may stand in an address or in JSON: a platform repeats what it was sent, as it was sent."""
    quoted = {quote(secret, errors="replace"), quote(secret, safe="", errors="replace")}
    escaped = {json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    return {secret, quote_plus(secret, errors="replace"), *quoted, *escaped}


def _without_head(words: str, secret: str) -> str:
    """Words that were cut in the middle of a secret end with its head."""
    for length in range(min(len(secret) - 1, len(words)), SHORTEST_SECRET - 1, -1):
        if words.endswith(secret[:length]):
            return f"{words[:-length]}[secret]"
    return words


def _is_ipv6(text: str) -> bool:
    try:
        return len(text) > len("::") and ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def ids_of(settings: Struct) -> list[str]:
    """The texts among a destination's settings: the ids of its account."""
    values = (getattr(settings, name) for name in settings.__struct_fields__)
    return [value for value in values if isinstance(value, str)]


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
