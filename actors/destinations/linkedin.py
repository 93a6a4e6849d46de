"""LinkedIn Conversions API: POST /rest/conversionEvents; up to 5,000 events of one conversion rule a request.

Source: "Conversions API" and its schema, learn.microsoft.com/linkedin, read 2026-11-20; contracts/linkedin.md. LinkedIn
knows no event names: a conversion rule stands for each, and an event without one is not sent. A request is taken whole
or not at all. Where the page leaves a doubt, the safe way:

- A request holds events of one rule: whether rules may be mixed was never measured, and a wrong rule refuses them all.
- `eventId` holds at most 64 characters, as a connector has it; a longer id goes as its SHA-256 of 64 digits.
- `conversionHappenedAt` is never later than the event's arrival: LinkedIn refuses the future.
- `userInfo` (names, country) is sent only on request: no sender's measurement of its hashed form is known.
- The IP address goes in its measured form, plain and IPv4; `SHA256_IP_ADDRESS` was only read in the schema.
- `lead` is sent only for an id that says itself that it is a LinkedIn lead-form response.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode, urlsplit

from msgspec import field

from actors.destinations import carried
from actors.destinations.ads_shared import amount, country_code, currency, opaque
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CredentialCheck,
    Destination,
    Drop,
    Limits,
    NoTestMode,
    OAuth,
    Payload,
    Request,
    Response,
    Retry,
    Verdict,
    drop_absent,
    encode_json,
    happened_at_ms,
    post_json,
    sha256,
)
from actors.destinations.credential_checks import TOO_OLD_S, by_refusal, sample_event, sample_request
from actors.destinations.linkedin_answers import is_about_time, verdicts_of
from actors.destinations.minimise import ip_address
from actors.event import CustomData, Event, UserData
from actors.rates import Rate
from actors.secret import Secret

RULE_URN = "urn:lla:llaPartnerConversion:"
LEAD_URN = "urn:li:leadGenFormResponse:"
EVENT_ID_CHARS = 64
HASHED_NAMES_SINCE = "202609"

# The type that the rule of an event should have at LinkedIn; it is configured there and never sent. The page sends
# promotions and messages nowhere by itself, but OUTBOUND_CLICK is possible: like all others they need a rule here.
# fmt: off
NAMES: Mapping[str, str | None] = {
    "page_viewed": "KEY_PAGE_VIEW", "collection_viewed": "VIEW_CONTENT", "product_viewed": "VIEW_CONTENT",
    "search_performed": "SEARCH", "product_customized": None, "promotion_clicked": "OUTBOUND_CLICK",
    "wishlist_item_added": "ADD_TO_LIST", "cart_viewed": None, "cart_item_added": "ADD_TO_CART",
    "cart_item_removed": None,
    "checkout_started": "START_CHECKOUT", "contact_info_added": None, "shipping_info_added": None,
    "payment_info_added": "ADD_BILLING_INFO",
    "purchase_placed": "PURCHASE", "order_fulfilled": None, "order_cancelled": None, "order_refunded": None,
    "subscription_started": "SUBSCRIBE", "subscription_renewed": None, "subscription_cancelled": None,
    "trial_started": "START_TRIAL",
    "lead_submitted": "LEAD", "contact_requested": "CONTACT", "registration_completed": "COMPLETE_SIGNUP",
    "login_completed": "LOGIN", "newsletter_subscribed": "SIGN_UP", "appointment_scheduled": "BOOK_APPOINTMENT",
    "application_submitted": "SUBMIT_APPLICATION", "donation_made": "DONATE", "store_located": None,
    "message_clicked": "OUTBOUND_CLICK",
}
IDENTIFIERS: carried.Keys = {
    "SHA256_EMAIL": carried.EMAIL, "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID": carried.CLICK_ID,
    "PLAINTEXT_IP_ADDRESS": carried.IP, "externalIds": carried.EXTERNAL_ID,
    "firstName": carried.FIRST_NAME, "lastName": carried.LAST_NAME,
    "hashedFirstName": carried.FIRST_NAME, "hashedLastName": carried.LAST_NAME,
}
# fmt: on

_RULE = re.compile(r"[0-9]{1,19}")
OLD_SAMPLE = Payload(b'{"conversionHappenedAt":0,"user":{}}')  # stands for the event of a credential check
_VERSION = re.compile(r"20[0-9]{2}(0[1-9]|1[0-2])")
_LEAD = re.compile(re.escape(LEAD_URN) + r"[\x21-\x7e]{1,500}")


class LinkedIn(Destination, frozen=True, kw_only=True, tag="linkedin"):
    conversion_rules: dict[str, str] = field(default_factory=dict)  # event name -> id of the conversion rule
    access_token: Secret | None = None  # of Direct API in Signals Manager; or the next three
    client_id: str | None = None  # what a new token is asked for with, all three
    client_secret: Secret | None = None  # see client_id
    refresh_token: Secret | None = None  # lives a year in all
    token_url: str = "https://www.linkedin.com/oauth/v2/accessToken"  # where a new token comes from
    user_info: Literal["hashed", "plain"] | None = None  # send names and country: hashed, or opened from the seal
    api_version: str = "202609"  # the `LinkedIn-Version` header

    platform: ClassVar[str] = "linkedin"
    # Body bytes are not documented. An answer has a line or a status for each event.
    limits: ClassVar[Limits] = Limits(
        events=5_000, body_bytes=1_000_000, age_s=90 * DAY_S, answer_bytes=1_000_000, rate=Rate("600/min")
    )
    names: ClassVar[Mapping[str, str | None]] = NAMES
    without_sale: ClassVar[bool] = False  # LinkedIn has no limited mode (contracts/consent.md, section 3)
    match_on: ClassVar[int] = carried.kinds_of(IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("li_fat_id",)
    default_base_url: ClassVar[str] = "https://api.linkedin.com"

    def problems(self) -> Iterable[tuple[str, str]]:
        yield from _rule_problems(self)
        yield from _credential_problems(self)
        if not _VERSION.fullmatch(self.api_version):
            yield "api_version", f"{self.api_version!r} is no version of LinkedIn's API; give one such as '202609'"
        elif self.user_info == "hashed" and self.api_version < HASHED_NAMES_SINCE:
            yield "user_info", f"hashed names are taken since version {HASHED_NAMES_SINCE}; give a newer api_version"

    def takes(self, event_name: str) -> bool:
        """Names with a conversion rule."""
        if self.events is not None and event_name not in self.events and "*" not in self.events:
            return False
        return event_name in self.conversion_rules and NAMES.get(event_name, "OTHER") is not None

    def opens_plaintext(self) -> bool:
        return self.user_info == "plain"

    def oauth(self, at_ms: int = 0) -> OAuth | None:
        """RFC 6749, section 6; None with a Direct API token."""
        if self.client_id is None or self.client_secret is None or self.refresh_token is None:
            return None
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token.reveal(),
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
        }
        headers = (("content-type", "application/x-www-form-urlencoded"),)
        return OAuth(request=Request(url=self.token_url, headers=headers, body=urlencode(form).encode()))

    def in_test_mode(self) -> NoTestMode:
        return NoTestMode("LinkedIn has no test mode: each call it accepts counts")

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event too old for LinkedIn (400), once it has looked at token and conversion rule."""
        name = next((name for name in self.conversion_rules if self.takes(name)), None)
        return sample_request(self, sample_event(attempt, name, age_s=TOO_OLD_S), attempt) if name else None

    def judge_check(self, response: Response) -> CredentialCheck:
        [verdict] = self.judge(response, [OLD_SAMPLE])
        is_seen = response.status == 400 and is_about_time(response)
        if isinstance(verdict, Drop | Retry):
            return by_refusal(Drop(verdict.reason) if is_seen else Retry(verdict.reason))
        return by_refusal(verdict)

    def encode(self, event: Event) -> Payload | Drop:
        if purpose := self.denied(event):
            return Drop(f"{purpose} consent is denied")
        if not self.takes(event.event_name):
            return Drop("no conversion rule for this event: LinkedIn's requests name a rule, give its id")
        user = _user(event, self.user_info)
        if not user["userIds"] and len(user) == 1:
            return Drop("no identifier that LinkedIn can match: give an email, li_fat_id, external_id or the like")
        rule = self.conversion_rules[event.event_name]
        body = encode_json(_conversion_event(event, rule, user))
        if len(body) > self.limits.body_bytes:
            return Drop(f"event of {len(body)} bytes; a request holds {self.limits.body_bytes}")
        sent = {one["idType"] for one in user["userIds"]} | user.keys() | user.get("userInfo", {}).keys()
        return Payload(body, rule.encode(), carried.carried(sent, IDENTIFIERS))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        body = b'{"elements":[' + b",".join(payload.body for payload in payloads) + b"]}"
        headers = {
            "linkedin_version": self.api_version,
            "x_restli_protocol_version": "2.0.0",
            "x_restli_method": "BATCH_CREATE",
        }
        bearer = attempt.access_token or self.access_token
        return post_json(self.api_url("/rest/conversionEvents"), body, bearer=bearer, **headers)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        secrets = [secret for secret in (self.access_token, self.client_secret, self.refresh_token) if secret]
        return verdicts_of(response, payloads, secrets, can_refresh=self.oauth() is not None)


