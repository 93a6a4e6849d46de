"""A platform's own words, fit to keep: without the secrets and the personal data that it may echo.

Meta answers a malformed token with that token in its text, and validators quote the value they refuse. So whatever of
the request's personal fields stands in the words is starred out, and so is what looks like a digest or an address.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from actors.destinations.base import WORDS_CHARS, Delivered, Payload, Verdict
from actors.secret import Secret

# Fields of the platforms' requests under which every string is a person's: Meta's, GA4's, Google Ads', TikTok's.
_PERSONAL = (
    frozenset({"user_data", "client_id", "user_id", "ip_override", "user_agent"})
    | frozenset({"gclid", "gbraid", "wbraid", "adIdentifiers", "userData", "userIdentifiers", "eventDeviceInfo"})
    | frozenset({"user"})
)
_SHORT_CHARS = 4  # shorter values ("us", "ny") are parts of ordinary words

_DIGEST = re.compile(r"[0-9a-fA-F]{32,}")
_EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w.-]{1,255}")
_STAR = "***"


def conceal(text: str, secrets: Iterable[Secret], payloads: Sequence[Payload]) -> str:
    """The head of the text without those secrets and without what the payloads say of a person."""
    for secret in secrets:
        for form in {secret.reveal(), quote(secret.reveal(), safe=""), quote_plus(secret.reveal())} - {""}:
            text = text.replace(form, _STAR)
    if text:
        for value in sorted(set(_personal_values(payloads)), key=len, reverse=True):
            text = text.replace(value, _STAR)
    text = text[: WORDS_CHARS * 4]  # bounds the work of the patterns
    return _EMAIL.sub(_STAR, _DIGEST.sub(_STAR, text))[:WORDS_CHARS]


def conceal_all(verdicts: Sequence[Verdict], secrets: Sequence[Secret], payloads: Sequence[Payload]) -> list[Verdict]:
    """The verdicts with their words concealed, each by the payloads that share the words."""
    carriers: dict[str, list[Payload]] = {}
    for verdict, payload in zip(verdicts, payloads, strict=True):
        carriers.setdefault(_words(verdict), []).append(payload)
    clean = {words: conceal(words, secrets, sharing) if words else "" for words, sharing in carriers.items()}
    return [_with_words(verdict, clean[_words(verdict)]) for verdict in verdicts]


def _words(verdict: Verdict) -> str:
    return verdict.note if isinstance(verdict, Delivered) else verdict.reason


def _with_words(verdict: Verdict, words: str) -> Verdict:
    if isinstance(verdict, Delivered):
        return Delivered(words) if words else verdict
    return msgspec.structs.replace(verdict, reason=words)


def _personal_values(payloads: Sequence[Payload]) -> Iterator[str]:
    for raw in {payload.envelope for payload in payloads} | {payload.body for payload in payloads}:
        fields = _object(raw)
        for name in _PERSONAL & fields.keys():
            yield from _strings(fields[name])


def _object(raw: bytes) -> dict[str, Any]:
    """The JSON object, or nothing where an envelope is only a key."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> Iterator[str]:
    match value:
        case str() if len(value) >= _SHORT_CHARS:
            yield value
        case list():
            for entry in value:
                yield from _strings(entry)
        case dict():
            for entry in value.values():
                yield from _strings(entry)
