"""Google Analytics 4, Measurement Protocol: POST /mp/collect; at most 25 events of one client a request, under 130 kB.

Source: "Measurement Protocol", sending events, reference and validation, developers.google.com/analytics, read
2026-11-20; contracts/ga4.md. GA4 answers 204 whatever it is sent, so what it would lose in silence is put right or
dropped here. What belongs to one person stands at the request's level: it is the payload's envelope.

- `client_id` is the browser's (`ga_client_id`); an event without one falls back to the gateway's `anonymous_id`, which
  is a new GA user without session; with neither it is dropped.
- `value` is the sum of `price` × `quantity` less the order's discount, as Google's event reference asks ("Don't include
  shipping or tax"), where every item has a price; `value = "order"` sends the whole order's value instead.
- A purchase without `order_id` takes its `event_id` as `transaction_id`, so that a repeat counts once.
- Times are never later than the event's arrival.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import msgspec

from actors.destinations import carried
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CheckPassed,
    CredentialCheck,
    Delivered,
    Destination,
    Drop,
    InTestMode,
    Limits,
    Payload,
    Request,
    Response,
    Retry,
    Split,
    Verdict,
    all_of,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
)
from actors.destinations.credential_checks import SAMPLE, by_acceptance, sample_event, sample_request
from actors.destinations.ga4_names import NAMES, fault_in_name, own_name
from actors.destinations.ga4_params import params_of
from actors.destinations.minimise import ip_address
from actors.destinations.redaction import conceal
from actors.destinations.waits import retry_after_s
from actors.event import Event, Purpose, UserData
from actors.secret import Secret

REQUEST_BYTES = 130_000
# `client_id` is told apart: it may be the gateway's own.
# fmt: off
IDENTIFIERS: carried.Keys = {
    "sha256_email_address": carried.EMAIL, "sha256_phone_number": carried.PHONE, "user_id": carried.EXTERNAL_ID,
    "ip_override": carried.IP, "user_agent": carried.USER_AGENT,
    "sha256_first_name": carried.FIRST_NAME, "sha256_last_name": carried.LAST_NAME,
    "city": carried.CITY, "postal_code": carried.POSTAL_CODE, "country": carried.COUNTRY,
}
# fmt: on
WRAPPING_BYTES = 1_000  # brackets, commas and `validation_behavior` around payloads and envelope

NOT_CHECKED = (
    "GA4 was reached and took a sample event, but it checks neither api_secret nor measurement_id: "
    "whether they are right shows in its Realtime report"
)
_MEASUREMENT_ID = re.compile(r"G-[A-Z0-9]{4,20}")
_CLIENT_ID_COOKIE = re.compile(r"GA\d\.\d+\.(?P<id>.+)", re.ASCII)
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}(\.\w{2,8})?")
_STAMP = b'{"timestamp_micros":'


class Ga4(Destination, frozen=True, kw_only=True, tag="ga4"):
    measurement_id: str  # of the web data stream
    api_secret: Secret  # Admin, Data streams, Measurement Protocol API secrets
    send_user_data: bool = True  # hashed identifiers; the property must have user-provided data collection on
    value: Literal["items", "order"] = "items"  # what `value` holds: the items' revenue, or the whole order
    debug_mode: bool = False  # events also show in DebugView; they count as others do
    validate_only: bool = False  # ask the validation endpoint: nothing is recorded, faults are told
    validation_behavior: Literal["RELAXED", "ENFORCE_RECOMMENDATIONS"] | None = None  # how strict `validate_only` is

    platform: ClassVar[str] = "ga4"
    limits: ClassVar[Limits] = Limits(events=25, body_bytes=REQUEST_BYTES - WRAPPING_BYTES, age_s=3 * DAY_S)
    names: ClassVar[Mapping[str, str | None]] = NAMES
    needs: ClassVar[tuple[Purpose, ...]] = ("analytics",)
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS) | carried.BROWSER_ID
    browser_ids: ClassVar[tuple[str, ...]] = ("ga_client_id",)
    default_base_url: ClassVar[str] = "https://www.google-analytics.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        if not _MEASUREMENT_ID.fullmatch(self.measurement_id):
            yield "measurement_id", f"{self.measurement_id!r} is no measurement id; give one such as 'G-ABCDE12345'"
        if not self.api_secret or self.api_secret.reveal().strip() != self.api_secret.reveal():
            yield "api_secret", "is empty or has spaces around it; give the secret as Google Analytics shows it"

    def in_test_mode(self) -> InTestMode:
        return InTestMode(
            msgspec.structs.replace(self, validate_only=True),
            "GA4 checks the event and records nothing; it does not check api_secret or measurement_id",
        )

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event at the validation endpoint, which records nothing and looks at no secret (section 10)."""
        event = sample_event(attempt, "page_viewed")
        user = UserData(ga_client_id="1.1")
        trial = msgspec.structs.replace(self, validate_only=True)
        return sample_request(trial, msgspec.structs.replace(event, user_data=user), attempt)

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = msgspec.structs.replace(self, validate_only=True).judge(response, [SAMPLE])
        if isinstance(verdict, Delivered):
            return CheckPassed(NOT_CHECKED)
        return by_acceptance(verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        if client_id(event.user_data) is None:
            return Drop("no client id: give ga_client_id (from the _ga cookie) or anonymous_id")
        name = NAMES.get(event.event_name) or own_name(event.event_name)
        if event.event_name not in NAMES and (fault := fault_in_name(name)):
            return Drop(fault)
        params = params_of(event, name, value=self.value, is_debug=self.debug_mode)
        if isinstance(params, Drop):
            return params
        stamp_micros = happened_at_ms(event) * 1_000
        body = encode_json({"timestamp_micros": stamp_micros, "name": name, "params": params})
        person = _envelope(event, self.send_user_data)
        envelope = encode_json(person)
        if len(body) + len(envelope) > self.limits.body_bytes:
            return Drop(f"event of {len(body) + len(envelope)} bytes; GA4 takes {REQUEST_BYTES} a request")
        return Payload(body, envelope, _carried(person, event.user_data))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        """A single event's time stands at the request's level, as in Google's samples; of several each has its own."""
        head = payloads[0].envelope[:-1]  # never empty: it holds the client id
        if self.validation_behavior:
            head += b',"validation_behavior":' + encode_json(self.validation_behavior)
        events = [payload.body for payload in payloads]
        if len(events) == 1:
            stamp, _, rest = events[0].partition(b",")
            head, events = head + b"," + stamp[1:], [b"{" + rest]
        path = "/debug/mp/collect" if self.validate_only else "/mp/collect"
        query = urlencode({"measurement_id": self.measurement_id, "api_secret": self.api_secret.reveal()})
        return post_json(self.api_url(f"{path}?{query}"), head + b',"events":[' + b",".join(events) + b"]}")

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        text = response.body.decode("utf-8", "replace")
        words = conceal(f"answer {response.status}: {text}", [self.api_secret], payloads)
        return all_of(self._verdict(response, words), payloads)

    def _verdict(self, response: Response, words: str) -> Verdict:
        """Section 9. A status below 300 says only that it came in; any other but the temporary ones, that the request
        is malformed and must not be sent again."""
        status = response.status
        if 200 <= status < 300:
            return _validated(response, words) if self.validate_only else Delivered()
        if status == 413:
            return Split(words)
        if status == 429:
            return Retry(words, after_s=retry_after_s(response), is_throttle=True)
        if status >= 500 or status == 408 or status < 400:  # a redirect is a proxy's or a fault's, not GA4's
            return Retry(words, after_s=retry_after_s(response))
        return Drop(words)


def client_id(user: UserData) -> str | None:
    """The last two parts of the `_ga` cookie, whether it came whole or not; else the gateway's own visitor id."""
    if user.ga_client_id:
        whole = _CLIENT_ID_COOKIE.fullmatch(user.ga_client_id)
        return whole["id"] if whole else user.ga_client_id
    return user.anonymous_id or None


def _envelope(event: Event, send_user_data: bool) -> dict[str, Any]:
    user = event.user_data
    may_send = send_user_data and event.consent.marketing != "denied"
    return drop_absent(
        client_id=client_id(user),
        user_id=user.external_id if user.external_id and "@" not in user.external_id else None,
        consent=_consent(event),
        ip_override=ip_address(user.client_ip),
        user_agent=user.client_user_agent,
        user_data=_user_data(user) if may_send else None,
    )


def _carried(person: dict[str, Any], user: UserData) -> int:
    data: dict[str, Any] = person.get("user_data", {})
    [address] = data.get("address", [{}])
    browser = carried.BROWSER_ID if user.ga_client_id else 0
    return browser | carried.carried(person.keys() | data.keys() | address.keys(), IDENTIFIERS)


def _consent(event: Event) -> dict[str, str]:
    """contracts/consent.md, section 2.1: personalisation needs marketing, and that the sale is not denied."""
    marketing, sale = event.consent.marketing, event.consent.sale_of_data
    personal = "denied" if sale == "denied" else marketing
    return drop_absent(
        ad_user_data=marketing.upper() if marketing else None,
        ad_personalization=personal.upper() if personal else None,
    )


def _user_data(user: UserData) -> dict[str, Any]:
    """Digests without the suffix that Meta's library may have appended; the place in plain text (section 6)."""
    first, last = user.first_name, user.last_name
    address = drop_absent(
        sha256_first_name=(first.words or first.sha256) if first else None,
        sha256_last_name=(last.words or last.sha256) if last else None,
        sha256_street=user.street.sha256 if user.street else None,
        city=_letters(user.city),
        region=_letters(user.region),
        postal_code=_plain(user.postal_code).replace(".", "").replace("~", "").strip(),
        country=_country(user.country),
    )
    return drop_absent(
        sha256_email_address=[user.email.gmail or user.email.sha256] if user.email else None,
        sha256_phone_number=[user.phone.sha256] if user.phone else None,
        address=[address] if address else None,
    )


def _plain(value: str | None) -> str:
    """The value, unless it arrived hashed: GA4 takes places only in plain text."""
    return "" if value is None or _DIGEST.fullmatch(value.strip()) else value


def _letters(value: str | None) -> str:
    """Lower-case without digits and symbols, words kept apart."""
    words = (_NOT_LETTERS.sub("", word) for word in _plain(value).lower().split())
    return " ".join(word for word in words if word)


def _country(value: str | None) -> str | None:
    code = (value or "").strip()
    return code.upper() if len(code) == 2 and code.isascii() and code.isalpha() else None


def _validated(response: Response, words: str) -> Verdict:
    """The validation endpoint answers 200 always, with what it found (section 10)."""
    match response.json():
        case {"validationMessages": []}:
            return Delivered("valid; not recorded, as validate_only is set")
        case {"validationMessages": [_, *_]}:
            return Split(words)
    return Retry(words)
