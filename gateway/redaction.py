"""What may be seen of a value that is logged: nothing secret, nothing of a person, nothing that forges a line.

Fields whose name says secret or person become `***`; texts lose e-mail addresses and credentials, texts of errors lose
network addresses too; control characters are escaped; everything has a length. Of an object that is no plain value only
its kind is shown, since its text may hold anything.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any

from actors.secret import Secret

HIDDEN = "***"
VALUE_CHARS = 500
TRACE_CHARS = 4_000  # the end of a traceback is what says what happened
FIELDS = 40
DEPTH = 4

_HIDDEN_WORDS = frozenset(
    {"address", "auth", "authorization", "bearer", "birth", "birthday", "cookie", "credential", "cvc", "cvv", "dob"}
    | {"email", "firstname", "fullname", "gender", "ip", "lastname", "mail", "passphrase", "passwd", "password", "peer"}
    | {"phone", "secret", "street", "surname", "token"}
)
_HIDDEN_NAMES = frozenset(
    {"name", "first_name", "last_name", "full_name", "user_agent", "client_user_agent", "user_data", "plain", "sealed"}
    | {"api_key", "write_key", "public_key", "secret_key", "access_key", "private_key", "signing_key", "card_number"}
    | {"body", "payload", "headers", "query", "url"}
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_EMAIL = re.compile(r"[^\s@<>\"'=:,;()\[\]{}]{1,64}@[^\s@<>\"'=:,;()\[\]{}]{1,255}")
_CREDENTIAL = re.compile(
    r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"
    r"|(\w*(?:token|secret|password|signature|api_?key|write_?key)(?:=|[\"']\s*:\s*[\"']))[^\s&\"',;}]+"
)
_ADDRESS_LIKE = re.compile(r"(?<![\w.:])[0-9a-fA-F]*[.:][0-9a-fA-F.:]+")

Fields = MutableMapping[str, Any]


def redact(_logger: object, _method: str, fields: Fields) -> Fields:
    """The fields as they may be seen: a structlog processor, and all that stands between a call and the line."""
    return {_text_of(name, 64): _field(name, value) for name, value in list(fields.items())[:FIELDS]}


def _field(name: str, value: object) -> object:
    if name == "traceback":
        return _scrubbed(_without_addresses(str(value)[-TRACE_CHARS:]))
    if name == "text" and isinstance(value, str):
        return _text_of(_without_addresses(value[: VALUE_CHARS * 4]), VALUE_CHARS)
    if _is_hidden(name) and value not in (None, "") and not isinstance(value, bool):
        return HIDDEN
    return _value(value, DEPTH)


def _is_hidden(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    if "_".join(words) in _HIDDEN_NAMES:
        return True
    return any(word in _HIDDEN_WORDS or word.removesuffix("s") in _HIDDEN_WORDS for word in words)


def _value(value: object, depth: int) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if abs(value) < float("inf") else str(value)
        case Secret():
            return HIDDEN
        case str():
            return _text_of(value, VALUE_CHARS)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case BaseException():
            return _text_of(_without_addresses(f"{type(value).__name__}: {value}"[: VALUE_CHARS * 4]), VALUE_CHARS)
    return _collection(value, depth)


def _collection(value: object, depth: int) -> object:
    """Lists and tables item by item; of any other object only what it is, since its text may hold anything."""
    if depth == 0:
        return "…"
    match value:
        case Mapping():
            pairs = list(value.items())[:FIELDS]
            return {
                _text_of(str(key), 64): HIDDEN if _is_hidden(str(key)) else _value(one, depth - 1) for key, one in pairs
            }
        case list() | tuple() | set() | frozenset():
            return [_value(one, depth - 1) for one in list(value)[:FIELDS]]
    return f"<{type(value).__name__}>"


def _text_of(text: str, chars: int) -> str:
    """At most `chars` characters; what is cut before the patterns are looked for is cut with room to spare."""
    scrubbed = _scrubbed(text[: chars * 4])
    return scrubbed if len(scrubbed) <= chars else scrubbed[:chars] + "…"


def _scrubbed(text: str) -> str:
    text = _EMAIL.sub("[email]", text)
    text = _CREDENTIAL.sub(lambda found: f"{found[1] + ' ' if found[1] else found[2]}{HIDDEN}", text)
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    """Control, format and line-breaking characters and lone surrogates as escapes: no line, no terminal is forged."""
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return char.encode("unicode_escape").decode("ascii")
    return char


def _without_addresses(text: str) -> str:
    return _ADDRESS_LIKE.sub(_no_address, text)


def _no_address(found: re.Match[str]) -> str:
    text = found[0].rstrip(".:")
    for address in (text, text.rpartition(":")[0]):  # with and without a port
        try:
            ipaddress.ip_address(address)
        except ValueError:
            continue
        return "[address]" + found[0][len(address) :]
    return found[0]
