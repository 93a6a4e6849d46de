"""Klaviyo Events API: POST /api/events for one event, POST /api/event-bulk-create-jobs for up to 1,000.

Source: Klaviyo's OpenAPI document of 2026-07-15, "Events API overview" and "Rate limits, status codes, and errors",
developers.klaviyo.com, read 2026-11-20; contracts/klaviyo.md. Klaviyo takes plaintext and no hashes, so it needs a site
that keeps it sealed; with `plaintext = false` only events with a Klaviyo id or an `external_id` can be sent. A bulk job
is refused whole for one bad event, so what Klaviyo would refuse for certain is left out or dropped here. Where the
page leaves a doubt, the safe way:

- A visitor known only by `anonymous_id` is not sent unless `anonymous` says so: whether Klaviyo takes that alone is
  not documented, and in a job it could refuse all the others.
- One of Klaviyo's own ids is sent, the profile id before the exchange id: which wins is not documented.
- `Ordered Product` events are sent only if `ordered_products` says so: a shop's own integration may make them too.
- What came from Klaviyo's own webhooks never goes back to it.
- Times are never later than the event's arrival, and none before 2000, the later of the two bounds that were published.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from actors.destinations import carried
from actors.destinations import klaviyo_answers as answers
from actors.destinations.base import (
    Attempt,
    CredentialCheck,
    Destination,
    Drop,
    Limits,
    NoTestMode,
    Payload,
    Request,
    Response,
    Verdict,
    drop_absent,
    encode_json,
    happened_at_ms,
)
from actors.destinations.credential_checks import SAMPLE, by_refusal
from actors.destinations.klaviyo_fields import CURRENCY, ordered_products, profile_of, properties_of
from actors.destinations.redaction import conceal_all
from actors.event import Event
from actors.rates import Rate
from actors.secret import Secret
from actors.wire import rfc3339

METRIC_CHARS = 127  # "under 128"
OLDEST_MS = 946_684_800_000  # 2000-01-01
REQUEST_BYTES = 5_000_000
JOB_EVENTS = 1_000
MEDIA_TYPE = "application/vnd.api+json"

# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "Viewed Page", "collection_viewed": "Viewed Collection", "product_viewed": "Viewed Product",
    "search_performed": "Submitted Search", "product_customized": "Customized Product",
    "promotion_clicked": "Clicked Promotion",
    "wishlist_item_added": "Added to Wishlist", "cart_viewed": "Viewed Cart", "cart_item_added": "Added to Cart",
    "cart_item_removed": "Removed from Cart",
    "checkout_started": "Started Checkout", "contact_info_added": "Added Contact Info",
    "shipping_info_added": "Added Shipping Info", "payment_info_added": "Added Payment Info",
    "purchase_placed": "Placed Order", "order_fulfilled": "Fulfilled Order", "order_cancelled": "Cancelled Order",
    "order_refunded": "Refunded Order",
    "subscription_started": "Started Subscription", "subscription_renewed": "Renewed Subscription",
    "subscription_cancelled": "Cancelled Subscription", "trial_started": "Started Trial",
    "lead_submitted": "Submitted Lead", "contact_requested": "Requested Contact",
    "registration_completed": "Completed Registration", "login_completed": "Logged In",
    "newsletter_subscribed": "Subscribed to Newsletter", "appointment_scheduled": "Scheduled Appointment",
    "application_submitted": "Submitted Application", "donation_made": "Made Donation",
    "store_located": "Located Store",
    "message_clicked": None,  # Klaviyo records its own
}
IDENTIFIERS: carried.Keys = {
    "email": carried.EMAIL, "phone_number": carried.PHONE, "external_id": carried.EXTERNAL_ID,
    "id": carried.CLICK_ID, "_kx": carried.CLICK_ID,  # either is Klaviyo's own, from a link in one of its messages
    "ip": carried.IP, "first_name": carried.FIRST_NAME, "last_name": carried.LAST_NAME,
    "city": carried.CITY, "zip": carried.POSTAL_CODE, "country": carried.COUNTRY,
}
# fmt: on

_KEY = re.compile(r"[\x21-\x7e]{1,1000}")
_REVISION = re.compile(r"20\d\d-\d\d-\d\d(\.pre)?")
_NO_EVENT = b'{"data":{"type":"event","attributes":{}}}'
_JOB_HEAD = b'{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":['
_JOB_TAIL = b"]}}}}"


class _One(Struct, frozen=True):
    attributes: Raw


class _Events(Struct, frozen=True):
    data: list[_One]


class _Group(Struct, frozen=True):
    profile: Raw
    events: _Events


class _Entry(Struct, frozen=True):
    """A payload: one profile's entry of a bulk job, its parts left as they are."""

    attributes: _Group


