"""Way A into Google Ads: the rows of uploadClickConversions of the Google Ads API.

Source: contracts/google_ads.md, section 4; https://developers.google.com/google-ads/api/docs/conversions/upload-offline,
read 2026-11-20.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from actors.destinations import carried
from actors.destinations.base import Drop, Payload, drop_absent, happened_at_ms
from actors.destinations.google_shared import ClickId, click_id, custom_text, email_digest, order_key, phone_digest
from actors.event import CustomData, Event

if TYPE_CHECKING:
    from actors.destinations.google_ads import GoogleAds

IDENTIFIERS: carried.Keys = {
    "gclid": carried.CLICK_ID,
    "gbraid": carried.CLICK_ID,
    "wbraid": carried.CLICK_ID,
    "hashedEmail": carried.EMAIL,
    "hashedPhoneNumber": carried.PHONE,
}
ENVIRONMENTS = {"website": "WEB", "app": "APP"}
CONSENT = {"granted": "GRANTED", "denied": "DENIED"}


def row(settings: "GoogleAds", event: Event, action_id: str) -> dict[str, Any] | Drop:
    """One entry of `conversions[]`."""
    click = click_id(event)
    identifiers = _user_identifiers(settings, event, click)
    if click is None and not identifiers:
        return Drop("no gclid, gbraid, wbraid, email or phone: Google Ads has nothing to match")
    custom = event.custom_data
    return drop_absent(
        conversionAction=f"customers/{settings.customer_id}/conversionActions/{action_id}",
        conversionDateTime=_date_time(happened_at_ms(event)),
        **({click.kind: click.value} if click else {}),
        userIdentifiers=identifiers,
        conversionValue=custom.value,
        currencyCode=custom.currency,
        orderId=order_key(event),
        conversionEnvironment=ENVIRONMENTS.get(event.action_source) if settings.conversion_environment else None,
        customerType=custom.customer_type.upper() if custom.customer_type else None,
        consent=drop_absent(adUserData=CONSENT.get(event.consent.marketing or "")),
        cartData=_cart_data(settings, custom) if click is None or click.kind == "gclid" else None,
        customVariables=_custom_variables(settings, event),
    )


def carried_by(row: dict[str, Any]) -> int:
    """The identifiers in an entry of `conversions[]`."""
    people = {name for one in row.get("userIdentifiers", ()) for name in one}
    return carried.carried(people | row.keys(), IDENTIFIERS)


def body(settings: "GoogleAds", payloads: Sequence[Payload]) -> bytes:
    rows = b",".join(payload.body for payload in payloads)
    validate_only = b',"validateOnly":true' if settings.validate_only else b""
    return b'{"conversions":[' + rows + b'],"partialFailure":true' + validate_only + b"}"


def _user_identifiers(settings: "GoogleAds", event: Event, click: ClickId | None) -> list[dict[str, str]]:
    """Hashed email and phone, one kind in each element. Not beside gbraid or wbraid: whether they may stand together is
    not documented (section 12), and a click id alone is certain to be taken."""
    if not settings.user_identifiers or (click and click.kind != "gclid"):
        return []
    digests = {
        "hashedEmail": email_digest(event.user_data),
        "hashedPhoneNumber": phone_digest(event.user_data),
    }
    return [{"userIdentifierSource": "FIRST_PARTY", name: digest} for name, digest in digests.items() if digest]


def _date_time(at_ms: int) -> str:
    """`2026-11-20 09:15:30+00:00`: no T, no fraction, no Z (section 4)."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat(" ", "seconds")


def _cart_data(settings: "GoogleAds", custom: CustomData) -> dict[str, Any] | None:
    """Needs the Merchant Center account whose product ids the items carry."""
    items = [
        drop_absent(productId=item.id, quantity=item.quantity, unitPrice=item.price) for item in custom.items if item.id
    ]
    if not items or settings.merchant_id is None:
        return None
    return drop_absent(
        merchantId=settings.merchant_id,
        feedCountryCode=settings.feed_country,
        feedLanguageCode=settings.feed_language.upper() if settings.feed_language else None,
        localTransactionCost=custom.discount,  # the sum of order-level discounts, in spite of its name (section 4)
        items=items,
    )


def _custom_variables(settings: "GoogleAds", event: Event) -> list[dict[str, str]]:
    prefix = f"customers/{settings.customer_id}/conversionCustomVariables/"
    return [
        {"conversionCustomVariable": prefix + variable if variable.isdecimal() else variable, "value": text}
        for name, variable in settings.custom_variables.items()
        if (text := custom_text(event, name))
    ]