def _rule_problems(settings: LinkedIn) -> Iterable[tuple[str, str]]:
    if not settings.conversion_rules:
        yield "conversion_rules", "no conversion rules, so nothing is sent; give event names and ids of rules"
    for name, rule in settings.conversion_rules.items():
        if not _RULE.fullmatch(rule):
            yield f"conversion_rules.{name}", f"{rule!r} is no id of a conversion rule; give its digits"
        elif NAMES.get(name, "OTHER") is None:
            yield f"conversion_rules.{name}", "LinkedIn has no conversion of this kind; leave it out"


def _credential_problems(settings: LinkedIn) -> Iterable[tuple[str, str]]:
    parts = {name: getattr(settings, name) for name in ("client_id", "client_secret", "refresh_token")}
    missing = [name for name, value in parts.items() if not value]
    if len(missing) == len(parts) and not settings.access_token:
        yield "access_token", "no credentials; give an access_token, or client_id, client_secret and refresh_token"
    elif missing and len(missing) < len(parts):
        yield missing[0], "client_id, client_secret and refresh_token belong together; give all three"
    token = settings.access_token.reveal() if settings.access_token else ""
    if not token.isprintable() or " " in token:
        yield "access_token", "holds spaces; give the token as Signals Manager shows it"
    url = urlsplit(settings.token_url)
    if url.scheme not in ("https", "http") or not url.hostname:
        yield "token_url", f"{settings.token_url!r} is no address; give https://host/path"


