"""The body of a Segment client's request: one message, or a batch with what stands beside it. Pure.

Source: contracts/segment.md, sections 1 and 2, read 2026-11-20. Every field of a message may be null, absent or of
another type: what it means is decided where it is read.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gateway.form import is_too_deep
from gateway.halves import without_halves
from gateway.invalid import Invalid, invalid_field, invalid_json

MESSAGE_BYTES: Final = 32 * 1024
MAX_MESSAGES: Final = 2_500
CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    """One call, as a client wrote it."""

    type: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    event: Any = None
    name: Any = None
    category: Any = None
    properties: Any = None
    traits: Any = None
    previous_id: Any = None
    group_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None  # what RudderStack's clients send instead of `timestamp`
    sent_at: Any = None
    context: Any = None
    integrations: Any = None


class Envelope(Struct, frozen=True, kw_only=True, rename="camel"):
    """A body; of one message too, which has no `batch`."""

    batch: list[Raw] | None = None
    write_key: Any = None
    sent_at: Any = None
    context: Any = None
    integrations: Any = None


_ENVELOPE = msgspec.json.Decoder(Envelope)
_MESSAGE = msgspec.json.Decoder(Message)


def read_envelope(body: bytes, *, is_batch: bool) -> Envelope | Invalid:
    """The body with its messages still undecoded."""
    try:
        envelope = _ENVELOPE.decode(body)
    except msgspec.DecodeError as error:
        repaired = without_halves(body)  # one half of a character would spoil its whole batch
        return invalid_json(error) if repaired == body else read_envelope(repaired, is_batch=is_batch)
    except (UnicodeDecodeError, RecursionError) as error:
        return invalid_json(error)
    if not is_batch:
        return msgspec.structs.replace(envelope, batch=[Raw(body)])
    if envelope.batch is None:
        return invalid_field("batch", 'no messages; give {"batch": [{"type": "track", …}]}')
    if len(envelope.batch) > MAX_MESSAGES:
        text = f"{len(envelope.batch)} messages; give at most {MAX_MESSAGES} in one request"
        return Invalid(code="too_many_events", field="batch", message=text)
    return envelope


def read_message(raw: Raw, envelope: Envelope, call: str | None) -> Message | Invalid:
    """One message with what stands beside it, its own first. `call`: the path's, where that names one."""
    if (size := len(memoryview(raw))) > MESSAGE_BYTES:
        text = f"the message has {size} bytes; give at most {MESSAGE_BYTES}"
        return Invalid(code="too_large", field="", message=text)
    try:
        message = _MESSAGE.decode(raw)
        if is_too_deep(bytes(raw)):
            return invalid_field("", "the nesting is too deep; give at most 32 levels")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return invalid_json(error)
    if (call or message.type) not in CALLS:
        return invalid_field("type", f"no call of this kind; give one of {', '.join(CALLS)}")
    return msgspec.structs.replace(
        message,
        type=call or message.type,
        sent_at=message.sent_at or envelope.sent_at,
        context=_merged(envelope.context, message.context),
        integrations=_merged(envelope.integrations, message.integrations),
    )


def _merged(outer: Any, own: Any) -> dict[str, Any]:
    outer, own = (one if isinstance(one, dict) else {} for one in (outer, own))
    return {**outer, **own} if outer else own
