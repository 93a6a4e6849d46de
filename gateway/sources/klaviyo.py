"""Klaviyo's webhooks: `POST /webhooks/klaviyo/{site}`, of the Webhooks API (signed, up to 1,000 events) and of flows.

A click in an email or a text message is `message_clicked`; subscriptions are `newsletter_subscribed`; what tells that
somebody wants no more is a custom event of the topic's name; opens, sends and bounces are none. A flow's webhook action
cannot sign: it shows a secret, in a header or in the url.
Source: "Working with system webhooks", https://developers.klaviyo.com, as contracts/klaviyo_webhooks.md has it,
2026-11-20.
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final

from actors import event
from actors.secret import Secret
from gateway.query import in_query
from gateway.sources.base import (
    MIB,
    Decoded,
    Draft,
    Hook,
    Refused,
    Verified,
    WebhookSource,
    is_one_of,
    part,
    text,
)
from gateway.sources.klaviyo_events import flow_event, is_news, system_event

OLDEST_S: Final = 86_400  # retries may come late, and event ids tell a replay (section 2)
MOST_EVENTS: Final = 1_000
SECRET_CHARS: Final = 16  # the least that Klaviyo takes


class Klaviyo(WebhookSource, frozen=True, kw_only=True, tag="klaviyo"):
    """`secrets`: what the webhook was made with in the Webhooks API, and the one before it. `tokens`: what the webhook
    actions of flows show, as `Authorization: Bearer` or as `?token=` in the url."""

    secrets: tuple[Secret, ...] = ()
    tokens: tuple[Secret, ...] = ()

    kind: ClassVar[str] = "klaviyo"
    source: ClassVar[event.Source] = "klaviyo_webhook"
    most_bytes: ClassVar[int] = 4 * MIB

    def problems(self) -> Iterable[tuple[str, str]]:
        if not self.secrets and not self.tokens:
            yield "secrets", "is missing; give the secret of the Webhooks API here, or what flows show as `tokens`"
        for field in ("secrets", "tokens"):
            if any(len(one.reveal()) < SECRET_CHARS for one in getattr(self, field)):
                yield field, f"holds one that can be guessed; give at least {SECRET_CHARS} characters"

    def verify(self, hook: Hook) -> Verified | Refused:
        if "klaviyo-signature" in hook.headers:
            return self._verify_signed(hook)
        scheme, _, shown = hook.headers.get("authorization", "").partition(" ")
        given = shown.strip() if scheme.lower() == "bearer" else in_query(hook.query, "token")
        if given and is_one_of([given], [one.reveal() for one in self.tokens]):
            return Verified()
        return Refused("Klaviyo-Signature is missing, and no token of the source's is shown")

    def _verify_signed(self, hook: Hook) -> Verified | Refused:
        """Over the body and the very text of the time, nothing between (section 2)."""
        stated = hook.headers.get("klaviyo-timestamp", "")
        signed = hook.body + stated.encode("utf-8", "surrogatepass")
        wanted = [hmac.new(key.reveal().encode(), signed, hashlib.sha256).hexdigest() for key in self.secrets]
        if not is_one_of([hook.headers["klaviyo-signature"].strip().lower()], wanted):
            return Refused("none of the source's secrets gives this signature")
        at_s = _seconds(stated)
        if at_s is not None and abs(hook.received_at_ms / 1000 - at_s) > OLDEST_S:
            return Refused("the signature is older than 24 hours, or of a time to come")
        named = hook.headers.get("klaviyo-webhook-id")
        if named is not None and text(part(hook.json(), "meta").get("klaviyo_webhook_id")) not in (None, named.strip()):
            return Refused("Klaviyo-Webhook-Id is another than the body's")
        return Verified()

    def decode(self, hook: Hook) -> Decoded:
        body = hook.json()
        if not isinstance(body, dict):
            return Decoded(malformed="the body is no JSON object")
        if "klaviyo-signature" not in hook.headers and "data" not in body:
            return Decoded((flow_event(body),))
        found = body.get("data")
        if not isinstance(found, list):
            return Decoded(malformed="the body has no `data`, or it is no list of events")
        if len(found) > MOST_EVENTS:
            return Decoded(malformed=f"the body has more than {MOST_EVENTS} events")
        return _decoded(found)


def _decoded(found: list[Any]) -> Decoded:
    drafts: list[Draft] = []
    ignored = unread = 0
    for one in found:
        draft = system_event(one) if isinstance(one, dict) else None
        if draft is not None:
            drafts.append(draft)
        elif isinstance(one, dict) and text(one.get("topic")) and not is_news(one):
            ignored += 1
        else:
            unread += 1
    told = [f"{ignored} events of topics that are none here"] if ignored else []
    told += [f"{unread} entries without a topic"] if unread else []
    return Decoded(tuple(drafts), " and ".join(told))


def _seconds(stated: str) -> float | None:
    """An HTTP date, or ISO 8601; None where it is neither: the text was signed all the same."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(stated.strip()).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            continue
    return None
