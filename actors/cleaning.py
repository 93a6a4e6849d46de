"""Takes out of what is kept as it came what may not be kept: card data, and what names a person.

    text         card numbers become `[card]`, e-mail addresses `[email]`
    properties   without those named as card data or as a person's identifier; their texts as above
    url          its parameters named so lose their values, others an address or a card number; click ids stay as they
                 are, byte for byte, and so do other ids

One `Cleaning` is for one event; it counts what it took out, and the event says so.
"""

import re
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

from actors.carddata import CARD_TEXT, MIN_DIGITS, CardScan, is_card_name, is_identifier_name
from actors.clickids import is_click_parameter
from actors.personal import (
    EMAIL_TEXT,
    PERSONAL_TEXT,
    fold,
    has_email,
    is_person,
    is_personal_name,
    may_have_email,
    replace_emails,
)

# Parameters of campaigns and products, whose values are often long numbers: never searched for card numbers.
_CAMPAIGN: Final = ("utm_", "hsa_", "gad_", "mtm_", "pk_", "mc_")
_NUMBERED: Final = frozenset(
    {"variant", "variants", "product", "products", "item", "items", "order", "cart", "checkout", "campaign", "adset",
     "adgroup", "ad", "creative", "placement", "session", "ref", "t", "ts", "time", "v", "cb", "nonce", "hash", "sig",
     "signature", "key"}
)  # fmt: skip
_BETWEEN: Final = re.compile(r"([/?&#;])")
_DEEPEST: Final = 2  # urls in a parameter of a url

_SPACE: Final = re.compile(r"\s")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://")
_NAMES_KEPT: Final = 4096  # names whose kind is remembered

Kind = Literal["card", "person", "name", "click", "id", "number", "other"]


class Cleaning:
    """One event's. `card_data` and `personal_data`: how much was taken out."""

    __slots__ = ("_cards", "personal_data")

    def __init__(self) -> None:
        self._cards = CardScan()
        self.personal_data = 0

    @property
    def card_data(self) -> int:
        return self._cards.count

    def marks(self) -> list[str]:
        """What the event and the answer tell of it."""
        cards = ["card_removed"] if self._cards.count else []
        return [*cards, "personal_removed"] if self.personal_data else cards

    def text(self, text: str) -> str:
        if "@" in text:
            text = self._without_emails(text)
        return text if len(text) < MIN_DIGITS else self._cards.text(text)

    def optional(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    def properties(self, properties: dict[str, Any], is_of_person: bool = False) -> dict[str, Any]:
        """`is_of_person`: they are a person's. The nesting has been bounded."""
        kept: dict[str, Any] = {}
        for name, value in properties.items():
            kind, has_person = _kind_of(name)
            if kind == "card":
                self._cards.count += 1
            elif (kind == "person" and _says_something(value, has_person)) or (kind == "name" and is_of_person):
                self.personal_data += 1
            else:
                own = self._without_emails(name) if "@" in name else name
                kept[own] = self._value(value, kind in ("id", "click"), has_person)
        return kept

    def url(self, url: str | None) -> str | None:
        if url is None or not ("?" in url or "#" in url or may_have_email(url)):
            return url
        return self._url(url, 0)

    def _value(self, value: Any, is_id: bool, is_of_person: bool = False) -> Any:
        """An identifier's own digits stay; what an object under its name holds is searched."""
        match value:
            case str():
                return self._string(value, is_id)
            case bool():
                return value
            case int() if not is_id:
                text = str(value)
                return value if self._cards.text(text) == text else CARD_TEXT
            case dict():
                return self.properties(value, is_of_person)
            case list():
                return [self._value(one, is_id, is_of_person) for one in value]
            case _:
                return value

    def _string(self, value: str, is_id: bool) -> str:
        if ("://" in value or value.startswith("/")) and not _SPACE.search(value):
            return self.url(value) or ""
        if is_id:
            return self._without_emails(value) if "@" in value else value
        return self.text(value)

    def _without_emails(self, text: str) -> str:
        cleaned, found = replace_emails(text)
        self.personal_data += found
        return cleaned

    def _url(self, url: str, depth: int) -> str:
        """Piece by piece, whatever the pieces are: what stands between `/`, `?`, `&`, `;` and `#`."""
        scheme = _SCHEME.match(url)
        if scheme is None:
            return "".join([self._piece(piece, depth) for piece in _BETWEEN.split(url)])
        host, *pieces = _BETWEEN.split(url[scheme.end() :])
        if "@" in host:
            host = f"{self._replaced(PERSONAL_TEXT)}@{host.rpartition('@')[2]}"
        return "".join([scheme[0], host, *[self._piece(piece, depth) for piece in pieces]])

    def _piece(self, piece: str, depth: int) -> str:
        if len(piece) < 2:
            return piece
        name, found, value = piece.partition("=")
        if not found or may_have_email(name):
            return self._replaced(EMAIL_TEXT) if may_have_email(name) and has_email(name) else piece
        return f"{name}={self._parameter(name, value, depth)}" if value else piece

    def _parameter(self, name: str, value: str, depth: int) -> str:
        kind, _ = _kind_of(name)
        match kind:
            case "click":
                return value
            case "card":
                self._cards.count += 1
                return CARD_TEXT
            case "person" | "name":
                return self._replaced(PERSONAL_TEXT)
        if may_have_email(value) and has_email(value):
            return self._replaced(EMAIL_TEXT)
        return self._inside(value, kind in ("id", "number"), depth)

    def _inside(self, value: str, is_id: bool, depth: int) -> str:
        """A url within a url is looked at as one; so is, where it is no id, a card number."""
        plain = unquote_plus(value) if "%" in value or "+" in value else value
        if plain is not value and "=" in plain and depth < _DEEPEST:
            before = self._cards.count
            if self._url(plain, depth + 1) != plain:
                return CARD_TEXT if self._cards.count > before else PERSONAL_TEXT
        if is_id or len(plain) < MIN_DIGITS or self._cards.text(plain) == plain:
            return value
        return CARD_TEXT

    def _replaced(self, by: str) -> str:
        self.personal_data += 1
        return by


@lru_cache(maxsize=_NAMES_KEPT)
def _kind_of(name: str) -> tuple[Kind, bool]:
    """What a property or parameter of that name holds, and whether what is in it is about a person."""
    plain = unquote_plus(name) if "%" in name else name
    if is_click_parameter(plain.lower()):
        return "click", False
    folded = fold(plain)
    kind: Kind = "other"
    if is_card_name(folded):
        kind = "card"
    elif is_personal_name(folded):
        kind = "person"
    elif folded == "name":
        kind = "name"
    elif plain.startswith(_CAMPAIGN) or is_identifier_name(folded):
        kind = "id"
    elif folded in _NUMBERED:
        kind = "number"
    return kind, is_person(folded)


def _says_something(value: Any, is_taken_apart: bool) -> bool:
    """Yes, no and nothing name nobody. What is about a person as a whole is looked through, not taken out."""
    if value is None or value == "" or isinstance(value, bool):
        return False
    return not (is_taken_apart and isinstance(value, dict | list))
