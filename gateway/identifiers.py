"""An identifier as an operator writes it, read into what the store knows of it: digests at once, nothing in plaintext.

    email:jane@example.com   phone:+4915112345678   external_id:7001   visitor:0123…   order:6123   digest:9f86…

The kind may be left out where the form tells it. A digest is the SHA-256 of an email or a phone, as platforms want it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from actors import identity
from actors.identifying import DAY_MS, IdentityRules
from actors.person import Kind, Person, email_forms, phone_forms
from gateway.settings import IdentitySettings

NAMES: Final = ("email", "phone", "external_id", "visitor", "order", "digest")
PLAIN: Final[Mapping[str, Kind]] = {"external_id": "external_id", "visitor": "visitor", "order": "order"}
LONGEST: Final = 254
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
VISITOR: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FORMS: Final = ", ".join(f"{name}:…" for name in NAMES)


class Identifier(Struct, frozen=True, kw_only=True):
    """`values`: what the store may hold of it, by kind. `name`: of which kind it was given; `mark`: its standard form,
    of which a receipt keeps a keyed digest."""

    name: str
    values: Mapping[Kind, tuple[str, ...]]
    mark: str

    def __repr__(self) -> str:
        return f"Identifier({self.name})"


class Unfit(Struct, frozen=True):
    """Why a text is no identifier, without the text."""

    message: str


def identifier(text: str, country: str | None = None) -> Identifier | Unfit:
    """`country`: ISO 3166-1 alpha-2, for a phone number in national form."""
    text = text.strip()
    name, value = _split(text)
    if not name:
        return Unfit(f"says not what it is; give one of {FORMS}")
    if not value or len(value) > LONGEST:
        return Unfit(f"has no value after {name}:, or one longer than {LONGEST} characters")
    match name:
        case "email":
            email = identity.email_digests(value)
            return Unfit("is no email address") if email is None else _of(name, email.sha256, email=email_forms(email))
        case "phone":
            phone = identity.phone_digests(value, country)
            if phone is None:
                return Unfit("is no phone number; give it with its country, as +4915112345678")
            return _of(name, phone.sha256, phone=phone_forms(phone))
        case "digest":
            digest = value.lower()
            if not DIGEST.fullmatch(digest):
                return Unfit("is no digest: a SHA-256 has 64 hexadecimal digits")
            return _of(name, digest, email=(digest,), phone=(digest,))
    if identity.is_placeholder(value):
        return Unfit("says that there is no value; it is nobody's")
    return Identifier(name=name, values={PLAIN[name]: (value,)}, mark=value)


def person_of(given: Sequence[Identifier]) -> Person:
    """The person who is known by these."""
    table: dict[Kind, list[str]] = {}
    for one in given:
        for kind, values in one.values.items():
            table.setdefault(kind, []).extend(value for value in values if value not in table.get(kind, ()))
    return Person(given=table)


def identity_rules(settings: IdentitySettings) -> IdentityRules:
    """With the addresses digested: the core knows them in no other form."""
    return IdentityRules(
        max_age_ms=settings.max_age_days * DAY_MS,
        blocked=frozenset(map(_mark, settings.blocked)),
        links_only=frozenset(map(_mark, settings.links_only)),
    )


def _mark(text: str) -> str:
    email = identity.email_digests(text) if "@" in text else None
    return email.sha256 if email is not None else text.strip()


def _split(text: str) -> tuple[str, str]:
    """The kind and the value; the kind is empty where neither a prefix nor the form tells it."""
    prefix, colon, rest = text.partition(":")
    if colon and prefix.strip().lower() in NAMES:
        return prefix.strip().lower(), rest.strip()
    if "@" in text:
        return "email", text
    if text.startswith("+"):
        return "phone", text
    if DIGEST.fullmatch(text.lower()):
        return "digest", text
    return ("visitor", text) if VISITOR.fullmatch(text) else ("", text)


def _of(name: str, mark: str, email: Sequence[str] = (), phone: Sequence[str] = ()) -> Identifier:
    values: dict[Kind, tuple[str, ...]] = {}
    if email:
        values["email"] = tuple(email)
    if phone:
        values["phone"] = tuple(phone)
    return Identifier(name=name, values=values, mark=mark)
