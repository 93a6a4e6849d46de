"""Way B into Google Ads: events:ingest of the Data Manager API.

Source: contracts/google_ads.md; https://developers.google.com/data-manager/api/devguides/events, read 2026-11-20.
A request is atomic: one bad event refuses all, and `fieldViolations` name it. A yes means received, not counted.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actors.destinations import carried
from actors.destinations.base import (
    Again,
    Delivered,
    Drop,
    Pause,
    Payload,
    Refresh,
    Response,
    Retry,
    Split,
    Verdict,
    all_of,
    drop_absent,
    encode_json,
    happened_at_ms,
    unforeseen,
)
from actors.destinations.google_shared import (
    click_id,
    custom_text,
    email_digest,
    error_of,
    order_key,
    phone_digest,
    reason,
    records,
    throttle,
)
from actors.event import Consent, CustomData, Event, NameDigests, UserData
from actors.wire import rfc3339

if TYPE_CHECKING:
    from actors.destinations.google_ads import GoogleAds

TRANSACTION_ID_CHARS = 512  # section 4: what walkerOS cuts at
# fmt: off
IDENTIFIERS: carried.Keys = {
    "adIdentifiers": carried.CLICK_ID, "emailAddress": carried.EMAIL, "phoneNumber": carried.PHONE,
    "address": carried.NAMES | carried.PLACE, "ipAddress": carried.IP, "userAgent": carried.USER_AGENT,
}
# fmt: on
SOURCES = {"website": "WEB", "app": "APP", "physical_store": "IN_STORE", "phone_call": "PHONE", "chat": "MESSAGE"}
CONSENT = {"granted": "CONSENT_GRANTED", "denied": "CONSENT_DENIED"}

# Section 7: no IP address of people here. The EU with its territories that have a country code of their own, Iceland,
# Liechtenstein, Norway; the United Kingdom with the Crown dependencies and Gibraltar; Switzerland.
# fmt: off
NO_IP_COUNTRIES = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "AX", "GF", "GP", "MF", "MQ", "RE", "YT", "IS", "LI", "NO",
    "EL", "GB", "UK", "GG", "GI", "IM", "JE", "CH",
})
# fmt: on

# Section 9, B: a 400 for one of these is about settings or the account, not about an event.
WRONG_SETTINGS = frozenset(
    {
        "INVALID_DESTINATION",
        "INVALID_CONVERSION_ACTION_ID",
        "INVALID_CONVERSION_ACTION_TYPE",
        "TERMS_AND_CONDITIONS_NOT_SIGNED",
        "NOT_ALLOWLISTED",
    }
)
WRONG_SETTINGS_PREFIX = "DESTINATION_ACCOUNT_"
TOO_LARGE = frozenset({"TOO_MANY_EVENTS", "TOO_MANY_DESTINATIONS"})
TEMPORARY = frozenset({500, 503, 504})

_COUNTRY = re.compile(r"[A-Z]{2}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_EVENT_PATH = re.compile(r"events\[(\d{1,6})\]")


def record(settings: "GoogleAds", event: Event) -> dict[str, Any] | Drop:
    """One entry of `events[]`."""
    click = click_id(event)
    identifiers = _user_identifiers(event.user_data) if settings.user_identifiers else []
    if click is None and not identifiers:
        return Drop("no gclid, gbraid, wbraid, email, phone or whole address: Google Ads has nothing to match")
    custom = event.custom_data
    return drop_absent(
        eventTimestamp=rfc3339(happened_at_ms(event)),
        transactionId=order_key(event)[:TRANSACTION_ID_CHARS],
        eventSource=SOURCES.get(event.action_source, "OTHER"),
        adIdentifiers={click.kind: click.value} if click else None,
        userData=drop_absent(userIdentifiers=identifiers),
        consent=_consent(event.consent),
        conversionValue=custom.value,
        currency=custom.currency,
        userProperties=drop_absent(customerType=custom.customer_type.upper() if custom.customer_type else None),
        eventDeviceInfo=_device(event.user_data),
        cartData=_cart_data(settings, custom) if click is None or click.kind == "gclid" else None,
        customVariables=[
            {"variable": variable, "value": text}
            for name, variable in settings.custom_variables.items()
            if (text := custom_text(event, name))
        ],
    )


def carried_by(entry: dict[str, Any]) -> int:
    """The identifiers in an entry of `events[]`."""
    people = {kind for one in entry.get("userData", {}).get("userIdentifiers", ()) for kind in one}
    return carried.carried(people | entry.keys() | entry.get("eventDeviceInfo", {}).keys(), IDENTIFIERS)


def body(settings: "GoogleAds", payloads: Sequence[Payload]) -> bytes:
    """All payloads of a request are for one conversion action: their envelope is its id."""
    destination = drop_absent(
        operatingAccount=_account(settings.customer_id),
        loginAccount=_account(settings.login_customer_id) if settings.login_customer_id else None,
        productDestinationId=payloads[0].envelope.decode(),
    )
    head = encode_json(
        drop_absent(destinations=[destination], encoding="HEX", validateOnly=settings.validate_only or None)
    )
    return head[:-1] + b',"events":[' + b",".join(payload.body for payload in payloads) + b"]}"


def judge(settings: "GoogleAds", response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    if response.status == 200:
        return _received(response, payloads)
    if response.status == 400:
        return _refused(response, payloads)
    return all_of(_whole(settings, response), payloads)


def _user_identifiers(user: UserData) -> list[dict[str, Any]]:
    """At most three of the ten that an event may have, one kind in each."""
    kinds = {"emailAddress": email_digest(user), "phoneNumber": phone_digest(user), "address": _address(user)}
    return [{kind: value} for kind, value in kinds.items() if value]


def _address(user: UserData) -> dict[str, str] | None:
    """All four or none; country and postal code plain, so one that arrived hashed cannot be sent."""
    postal_code = (user.postal_code or "").strip()
    address = drop_absent(
        givenName=_name_digest(user.first_name),
        familyName=_name_digest(user.last_name),
        regionCode=country(user),
        postalCode=None if _SHA256.fullmatch(postal_code) else postal_code,
    )
    return address if len(address) == 4 else None


def _name_digest(name: NameDigests | None) -> str | None:
    """Lower case, no punctuation, inner spaces kept (section 6)."""
    return (name.words or name.sha256) if name else None


def country(user: UserData) -> str | None:
    """The two-letter code in upper case; None where it came as anything else."""
    code = (user.country or "").strip()
    return code.upper() if code.isascii() and _COUNTRY.fullmatch(code.upper()) else None  # "ß" is "SS" in upper case


def _consent(consent: Consent) -> dict[str, str]:
    """contracts/consent.md, section 2.1: personalisation needs marketing granted and the sale of data not denied."""
    personalization = "denied" if consent.sale_of_data == "denied" else consent.marketing
    return drop_absent(
        adUserData=CONSENT.get(consent.marketing or ""),
        adPersonalization=CONSENT.get(personalization or ""),
    )


def _device(user: UserData) -> dict[str, str]:
    """The IP address goes only where the country is known and allows it: an unknown one may be in the EEA. One that is
    malformed would refuse the whole request."""
    code = country(user)
    is_ip_allowed = code is not None and code not in NO_IP_COUNTRIES and _is_address(user.client_ip or "")
    return drop_absent(userAgent=user.client_user_agent, ipAddress=user.client_ip if is_ip_allowed else None)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _cart_data(settings: "GoogleAds", custom: CustomData) -> dict[str, Any] | None:
    """Needs the Merchant Center account whose product ids the items carry."""
    items = [
        drop_absent(
            merchantProductId=item.id,
            quantity=str(item.quantity) if item.quantity is not None else None,  # int64 is a string in JSON
            unitPrice=item.price,
        )
        for item in custom.items
        if item.id
    ]
    if not items or settings.merchant_id is None:
        return None
    return drop_absent(
        merchantId=settings.merchant_id,
        merchantFeedLabel=settings.feed_label or settings.feed_country,
        merchantFeedLanguageCode=settings.feed_language.lower() if settings.feed_language else None,
        transactionDiscount=custom.discount,
        couponCodes=[custom.coupon] if custom.coupon else None,
        items=items,
    )


def _account(customer_id: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": customer_id}


def _received(response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """A warning names an event that was taken without one of its optional fields."""
    answer = response.json()
    if not isinstance(answer, dict):
        return all_of(unforeseen(response), payloads)
    notes: dict[int | None, list[str]] = {}
    for warning in records(answer.get("fieldWarnings")):
        index = _event_index(warning)
        notes.setdefault(index, []).append(f"{warning.get('reason', '')} {warning.get('field', '')}".strip())
    return [Delivered("; ".join(notes.get(None, []) + notes.get(index, []))) for index in range(len(payloads))]


def _refused(response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
    """400: the events that are named are dropped and the others go again; settings at fault pause; else it is split."""
    error = error_of(response)
    details = records(error.get("details"))
    reasons = {str(detail["reason"]) for detail in details if "reason" in detail}
    violations = [violation for detail in details for violation in records(detail.get("fieldViolations"))]
    reasons |= {str(violation["reason"]) for violation in violations if "reason" in violation}
    text = reason(response, ", ".join(sorted(reasons)) or str(error.get("status", "")), error.get("message"))
    if reasons & WRONG_SETTINGS or any(code.startswith(WRONG_SETTINGS_PREFIX) for code in reasons):
        return all_of(Pause(text), payloads)
    if not reasons & TOO_LARGE:
        named = _named(response, violations, text)
        if any(index in named for index in range(len(payloads))):
            return [
                Drop(named[index]) if index in named else Again(f"another event was refused: {text}")
                for index in range(len(payloads))
            ]
    return all_of(Split(text), payloads)


def _named(response: Response, violations: Sequence[dict[str, Any]], text: str) -> dict[int, str]:
    """The events that violations name, each with its field and the platform's words."""
    named: dict[int, str] = {}
    for violation in violations:
        index = _event_index(violation)
        if index is not None:
            words = violation.get("description") or text
            named.setdefault(index, reason(response, str(violation.get("field", "")), words))
    return named


def _event_index(violation: dict[str, Any]) -> int | None:
    found = _EVENT_PATH.search(str(violation.get("field", "")))
    return int(found.group(1)) if found else None


def _whole(settings: "GoogleAds", response: Response) -> Verdict:
    error = error_of(response)
    details = records(error.get("details"))
    code = next((str(detail["reason"]) for detail in details if "reason" in detail), str(error.get("status", "")))
    text = reason(response, code, error.get("message"))
    match response.status:
        case 401:
            return Refresh(text) if settings.oauth() else Pause(text)
        case 403 | 404:
            return Pause(text)
        case 413:
            return Split(text)
        case 429:
            return throttle(text)
        case status if status in TEMPORARY:
            return Retry(text)
    return unforeseen(response)
