"""Outbound webhooks, signed by Standard Webhooks 1.0.0: one canonical event a request, to an address of the user's own.

Source: contracts/webhook.md; standard-webhooks/standard-webhooks, spec/standard-webhooks.md, read 2026-11-20.
`webhook-id` is the same on all attempts of a delivery; the timestamp is the attempt's own and is signed, so each
attempt has its own signature. While secrets rotate, each request carries one signature for each of them.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec
from msgspec import field

from actors.destinations.base import (
    Attempt,
    Delivered,
    Destination,
    Drop,
    Limits,
    NoTestMode,
    Pause,
    Payload,
    Request,
    Response,
    Retry,
    Verdict,
    all_of,
    encode_json,
)
from actors.destinations.redaction import conceal_all
from actors.destinations.waits import retry_after_s
from actors.event import Event, Purpose
from actors.secret import Secret
from actors.wire import canonical_json, rfc3339

SECRET_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)  # section 2
PREVIOUS_SECRETS = 10  # old keys beside the new one, as Svix bounds them
HEADER_BYTES = 4_096  # a header of the user's, as Svix bounds it
THROTTLES = frozenset({429, 502, 504})  # section 9: the receiver is under load

# Section 9, "headers a user may not set"; and those that this adapter or the connection sets itself.
# fmt: off
REFUSED_HEADERS = frozenset({
    "user-agent", "content-type", "content-length", "content-encoding", "content-language", "content-location",
    "transfer-encoding", "te", "trailers", "upgrade", "keep-alive", "proxy-authenticate", "proxy-authorization", "age",
    "cache-control", "clear-site-data", "expires", "pragma", "warning",
    "host", "connection", "accept-encoding", "expect", "trailer",
})
# fmt: on
REFUSED_PREFIXES = ("svix-", "x-svix-", "x-amz-", "x-amzn-", "x-google", "x-goog-", "x-gfe", "x-azure-", "x-fd-")
OWN_PREFIX = "webhook-"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


class Webhook(Destination, frozen=True, kw_only=True, tag="webhook"):
    url: str  # where to: https://…; see allow_http and allow_private
    secret: Secret  # whsec_ and standard base64 of 24 to 64 bytes
    previous_secrets: tuple[Secret, ...] = ()  # still good for receivers while they change to the new one
    headers: dict[str, Secret] = field(default_factory=dict)  # the user's own, such as Authorization
    plaintext: bool = False  # send the sealed email, phone, names … opened, where the site keeps them

    platform: ClassVar[str] = "webhook"
    limits: ClassVar[Limits] = Limits(events=1)
    names: ClassVar[Mapping[str, str | None]] = {}  # every event goes, under its own name
    needs: ClassVar[tuple[Purpose, ...]] = ("analytics",)
    takes_anonymous: ClassVar[bool] = True
    default_base_url: ClassVar[str] = ""

    def problems(self) -> Iterable[tuple[str, str]]:
        if self.base_url is not None:
            yield "base_url", "a webhook has its whole address in url; leave base_url out"
        if fault := url_fault(self.url):
            yield "url", fault
        if fault := secret_fault(self.secret):
            yield "secret", fault
        for index, secret in enumerate(self.previous_secrets):
            if fault := secret_fault(secret):
                yield f"previous_secrets[{index}]", fault
        if len(self.previous_secrets) > PREVIOUS_SECRETS:
            yield "previous_secrets", f"at most {PREVIOUS_SECRETS} old secrets"
        for name, value in self.headers.items():
            if fault := header_fault(name, value.reveal()):
                yield f"headers.{name}", fault

    def opens_plaintext(self) -> bool:
        return self.plaintext

    def in_test_mode(self) -> NoTestMode:
        return NoTestMode("a webhook has no test mode: its receiver takes whatever is sent for an ordinary message")

    def encode(self, event: Event) -> Payload | Drop:
        if (purpose := self.denied(event)) is not None:
            return Drop(f"{purpose} consent is denied")
        message = {
            "type": event.event_name,
            "timestamp": rfc3339(event.occurred_at_ms),
            "data": canonical_json(event),
        }
        return Payload(encode_json(message))

    def request(self, payloads: Sequence[Payload], attempt: Attempt) -> Request:
        [payload], [delivery_id] = payloads, attempt.delivery_ids
        message_id, at_s = f"msg_{delivery_id}", attempt.at_ms // 1000
        secrets = (self.secret, *self.previous_secrets)
        headers = (
            ("content-type", "application/json"),
            ("webhook-id", message_id),
            ("webhook-timestamp", str(at_s)),
            ("webhook-signature", " ".join(sign(secret, message_id, at_s, payload.body) for secret in secrets)),
            *((name, value.reveal()) for name, value in self.headers.items()),
        )
        return Request(url=self.url, headers=headers, body=payload.body)

    def judge(self, response: Response, payloads: Sequence[Payload]) -> Sequence[Verdict]:
        verdict = _verdict(response)
        if isinstance(verdict, Delivered):
            return all_of(verdict, payloads)
        secrets = [self.secret, *self.previous_secrets, *self.headers.values()]
        return conceal_all(all_of(verdict, payloads), secrets, [_person(payload) for payload in payloads])


def sign(secret: Secret, message_id: str, at_s: int, body: bytes) -> str:
    """A `v1` signature: HMAC-SHA256 over id, timestamp and body by the secret's decoded bytes."""
    signed = b".".join((message_id.encode(), str(at_s).encode(), body))
    digest = hmac.digest(_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def url_fault(url: str) -> str | None:
    """Why the address is refused before anything connects; the addresses it resolves to are checked at connect time."""
    if any(not 0x21 <= ord(character) <= 0x7E for character in url):
        return "an address has no spaces, control characters or letters outside ASCII; give https://host/path"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "no address; give https://host/path"
    if parts.scheme not in ("https", "http") or not host:
        return "no http or https address; give https://host/path"
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong in an address; give an Authorization header in headers"
    return "an address to post to has no fragment; leave # and what follows out" if parts.fragment else None


def secret_fault(secret: Secret) -> str | None:
    right = f"give {SECRET_PREFIX} and the base64 of 24 to 64 random bytes"
    if not secret.reveal().startswith(SECRET_PREFIX):
        return f"no Standard Webhooks secret; {right}"
    try:
        size = len(_key(secret))
    except ValueError:
        return f"not standard base64 after {SECRET_PREFIX}; {right}"
    return None if size in SECRET_BYTES else f"a key of {size} bytes; {right}"


def header_fault(name: str, value: str) -> str | None:
    lower = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        return "no header name; use letters, digits and hyphens"
    if lower in REFUSED_HEADERS or lower.startswith((*REFUSED_PREFIXES, OWN_PREFIX)):
        return "this header is not the user's to set; leave it out"
    if not _HEADER_VALUE.fullmatch(value):
        return "a header value is one line of printable ASCII characters"
    return f"longer than {HEADER_BYTES} bytes" if len(name) + len(value) > HEADER_BYTES else None


def _key(secret: Secret) -> bytes:
    """The HMAC key: the decoded bytes, without the prefix (section 2)."""
    try:
        return base64.b64decode(secret.reveal().removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is not standard base64") from error


def _verdict(response: Response) -> Verdict:
    """Section 9: all but 2xx and 410 is tried again; redirects are not followed."""
    status = response.status
    if 200 <= status < 300:
        return Delivered()
    reason = f"receiver answered {status}: {response.words()}"
    if status == 410:
        return Pause(reason)
    return Retry(reason, after_s=retry_after_s(response), is_throttle=status in THROTTLES)


def _person(payload: Payload) -> Payload:
    """What of the message is a person's, where words are searched for it."""
    data = msgspec.json.decode(payload.body).get("data", {})
    return Payload(encode_json({"user_data": data.get("user_data", {})}))
