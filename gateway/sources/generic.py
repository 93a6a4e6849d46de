"""Webhooks of any sender: `POST /webhooks/{site}/{id}`, shown to be its own by a chosen scheme, mapped by rules.

The body is JSON, or a form as browsers post it. What no rule takes is kept and goes to no platform; what a rule fails
on is set apart as `unfit`. The same bytes again are the same events again, whatever the scheme.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

import msgspec

from actors import event
from gateway.sources.base import Decoded, Draft, Hook, Refused, Verified, WebhookSource
from gateway.sources.generic_events import MOST_EVENTS, drafts_of
from gateway.sources.generic_rules import Rules
from gateway.sources.generic_signatures import AnyScheme

FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 500  # of a form
HEAD_CHARS: Final = 2_000  # how much is kept of a body that cannot be read


class Generic(WebhookSource, frozen=True, kw_only=True, tag="generic"):
    """Of the rules each that holds makes an event, or one for each element of its `each`."""

    signature: AnyScheme
    events: Rules

    kind: ClassVar[str] = "generic"
    source: ClassVar[event.Source] = "webhook"
    is_only: ClassVar[bool] = False

    def problems(self) -> Iterable[tuple[str, str]]:
        yield from ((f"signature.{field}", words) for field, words in self.signature.problems())
        if hidden := self.events.headers() & self.signature.shown_headers():
            yield "events", f"reads the header {min(hidden)!r}, which shows a secret; leave it out"
        yield from ((f"events{place}", words) for place, words in self.events.faults)

    def verify(self, hook: Hook) -> Verified | Refused:
        return self.signature.verify(hook)

    def decode(self, hook: Hook) -> Decoded:
        body = _read(hook)
        hidden = self.signature.shown_headers()
        headers = {name: value for name, value in hook.headers.items() if name not in hidden}
        if not isinstance(body, dict | list):
            head = hook.body[: HEAD_CHARS * 4].decode("utf-8", "replace")[:HEAD_CHARS]
            return self._kept({"unreadable": head}, "the body is neither JSON nor a form")
        drafts, is_whole = drafts_of(self.events.found, body, msgspec.structs.replace(hook, headers=headers))
        if not is_whole:
            return Decoded(malformed=f"the body makes more than {MOST_EVENTS} events; send fewer at once")
        return Decoded(tuple(drafts)) if drafts else self._kept({"payload": body}, "no rule of `events` takes it")

    def _kept(self, told: dict[str, Any], note: str) -> Decoded:
        kept = {"event_name": f"webhook {self.id}", "custom_data": told}
        return Decoded((Draft(event=kept, is_internal=True),), f"{note}; it is kept and goes to no platform")


def _read(hook: Hook) -> Any:
    """The payload; of a form's field that came several times the list of them."""
    if hook.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return hook.json()
    try:
        pairs = parse_qsl(hook.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
