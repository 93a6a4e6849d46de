"""Persons in tests: events that name them, and what the store then knows of each identity."""

import hashlib
from typing import Any

import msgspec

from actors.event import CustomData, EmailDigests, Event, NameDigests, PhoneDigests, Source, UserData
from actors.identities import Identity
from actors.identity_state import IdentityState, standards
from store.records import STATE
from tests.support.making import event
from tests.support.world import World


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def visitor(number: int) -> str:
    return f"{number + 16:032x}"  # none is all zeros, which is nobody


def seen(event_id: str, who: int | None = None, source: Source = "browser", **fields: Any) -> Event:
    """An event of visitor `who`; `email`, `phone` and `first_name` in plain, for their digests."""
    name = fields.pop("name", "page_viewed")
    data = {key: fields.pop(key) for key in ("order_id", "subscription_id", "lead_id") if key in fields}
    email, phone, first = (fields.pop(key, None) for key in ("email", "phone", "first_name"))
    user = UserData(
        anonymous_id=visitor(who) if who is not None else None,
        email=EmailDigests(sha256=digest(email)) if email else None,
        phone=PhoneDigests(sha256=digest(phone)) if phone else None,
        first_name=NameDigests(sha256=digest(first)) if first else None,
        **fields,
    )
    return event(event_id, name, source=source, user_data=user, custom_data=CustomData(**data))


async def take(world: World, *events: Event) -> None:
    for one in events:
        world.take(msgspec.structs.replace(one, occurred_at_ms=world.clock.now_ms()))
        await world.settle()


def identities(world: World) -> dict[str, IdentityState]:
    """All identities, by id."""
    found: dict[str, IdentityState] = {}
    for key, raw in world.rows("state"):
        if key[0] == Identity.number:
            row = STATE.decode(raw)
            found[row.actor_key.partition("\x1f")[2]] = msgspec.msgpack.decode(row.data, type=IdentityState)
    return found


def graph(world: World) -> set[frozenset[str]]:
    """Who is known by what, whatever the ids of identities are."""
    kinds = ("external_id", "email", "anonymous_id")
    return {
        frozenset(f"{kind}:{value}" for kind in kinds for value in standards(state, kind))
        for state in identities(world).values()
    }


def of(*known: str | int) -> frozenset[str]:
    """As `graph` shows a person: numbers are visitors, texts with @ emails, others customer ids."""
    return frozenset(
        f"anonymous_id:{visitor(one)}" if isinstance(one, int)
        else f"email:{digest(one)}" if "@" in one else f"external_id:{one}"
        for one in known
    )  # fmt: skip