def _conversion_event(event: Event, rule: str, user: dict[str, Any]) -> dict[str, Any]:
    return drop_absent(
        conversion=RULE_URN + rule,
        conversionHappenedAt=happened_at_ms(event),
        conversionValue=_value(event.custom_data),
        eventId=event.event_id if len(event.event_id) <= EVENT_ID_CHARS else sha256(event.event_id),
        user=user,
    )


def _value(data: CustomData) -> dict[str, str] | None:
    """Both or neither. The amount is a string with at least two decimals, as in the page's example."""
    code, sum_paid = currency(data), amount(data.value)
    return {"currencyCode": code, "amount": sum_paid} if code and sum_paid else None


def _user(event: Event, names: Literal["hashed", "plain"] | None) -> dict[str, Any]:
    """`userIds` is required, though it may be empty beside another identifier."""
    user = event.user_data
    others = drop_absent(
        userInfo=_user_info(user, names) if names else None,
        externalIds=_external_ids(user.external_id),
        lead=_lead(event.custom_data.lead_id),
    )
    return {"userIds": _user_ids(user), **others}


def _user_ids(user: UserData) -> list[dict[str, str]]:
    address = ip_address(user.client_ip)
    values = {
        "SHA256_EMAIL": user.email.sha256 if user.email else None,
        "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID": opaque(user.li_fat_id),
        "PLAINTEXT_IP_ADDRESS": address if address and ":" not in address else None,
    }
    return [{"idType": kind, "idValue": value} for kind, value in values.items() if value]


def _external_ids(value: str | None) -> list[str]:
    """At most one, in plaintext: so never an email address that a shop uses as its customers' number."""
    text = (value or "").strip()
    return [text] if text and "@" not in text else []


def _lead(lead_id: str | None) -> str | None:
    return lead_id if lead_id and _LEAD.fullmatch(lead_id) else None


def _user_info(user: UserData, names: Literal["hashed", "plain"]) -> dict[str, str]:
    """Both names or nothing: whether a country may stand alone is not known."""
    country = country_code(user.country)
    code = country.upper() if country else None
    if names == "plain":
        first, last = (user.plain.first_name, user.plain.last_name) if user.plain else (None, None)
        return drop_absent(firstName=first, lastName=last, countryCode=code) if first and last else {}
    if user.first_name is None or user.last_name is None:
        return {}
    return drop_absent(hashedFirstName=user.first_name.sha256, hashedLastName=user.last_name.sha256, countryCode=code)
