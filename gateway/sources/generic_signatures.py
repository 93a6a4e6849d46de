"""How a sender of any kind shows who it is: a signature, a secret, or nothing but its address.

Several secrets count at once, so that one can be replaced. A scheme that signs a time refuses one too far off.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from actors.secret import Secret
from gateway.config_values import Cidr
from gateway.sources.base import Hook, Refused, Verified, is_one_of

LEAST_CHARS: Final = 16  # of a secret that is shown as it is
Seconds = Annotated[int, Meta(ge=1, le=172_800)]
Secrets = Annotated[tuple[Secret, ...], Meta(min_length=1)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,100}$", description="a header's name")]
WRONG: Final = Refused("the signature is missing, or none of the source's secrets gives it")
Problem = tuple[str, str]


class Scheme(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="scheme"):
    def problems(self) -> Iterable[Problem]:
        return ()

    def shown_headers(self) -> frozenset[str]:
        """Headers that show a secret as it is: no rule may read them."""
        return frozenset({"authorization", "cookie", "proxy-authorization"})

    def verify(self, hook: Hook) -> Verified | Refused:
        raise NotImplementedError


class StandardWebhooks(Scheme, frozen=True, kw_only=True, tag="standard_webhooks"):
    """`webhook-id`, `webhook-timestamp` and `webhook-signature`, or Svix's names for them (contracts/webhook.md)."""

    secrets: Secrets  # whsec_…
    tolerance_s: Seconds = 300

    def problems(self) -> Iterable[Problem]:
        if any(_whsec(one.reveal()) is None for one in self.secrets):
            yield "secrets", "holds one that is no secret of Standard Webhooks; give 'whsec_' and its base64"

    def verify(self, hook: Hook) -> Verified | Refused:
        prefix = "webhook-" if "webhook-signature" in hook.headers else "svix-"
        parts = [hook.headers.get(f"{prefix}{name}", "").strip() for name in ("id", "timestamp", "signature")]
        signed = f"{parts[0]}.{parts[1]}.".encode("utf-8", "surrogatepass") + hook.body
        keys = [key for one in self.secrets if (key := _whsec(one.reveal())) is not None]
        wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
        given = [one.partition(",")[2] for one in parts[2].split(" ")[:20] if one.startswith("v1,")]
        if not all(parts) or not is_one_of(given, wanted):
            return WRONG
        return _in_time(parts[1], hook, self.tolerance_s)


class HmacHeader(Scheme, frozen=True, kw_only=True, tag="hmac"):
    """`signed`: what is signed, with {body}, {timestamp} and {id} in it. `signature_key`, `timestamp_key`: where one
    header has both, as `t=…,v1=…`."""

    secrets: Secrets
    header: HeaderName
    hash: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: HeaderName | None = None
    id_header: HeaderName | None = None
    signature_key: str | None = None
    timestamp_key: str | None = None
    tolerance_s: Seconds = 300

    def problems(self) -> Iterable[Problem]:
        names = re.findall(r"\{([^{}]*)\}", self.signed)
        if names.count("body") != 1 or not set(names) <= {"body", "timestamp", "id"}:
            yield "signed", "does not name {body} once; give what is signed, such as '{timestamp}.{body}'"
        has_time = self.timestamp_header is not None or self.timestamp_key is not None
        if ("timestamp" in names) != has_time:
            yield (
                "signed",
                "names {timestamp} where there is none, or leaves it out: a time counts only if it is signed",
            )
        if ("id" in names) != (self.id_header is not None):
            yield "id_header", "is given without {id} in `signed`, or the other way round; give both or none"
        if self.timestamp_key is not None and self.signature_key is None:
            yield "signature_key", "is missing; give the name of the signature in the header, such as 'v1'"

    def verify(self, hook: Hook) -> Verified | Refused:
        given, at = self._given(hook)
        own_id = hook.headers.get((self.id_header or "").lower(), "")
        wanted = [self._signature(key.reveal(), hook.body, at, own_id) for key in self.secrets]
        if not given or not is_one_of([self._bare(one) for one in given], wanted):
            return WRONG
        return _in_time(at, hook, self.tolerance_s) if "{timestamp}" in self.signed else Verified()

    def _given(self, hook: Hook) -> tuple[list[str], str]:
        """The signatures that are shown, and the time."""
        told = hook.headers.get(self.header.lower(), "").strip()
        at = hook.headers.get((self.timestamp_header or "").lower(), "").strip()
        if self.signature_key is None:
            return [told], at
        pairs = [pair.strip().partition("=") for pair in told.split(",")[:20]]
        stated = next((value for name, _, value in pairs if name == self.timestamp_key), at)
        return [value for name, _, value in pairs if name == self.signature_key], stated

    def _bare(self, shown: str) -> str:
        bare = shown.removeprefix(self.prefix) if shown.startswith(self.prefix) else ""
        return bare.lower() if self.encoding == "hex" else bare.rstrip("=")

    def _signature(self, key: str, body: bytes, at: str, own_id: str) -> str:
        before, _, after = self.signed.partition("{body}")
        around = [one.replace("{timestamp}", at).replace("{id}", own_id) for one in (before, after)]
        signed = around[0].encode("utf-8", "surrogatepass") + body + around[1].encode("utf-8", "surrogatepass")
        digest = hmac.new(key.encode(), signed, self.hash).digest()
        if self.encoding == "hex":
            return digest.hex()
        encode = base64.b64encode if self.encoding == "base64" else base64.urlsafe_b64encode
        return encode(digest).decode().rstrip("=")


