"""A strict receiver of Standard Webhooks: checks headers, time and signature of what it is sent.

Source: contracts/webhook.md, sections 2 to 4. It works out the signature on its own, not by the sender's code.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from bench.simulator.base import Accepted, SimRequest, SimResponse

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the reference libraries' test vector (section 2)
TOLERANCE_S = 300  # the reference libraries' bound on the timestamp, either way
MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
SECONDS = re.compile(r"\d{1,12}")
SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


class WebhookSim:
    name = "webhook"

    def __init__(self, secret: str = SECRET) -> None:
        self.key = base64.b64decode(secret.removeprefix("whsec_"))
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []

    def answer(self, request: SimRequest) -> SimResponse:
        fault = next(iter(self._faults(request)), None)
        if fault is not None:
            self.refused.append(fault)
            return SimResponse(status=401 if "signature" in fault else 400, body=fault.encode())
        message_id = request.headers["webhook-id"]
        self.accepted.append(Accepted(key=message_id, event=msgspec.json.decode(request.body), at_ms=request.at_ms))
        return SimResponse(status=204)

    def bad_token(self) -> SimResponse:
        return SimResponse(status=401, body=b"unknown signature")

    def rate_limited(self, retry_after_s: float | None) -> SimResponse:
        headers = (("retry-after", f"{retry_after_s:g}"),) if retry_after_s is not None else ()
        return SimResponse(status=429, headers=headers, body=b"too many requests")

    def _faults(self, request: SimRequest) -> Iterable[str]:
        headers = request.headers
        if request.method != "POST":
            yield f"method {request.method}, not POST"
        if headers.get("content-type") != "application/json":
            yield f"content-type {headers.get('content-type')!r}, not application/json"
        if not MESSAGE_ID.fullmatch(headers.get("webhook-id", "")):
            yield "webhook-id is missing or malformed"
        sent = headers.get("webhook-timestamp", "")
        if not SECONDS.fullmatch(sent) or abs(int(sent) - request.at_ms // 1000) > TOLERANCE_S:
            yield f"webhook-timestamp {sent!r} is not within 5 minutes"
        yield from self._signature_faults(request)
        yield from _body_faults(request.body)

    def _signature_faults(self, request: SimRequest) -> Iterable[str]:
        """One signature in the list must be ours, and none may be malformed."""
        signatures = request.headers.get("webhook-signature", "").split(" ")
        if not all(SIGNATURE.fullmatch(signature) for signature in signatures):
            yield "signature is missing or malformed"
        message = [request.headers.get(name, "").encode() for name in ("webhook-id", "webhook-timestamp")]
        signed = b".".join([*message, request.body])
        right = b"v1," + base64.b64encode(hmac.new(self.key, signed, hashlib.sha256).digest())
        if not any(hmac.compare_digest(right, signature.encode()) for signature in signatures):
            yield "signature does not match"


def _body_faults(body: bytes) -> Iterable[str]:
    try:
        message: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield "body is not JSON"
        return
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
        yield "body is not an object with an object data"
        return
    if b"\n" in body:
        yield "body is more than one line"
    if not message.get("type") or message["type"] != message["data"].get("event_name"):
        yield "type is not the event's name"
    try:
        has_zone = datetime.fromisoformat(message.get("timestamp", "")).tzinfo is not None
    except (TypeError, ValueError):
        has_zone = False
    if not has_zone:
        yield "timestamp is no ISO 8601 time with a zone"