class Klaviyo(Destination, frozen=True, kw_only=True, tag="klaviyo"):
    api_key: Secret  # a private key with the scope events:write
    plaintext: bool = True  # send the sealed email, phone, names and street; false: only ids
    anonymous: bool = False  # also send visitors who are known only by the gateway's own visitor id
    ordered_products: bool = False  # beside a purchase, one Ordered Product event per item
    backfill: bool = False  # record without starting flows: no message is sent for these events
    api_version: str = "2026-07-15"  # the `revision` header

    platform: ClassVar[str] = "klaviyo"
    limits: ClassVar[Limits] = Limits(
        events=JOB_EVENTS, body_bytes=REQUEST_BYTES - 1_000, answer_bytes=1_000_000, rate=Rate("150/min")
    )
    names: ClassVar[Mapping[str, str | None]] = NAMES
    needs_plaintext: ClassVar[bool] = True
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("kx", "klaviyo_id")
    default_base_url: ClassVar[str] = "https://a.klaviyo.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _KEY.fullmatch(self.api_key.reveal()):
            yield "api_key", "is empty or holds spaces; give a private key as Klaviyo shows it"
        if not _REVISION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no revision of Klaviyo's API; give a date: '2026-07-15'"

    def opens_plaintext(self) -> bool:
        return self.plaintext

    def in_test_mode(self) -> NoTestMode:
        return NoTestMode("Klaviyo has no test mode; its advice is a test account of its own")

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event without metric and profile (400), once Klaviyo has looked at the key and its scopes."""
        return self._post("/api/events", _NO_EVENT)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = answers.verdicts_of(response, [SAMPLE])
        return by_refusal(verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if (purpose := self.denied(event)) is not None:
            return Drop(f"{purpose} consent is denied")
        name = NAMES.get(event.event_name, event.event_name)
        if name is None or event.source == "klaviyo_webhook":
            return Drop("Klaviyo has this event already: it records its own messages")
        if not name.strip() or len(name) > METRIC_CHARS:
            return Drop(f"event name is empty or longer than Klaviyo's {METRIC_CHARS} characters")
        if happened_at_ms(event) < OLDEST_MS:
            return Drop("happened before 2000: Klaviyo refuses such a time")
        profile = profile_of(event, is_anonymous_enough=self.anonymous)
        if profile is None:
            return Drop(_nobody(event))
        entry, envelope = self._entry(event, name, profile)
        body = encode_json(entry)
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; Klaviyo takes {REQUEST_BYTES} a request")
        return Payload(body, envelope, _carried(profile))

    def _entry(self, event: Event, name: str, profile: dict[str, object]) -> tuple[dict[str, object], bytes]:
        """The profile's entry of a bulk job. One with several events goes out alone: a job holds 1,000 in all."""
        data = event.custom_data
        own = self._event(event, name, event.event_id, properties_of(event), data.value)
        rows = list(ordered_products(event))[: JOB_EVENTS - 1] if self.ordered_products else []
        others = [
            self._event(event, "Ordered Product", f"{event.event_id}:{index}", row.properties, row.value)
            for index, row in enumerate(rows, 1)
        ]
        attributes = {"profile": {"data": profile}, "events": {"data": [own, *others]}}
        envelope = encode_json([event.event_name, event.event_id]) if others else b""
        return {"type": "event-bulk-create", "attributes": attributes}, envelope

    def _event(
        self, event: Event, metric: str, unique_id: str, properties: dict[str, object], value: object
    ) -> dict[str, object]:
        currency = (event.custom_data.currency or "").upper()
        attributes = {
            "properties": properties,
            **drop_absent(
                time=rfc3339(happened_at_ms(event)),
                value=value,
                value_currency=currency if CURRENCY.fullmatch(currency) else None,
                unique_id=unique_id,
                backfill=True if self.backfill else None,
                metric={"data": {"type": "metric", "attributes": {"name": metric}}},
            ),
        }
        return {"type": "event", "attributes": attributes}

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        """One event as it is, several as a job; events of one payload belong to one profile."""
        body = _create_event(payloads[0]) if len(payloads) == 1 else None
        path = "/api/events"
        if body is None:
            path = "/api/event-bulk-create-jobs"
            body = _JOB_HEAD + b",".join(payload.body for payload in payloads) + _JOB_TAIL
        return self._post(path, body)

    def _post(self, path: str, body: bytes) -> Request:
        headers = (
            ("authorization", f"Klaviyo-API-Key {self.api_key.reveal()}"),
            ("revision", self.api_version),
            ("content-type", MEDIA_TYPE),
            ("accept", MEDIA_TYPE),
        )
        return Request(url=self.api_url(path), headers=headers, body=body)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        verdicts = answers.verdicts_of(response, payloads)
        if not any(answers.has_words(verdict) for verdict in verdicts):
            return verdicts
        return conceal_all(verdicts, [self.api_key], [_person(payload) for payload in payloads])


def _carried(profile: dict[str, Any]) -> int:
    attributes = profile["attributes"]
    sent = profile.keys() | attributes.keys() | attributes.get("location", {}).keys()
    return carried.carried(sent, IDENTIFIERS)


def _nobody(event: Event) -> str:
    user = event.user_data
    if user.email is not None or user.phone is not None:
        return 'only hashed identifiers: Klaviyo takes plaintext; give the site keep_plaintext = "sealed"'
    return "no identifier that Klaviyo takes: give an email, phone, external_id or klaviyo_id"


def _create_event(payload: Payload) -> bytes | None:
    """The body of "create event"; None for a payload of several events, which only a job takes."""
    group = msgspec.json.decode(payload.body, type=_Entry).attributes
    if len(group.events.data) != 1:
        return None
    attributes = bytes(group.events.data[0].attributes)
    return b'{"data":{"type":"event","attributes":' + attributes[:-1] + b',"profile":' + bytes(group.profile) + b"}}}"


def _person(payload: Payload) -> Payload:
    """What of a payload is a person's, where words are searched for it."""
    profile = msgspec.json.decode(msgspec.json.decode(payload.body, type=_Entry).attributes.profile)["data"]
    return Payload(encode_json({"user_data": [profile.get("id"), profile["attributes"]]}))