class Bearer(Scheme, frozen=True, kw_only=True, tag="bearer"):
    """`Authorization: Bearer <secret>`, or a header of another name with the secret alone."""

    secrets: Secrets
    header: HeaderName = "authorization"

    def problems(self) -> Iterable[Problem]:
        yield from _guessable(self.secrets)

    def shown_headers(self) -> frozenset[str]:
        return super().shown_headers() | {self.header.lower()}

    def verify(self, hook: Hook) -> Verified | Refused:
        shown = hook.headers.get(self.header.lower(), "").strip()
        if self.header.lower() == "authorization":
            scheme, _, shown = shown.partition(" ")
            shown = shown.strip() if scheme.lower() == "bearer" else ""
        is_known = shown and is_one_of([shown], [one.reveal() for one in self.secrets])
        return Verified() if is_known else Refused(f"{self.header}: the secret is missing or wrong")


class Basic(Scheme, frozen=True, kw_only=True, tag="basic"):
    """`Authorization: Basic`, the user's name and one of the secrets as its password."""

    user: str
    secrets: Secrets

    def problems(self) -> Iterable[Problem]:
        yield from _guessable(self.secrets)

    def verify(self, hook: Hook) -> Verified | Refused:
        scheme, _, shown = hook.headers.get("authorization", "").partition(" ")
        try:
            told = base64.b64decode(shown.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, ValueError):
            told = ""
        is_known = is_one_of([told], [f"{self.user}:{one.reveal()}" for one in self.secrets])
        return Verified() if is_known else Refused("authorization: user or password is missing or wrong")


class AddressList(Scheme, frozen=True, kw_only=True, tag="none"):
    """No secret: whoever calls from these addresses, as the trusted proxies tell them."""

    addresses: Annotated[tuple[Cidr, ...], Meta(min_length=1)]

    def verify(self, hook: Hook) -> Verified | Refused:
        try:
            address = ipaddress.ip_address(hook.address)
        except ValueError:
            return Refused("the address of the caller is unknown")
        if any(address in one.network for one in self.addresses):
            return Verified()
        return Refused("the address of the caller is none of the source's `addresses`")


AnyScheme = StandardWebhooks | HmacHeader | Bearer | Basic | AddressList


def _guessable(secrets: Iterable[Secret]) -> Iterator[Problem]:
    if any(len(one.reveal()) < LEAST_CHARS for one in secrets):
        yield "secrets", f"holds one that can be guessed; give at least {LEAST_CHARS} characters"


def _whsec(secret: str) -> bytes | None:
    """The decoded bytes are the key, not the text (contracts/webhook.md, section 2)."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key or None


def _in_time(stated: str, hook: Hook, tolerance_s: int) -> Verified | Refused:
    """Seconds or milliseconds; what is signed and no number is too old."""
    if not stated.isascii() or not stated.isdigit() or len(stated) > 13:
        return Refused("the time of the signature is no Unix time")
    at_s = int(stated) / (1000 if len(stated) == 13 else 1)
    if abs(hook.received_at_ms / 1000 - at_s) > tolerance_s:
        return Refused(f"the signature is older than {tolerance_s} s, or of a time to come")
    return Verified()
