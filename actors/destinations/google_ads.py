"""Google Ads conversions: at most 2,000 events a request, by the Data Manager API or by the Google Ads API.

Source: contracts/google_ads.md. The way is the setting `via`: `data_manager` (events:ingest, open to everyone, the
default) or `google_ads_api` (uploadClickConversions, closed to newcomers since 2026-06-15). Google Ads knows no event
names: a conversion action stands for each, and an event without one is not sent.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import field

from actors.destinations import carried, data_manager, google_ads_api, google_ads_api_answers
from actors.destinations.base import (
    DAY_S,
    Attempt,
    CredentialCheck,
    Destination,
    Drop,
    InTestMode,
    Limits,
    OAuth,
    Payload,
    Request,
    Response,
    Verdict,
    encode_json,
    post_json,
)
from actors.destinations.credential_checks import SAMPLE, by_acceptance, by_refusal, sample_event, sample_request
from actors.destinations.redaction import conceal_all
from actors.destinations.service_account import key_fault, token_request
from actors.event import CustomData, Event
from actors.rates import Rate
from actors.secret import Secret

GOOGLE_ADS_URL = "https://googleads.googleapis.com"
DATA_MANAGER_URL = "https://datamanager.googleapis.com"
DATA_MANAGER_RATE = Rate("300/min")  # for each project (contracts/google_ads.md, section 7)
SCOPES: Mapping[str, str] = {
    "data_manager": "https://www.googleapis.com/auth/datamanager",
    "google_ads_api": "https://www.googleapis.com/auth/adwords",
}
LABEL_PROPERTY = "gads_conversion_label"  # where the Events API's label is kept (contracts/events_api.md, section 4)
ANSWER_BYTES = 2_500_000  # way A answers up to about 1 KiB for each of 2,000 rows

SAMPLE_ROW = Payload(b'{"conversionAction":"","orderId":""}')  # stands for that of a credential check, way A
_CUSTOMER = re.compile(r"\d{10}")
_ACTION = re.compile(r"\d{1,19}")
_VERSION = re.compile(r"v\d{1,3}")
_MERCHANT = re.compile(r"\d{1,19}")
_TWO_LETTERS = re.compile(r"[A-Za-z]{2}")


class GoogleAds(Destination, frozen=True, kw_only=True, tag="google_ads"):
    customer_id: str  # the account that owns the conversion actions: 10 digits
    login_customer_id: str | None = None  # the manager account, when access comes through one
    conversion_actions: dict[str, str] = field(default_factory=dict)  # event name -> id of the conversion action
    conversion_labels: dict[str, str] = field(default_factory=dict)  # label sent with an event -> the same
    is_label_action: bool = False  # a label of digits only is itself the id of the conversion action
    via: Literal["data_manager", "google_ads_api"] = "data_manager"  # way A, Data Manager; way B, the Google Ads API
    validate_only: bool = False  # test mode: checked, not counted
    api_version: str = "v26"  # of the Google Ads API
    user_identifiers: bool = True  # send hashed email, phone and address
    conversion_environment: bool = False  # way A: send WEB or APP; some accounts are refused for it
    merchant_id: str | None = None  # Merchant Center account; with it cart data is sent
    feed_country: str | None = None  # of the product feed: two letters
    feed_language: str | None = None  # of the product feed: two letters
    feed_label: str | None = None  # way B; default: feed_country
    custom_variables: dict[str, str] = field(default_factory=dict)  # custom property -> A: id, B: name of the variable
    quota_project: str | None = None  # Google Cloud project that pays, where user credentials need one
    access_token: Secret | None = None  # a fixed one, or the next three, or a service account
    client_id: str | None = None  # what a new token is asked for with, all three
    client_secret: Secret | None = None  # see client_id
    refresh_token: Secret | None = None  # see client_id
    service_account: Secret | None = None  # the text of its JSON key file
    token_url: str = "https://oauth2.googleapis.com/token"  # where a new token comes from

    platform: ClassVar[str] = "google_ads"
    # 90 days is the longest click window there is (section 8); body bytes are not documented.
    limits: ClassVar[Limits] = Limits(events=2_000, body_bytes=4_000_000, age_s=90 * DAY_S, answer_bytes=ANSWER_BYTES)
    # A cancellation or refund as a conversion would count up: Google wants an adjustment of the first (section 5).
    names: ClassVar[Mapping[str, str | None]] = {"order_cancelled": None, "order_refunded": None}
    match_on: ClassVar[int] = carried.kinds_of(data_manager.IDENTIFIERS)
    click_ids: ClassVar[tuple[str, ...]] = ("gclid", "gbraid", "wbraid")
    default_base_url: ClassVar[str] = DATA_MANAGER_URL

    def problems(self) -> Iterable[tuple[str, str]]:
        yield from _account_problems(self)
        yield from _action_problems(self)
        yield from _feed_problems(self)
        yield from _credential_problems(self)

    def takes(self, event_name: str) -> bool:
        """Names with a conversion action; where labels decide, any name, and the event says the rest."""
        if event_name in self.names:
            return False
        if self.events is not None and event_name not in self.events and "*" not in self.events:
            return False
        return event_name in self.conversion_actions or bool(self.conversion_labels) or self.is_label_action

    def matches_on(self) -> int:
        """The Google Ads API takes no address, IP address or user agent."""
        return carried.kinds_of(google_ads_api.IDENTIFIERS) if self.via == "google_ads_api" else self.match_on

    def api_url(self, path: str) -> str:
        default = GOOGLE_ADS_URL if self.via == "google_ads_api" else DATA_MANAGER_URL
        return (self.base_url or default).rstrip("/") + path

    def platform_rate(self) -> Rate | None:
        return DATA_MANAGER_RATE if self.via == "data_manager" else None

    def oauth(self, at_ms: int = 0) -> OAuth | None:
        """RFC 7523 with a service account, RFC 6749, section 6, with a refresh token; None with a fixed token."""
        if self.service_account is not None:
            scope = SCOPES[self.via]
            return OAuth(request=token_request(self.service_account, url=self.token_url, scope=scope, at_ms=at_ms))
        if self.client_id is None or self.client_secret is None or self.refresh_token is None:
            return None
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal(),
            "refresh_token": self.refresh_token.reveal(),
        }
        headers = (("content-type", "application/x-www-form-urlencoded"),)
        return OAuth(request=Request(url=self.token_url, headers=headers, body=urlencode(form).encode()))

    def in_test_mode(self) -> InTestMode:
        return InTestMode(
            msgspec.structs.replace(self, validate_only=True), "Google checks the event and counts nothing"
        )

    def credential_check(self, attempt: Attempt) -> Request | None:
        """An event with `validateOnly`, which counts nothing."""
        event = self._sample(attempt)
        return sample_request(self._on_trial(), event, attempt) if event is not None else None

    def judge_check(self, response: Response) -> CredentialCheck:
        """Way A judges rows only after the account: a refused row says that the account was taken."""
        [verdict] = self._on_trial().judge(response, [SAMPLE_ROW if self.via == "google_ads_api" else SAMPLE])
        is_row = self.via == "google_ads_api" and response.status == 200 and isinstance(verdict, Drop)
        return by_refusal(verdict) if is_row else by_acceptance(verdict)

    def _on_trial(self) -> "GoogleAds":
        return msgspec.structs.replace(self, validate_only=True, user_identifiers=True)

    def _sample(self, attempt: Attempt) -> Event | None:
        """For the first conversion action that is named; None where only labels of events name one."""
        if self.conversion_actions:
            return sample_event(attempt, next(iter(self.conversion_actions)))
        if not self.conversion_labels:
            return None
        event = sample_event(attempt, "purchase_placed")
        properties = {LABEL_PROPERTY: next(iter(self.conversion_labels))}
        return msgspec.structs.replace(event, custom_data=CustomData(order_id=event.event_id, properties=properties))

    def encode(self, event: Event) -> Payload | Drop:
        if (purpose := self.denied(event)) is not None:
            return Drop(f"{purpose} consent is denied")
        action_id = self.action_id(event)
        if action_id is None:
            return Drop("no conversion action for this event: its label is not in conversion_labels")
        if self.via == "google_ads_api":
            row = google_ads_api.row(self, event, action_id)
            return row if isinstance(row, Drop) else Payload(encode_json(row), b"", google_ads_api.carried_by(row))
        record = data_manager.record(self, event)
        if isinstance(record, Drop):
            return record
        return Payload(encode_json(record), action_id.encode(), data_manager.carried_by(record))

    def action_id(self, event: Event) -> str | None:
        """The conversion action: that of the label which came with the event, else that of its name."""
        label = event.custom_data.properties.get(LABEL_PROPERTY)
        if isinstance(label, str) and label in self.conversion_labels:
            return self.conversion_labels[label]
        if isinstance(label, str) and self.is_label_action and _ACTION.fullmatch(label):
            return label
        return self.conversion_actions.get(event.event_name)

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        headers = {"x_goog_user_project": self.quota_project} if self.quota_project else {}
        bearer = attempt.access_token or self.access_token
        if self.via == "google_ads_api":
            if self.login_customer_id:
                headers["login_customer_id"] = self.login_customer_id
            url = self.api_url(f"/{self.api_version}/customers/{self.customer_id}:uploadClickConversions")
            return post_json(url, google_ads_api.body(self, payloads), bearer=bearer, **headers)
        return post_json(self.api_url("/v1/events:ingest"), data_manager.body(self, payloads), bearer=bearer, **headers)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        judge = google_ads_api_answers.judge if self.via == "google_ads_api" else data_manager.judge
        known = (self.access_token, self.client_secret, self.refresh_token, self.service_account)
        secrets = [secret for secret in known if secret]
        return conceal_all(judge(self, response, payloads), secrets, payloads)


def _account_problems(settings: GoogleAds) -> Iterable[tuple[str, str]]:
    for name in ("customer_id", "login_customer_id"):
        value = getattr(settings, name)
        if value is not None and not _CUSTOMER.fullmatch(value):
            yield name, f"{value!r} is no customer id; give its 10 digits without hyphens"
    if not _VERSION.fullmatch(settings.api_version):
        yield "api_version", f"{settings.api_version!r} is no version; give v and a number, such as v26"


def _action_problems(settings: GoogleAds) -> Iterable[tuple[str, str]]:
    if not (settings.conversion_actions or settings.conversion_labels or settings.is_label_action):
        yield "conversion_actions", "nothing would be sent; give the id of a conversion action for each event name"
    for table in ("conversion_actions", "conversion_labels"):
        for name, action_id in getattr(settings, table).items():
            if not _ACTION.fullmatch(action_id):
                yield f"{table}.{name}", f"{action_id!r} is no id; give the digits, not the resource name or a label"
    for name in settings.names:
        if name in settings.conversion_actions:
            yield f"conversion_actions.{name}", "would count as a further conversion; leave it out"


def _feed_problems(settings: GoogleAds) -> Iterable[tuple[str, str]]:
    if settings.merchant_id is not None and not _MERCHANT.fullmatch(settings.merchant_id):
        yield "merchant_id", f"{settings.merchant_id!r} is no Merchant Center account; give its digits"
    for name in ("feed_country", "feed_language"):
        value = getattr(settings, name)
        if value is not None and not _TWO_LETTERS.fullmatch(value):
            yield name, f"{value!r} is no code; give two letters"


def _credential_problems(settings: GoogleAds) -> Iterable[tuple[str, str]]:
    parts = {name: getattr(settings, name) for name in ("client_id", "client_secret", "refresh_token")}
    missing = [name for name, value in parts.items() if not value]
    if settings.service_account is not None and (fault := key_fault(settings.service_account)):
        yield "service_account", fault
    if len(missing) == len(parts) and not (settings.access_token or settings.service_account):
        told = "client_id, client_secret and refresh_token, a service_account, or an access_token"
        yield "access_token", f"no credentials; give {told}"
    elif missing and len(missing) < len(parts):
        yield missing[0], "client_id, client_secret and refresh_token belong together; give all three"
    url = urlsplit(settings.token_url)
    if url.scheme not in ("https", "http") or not url.hostname:
        yield "token_url", f"{settings.token_url!r} is no address; give https://host/path"
