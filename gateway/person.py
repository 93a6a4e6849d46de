"""From the identifiers a sender wrote to those that are kept: digest sets, opaque ids, sealed plaintext.

An identifier without a usable value is left out and the event is kept, with the mark `<field>_left_out`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec

from actors import identity
from actors.cleaning import Cleaning
from actors.clickids import clean_click_id, is_exchange_id
from actors.event import Plaintext, UserData
from gateway.form import UserForm, text_of
from gateway.intake import Intake

_CLICK_FIELDS = (
    "fbp",
    "fbc",
    "ga_client_id",
    "ga_session_id",
    "gclid",
    "gbraid",
    "wbraid",
    "ttclid",
    "ttp",
    "epik",
    "sc_click_id",
    "sc_cookie1",
    "li_fat_id",
    "rdt_cid",
    "rdt_uuid",
    "awc",
    "tblci",
    "criteo_id",
    "klaviyo_id",
    "kx",
    "msclkid",
)


def user_data_of(form: UserForm, intake: Intake, event_id: str, cleaning: Cleaning, marks: list[str]) -> UserData:
    """What is kept of the identifiers; adds a mark for each that was given and cannot be used."""
    values: dict[str, Any] = msgspec.to_builtins(form)  # those that were given
    given = {field: text for field, value in values.items() if (text := text_of(value)) is not None}
    country = _phone_country(given.get("country"), intake)
    kept: dict[str, Any] = {}
    for field, text in given.items():
        value = identity.phone_digests(text, country) if field == "phone" else _READERS[field](text)
        if value is None:
            marks.append(f"{field}_left_out")
        else:
            kept[field] = value
    if "city" in kept:
        kept["city"] = cleaning.text(kept["city"])
    if "klaviyo_id" in kept and is_exchange_id(kept["klaviyo_id"]):
        # Senders that know one field put either there; the two are told apart by their form (click_ids.md section 5).
        kept.setdefault("kx", kept.pop("klaviyo_id"))
    if intake.sealer is not None and (plaintext := _plaintext(given, kept, country)) is not None:
        kept["sealed"] = intake.sealer.seal(plaintext, event_id)
    return UserData(**(kept | _stamps(intake)))


def _phone_country(country: str | None, intake: Intake) -> str | None:
    """ISO 3166-1 alpha-2; a country written otherwise says nothing to the numbering plans."""
    code = country.strip() if country else ""
    return code if len(code) == 2 and code.isalpha() and code.isascii() else intake.default_country


def _as_it_is(text: str) -> str:
    return text


def _own_id(text: str) -> str | None:
    """An id of the shop's own making."""
    return None if identity.is_placeholder(text) else text.strip()


_Reader = Callable[[str], Any]
_CLICK_READERS: Mapping[str, _Reader] = MappingProxyType(
    {name: partial(clean_click_id, name) for name in _CLICK_FIELDS}
)
_READERS: Mapping[str, _Reader] = MappingProxyType(
    {
        **_CLICK_READERS,
        "email": identity.email_digests,
        "first_name": identity.name_digests,
        "last_name": identity.name_digests,
        "street": identity.street_digest,
        "date_of_birth": identity.date_digest,
        "gender": identity.gender_digest,
        "city": _as_it_is,
        "region": _as_it_is,
        "postal_code": _as_it_is,
        "country": _as_it_is,
        "external_id": _own_id,
        "anonymous_id": _own_id,
        "session_id": _own_id,
        "client_ip": str.strip,
        "client_user_agent": _as_it_is,
    }
)


def _stamps(intake: Intake) -> dict[str, str]:
    """What the connection says, which beats what the event says."""
    stamps = {
        "client_ip": intake.client_ip,
        "client_user_agent": intake.client_user_agent,
        "anonymous_id": intake.anonymous_id,
        "session_id": intake.session_id,
    }
    return {field: text for field, text in stamps.items() if text is not None}


def _plaintext(given: Mapping[str, str], kept: Mapping[str, object], country: str | None) -> Plaintext | None:
    """The values of what was kept, except those that arrived hashed."""
    plain = {field: text for field, text in given.items() if field in kept and not identity.hashed(text)}
    email, phone = plain.get("email"), plain.get("phone")
    born, gender = plain.get("date_of_birth"), plain.get("gender")
    date = identity.normal_date(born) if born else None
    plaintext = Plaintext(
        email=identity.normal_email(email) if email else None,
        phone=identity.normal_phone(phone, country) if phone else None,
        first_name=_trimmed(plain.get("first_name")),
        last_name=_trimmed(plain.get("last_name")),
        street=_trimmed(plain.get("street")),
        date_of_birth=f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else None,
        gender=identity.normal_gender(gender) if gender else None,
    )
    return None if plaintext == Plaintext() else plaintext


def _trimmed(text: str | None) -> str | None:
    return text.strip() if text is not None else None
