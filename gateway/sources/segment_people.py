"""Who a Segment client's message is about: ids, traits, connection, consent (contracts/segment.md, sections 2 and 3).

Pure. Traits of a `group` are the group's, not the person's.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.event import PURPOSES, Purpose
from actors.names import canonical_name
from gateway.checks import is_address
from gateway.consent_form import ConsentForm
from gateway.form import UserForm
from gateway.sources.base import part
from gateway.sources.segment_body import Message
from gateway.sources.segment_fields import Fields, text

# As clients name their own libraries.
BROWSER_LIBRARIES: Final = frozenset(
    {"analytics.js", "@segment/analytics-next", "RudderLabs JavaScript SDK", "@jitsu/js", "jitsu-js"}
)
COOKIE_FIELDS: Final = ("fbp", "fbc", "ga_client_id", "ga_session_id")
# Events by which people tell who they are.
TOLD_BY_PERSON: Final = frozenset(
    {"registration_completed", "login_completed", "lead_submitted", "contact_requested", "newsletter_subscribed"}
)
NOBODY: Final = ("0.0.0.0", "::")  # what clients write for "do not keep the address"
USER_AGENT_CHARS: Final = 1024

Categories = Mapping[str, tuple[Purpose, ...]]  # a consent tool's category -> the purposes it stands for


class Connection(Struct, frozen=True, kw_only=True):
    """What the connection says of the one who called; an empty address is not to be kept."""

    address: str | None = None
    user_agent: str | None = None
    is_browser: bool = False  # it showed a public key


def is_browser(context: Mapping[str, Any], connection: Connection) -> bool:
    """Whether the connection is the visitor's own. Jitsu's library has one name in browsers and on servers."""
    library = part(context, "library")
    is_library = library.get("name") in BROWSER_LIBRARIES and library.get("env") != "node"
    return connection.is_browser or context.get("direct") is True or is_library


def person_of(message: Message, event_name: str, properties: Fields, connection: Connection) -> UserForm:
    context = message.context
    own = [part(context, "traits")]
    if message.type != "group" and isinstance(message.traits, dict):
        own.insert(0, message.traits)
    traits = Fields({name: value for one in reversed(own) for name, value in one.items() if value not in (None, "")})
    first_name, last_name = _names(traits, properties, has_name=canonical_name(event_name) in TOLD_BY_PERSON)
    address = Fields(part(traits.rest, "address"))
    return UserForm(
        email=traits.text("email") or properties.text("email"),
        phone=traits.text("phone") or properties.text("phone"),
        first_name=first_name,
        last_name=last_name,
        date_of_birth=_day(traits.text("birthday") or properties.text("birthday")),
        gender=traits.text("gender") or properties.text("gender"),
        street=address.text("street"),
        city=address.text("city"),
        region=address.text("state"),
        postal_code=address.text("postalCode", "postal_code", "zip"),
        country=address.text("country"),
        external_id=text(message.user_id) or text(part(context, "traits").get("id")),
        anonymous_id=_anonymous_id(message),
        client_ip=_address(context, connection),
        client_user_agent=_user_agent(context, connection),
        **_browser_ids(context, properties),
    )


def _names(traits: Fields, properties: Fields, *, has_name: bool) -> tuple[str | None, str | None]:
    """`has_name`: the properties' `name` is the person's; else it is a product's or a page's."""
    names = ("firstName", "first_name"), ("lastName", "last_name")
    first, last = (traits.text(*one) or properties.text(*one) for one in names)
    told = properties.text("name") if has_name else None
    whole = traits.text("name") or told
    if first is not None or last is not None or whole is None:
        return first, last
    first, _, last = whole.partition(" ")
    return first or None, last.strip() or None


def _day(born: str | None) -> str | None:
    """Clients write a date of birth as a time too."""
    return born[:10] if born is not None and born[10:11] == "T" else born


def _anonymous_id(message: Message) -> str | None:
    """An alias of a server names the visitor by `previousId` alone; an address is no visitor id."""
    own = text(message.anonymous_id)
    previous = text(message.previous_id) if message.type == "alias" else None
    return own or (previous if previous is not None and "@" not in previous else None)


def _address(context: Mapping[str, Any], connection: Connection) -> str | None:
    told = text(context.get("ip"))
    if told is None:
        return connection.address if is_browser(context, connection) else None
    return told if told not in NOBODY and is_address(told) else None


def _user_agent(context: Mapping[str, Any], connection: Connection) -> str | None:
    told = text(context.get("userAgent"))
    if told is None:
        return connection.user_agent if is_browser(context, connection) else None
    return "".join(char for char in told[:USER_AGENT_CHARS] if char.isprintable()) or None


def _browser_ids(context: Mapping[str, Any], properties: Fields) -> dict[str, str]:
    """Jitsu's `context.clientIds`, else the fields of that name in the properties or the context."""
    ids = part(context, "clientIds")
    google = part(ids, "ga4")
    sessions = list(part(google, "sessionIds").values())
    jitsu = {
        "fbp": ids.get("fbp"),
        "fbc": ids.get("fbc"),
        "ga_client_id": google.get("clientId"),
        "ga_session_id": sessions[0] if len(sessions) == 1 else None,  # of several nobody knows which is meant
    }
    found = {name: text(jitsu[name]) or properties.text(name) or text(context.get(name)) for name in COOKIE_FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def consent_of(context: Mapping[str, Any], categories: Categories) -> ConsentForm | None:
    """By the site's table; a category of a purpose's own name stands for that. A purpose is granted where all of its
    categories are. No object says nothing, an empty one denies all (contracts/consent.md, section 2.6)."""
    stated = _stated(context)
    if stated is None:
        return None
    choices: dict[str, Any] = {} if stated else dict.fromkeys(PURPOSES, "denied")
    for category, is_allowed in stated.items():
        for purpose in categories.get(category, (category,) if category in PURPOSES else ()):
            choices[purpose] = "granted" if is_allowed and choices.get(purpose) != "denied" else "denied"
    return msgspec.convert(choices, ConsentForm)


def _stated(context: Mapping[str, Any]) -> dict[str, bool] | None:
    """Category -> whether it is allowed: of Segment's and Jitsu's object, else of RudderStack's; None: nothing said."""
    chosen = part(context, "consent").get("categoryPreferences")
    if isinstance(chosen, dict):
        return {name: value is True for name, value in chosen.items()}
    lists = part(context, "consentManagement")
    allowed, denied = lists.get("allowedConsentIds"), lists.get("deniedConsentIds")
    found = {name: True for name in _texts(allowed)} | {name: False for name in _texts(denied)}
    return found or None


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
