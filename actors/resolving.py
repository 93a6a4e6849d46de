"""Whose an event is: from what it names and what is known of the identities it leads to, to one identity.

Rules of contracts/dedup_and_identity.md, sections 2.3 and 2.4. Where they leave room, the careful reading is taken,
since wrong merging is worse than missed merging:

- What joins by itself (a visitor, an email, a customer id) merges the identities it leads to; the oldest survives.
- Two customer ids never come together: the event goes to the identity of its own one, and nothing is moved. A visitor
  of one person who shows another one's customer id is shared from then on.
- Two emails and no customer id (a gift, a typo) are not merged into an identity that has a customer id, unless the
  event names that customer id: a login tells more than what was typed into a form.
- Identities that an operator split are not merged again.
- At a limit the identifier of the lowest priority is left aside, and the search is repeated.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from actors.identifying import FOUNDS, VISITOR, Named
from actors.identity_state import IdentityState, over_limit, standards

_NEVER = 1 << 62  # the age of an identity that is not known yet


class Part(Struct, frozen=True):
    """An identity that the event leads to: its id, and what is known of it."""

    id: str
    state: IdentityState

    def has(self, kind: str) -> dict[str, int]:
        return standards(self.state, kind)


class Plan(Struct, frozen=True, kw_only=True):
    """`identity`: whose the event is; empty: nobody's. `merges`: those that go into it, each with the kind of key that
    caused it. `links`: identifiers that are its own from now on. `is_conflict`: the event names somebody else as
    well, so nothing that is known is added to it. `is_sure`: it was found by what joins or leads."""

    identity: str
    merges: tuple[tuple[str, str], ...] = ()
    links: tuple[Named, ...] = ()
    left_aside: tuple[str, ...] = ()
    is_conflict: bool = False
    is_shared: bool = False
    is_sure: bool = True


def resolve(
    named: Sequence[Named], led: Sequence[str], parts: Mapping[str, IdentityState], made: Mapping[str, str], now_ms: int
) -> Plan:
    """`named`: the event's identifiers by priority; `led`: identities its order and the like lead to; `parts`: what is
    known of all of these; `made`: by kind the id of an identity that this identifier would make."""
    left: list[str] = []
    while True:
        plan = _attempt(named, led, parts, made)
        if not named or not _is_over(plan, parts, now_ms):
            return msgspec.structs.replace(plan, left_aside=tuple(left))
        left.append(named[-1].kind)
        named = named[:-1]


def _attempt(
    named: Sequence[Named], led: Sequence[str], parts: Mapping[str, IdentityState], made: Mapping[str, str]
) -> Plan:
    joining = [one for one in named if one.joins]
    found = {one.identity: one.kind for one in reversed(joining) if one.identity is not None}
    if found:
        return _joined(named, [Part(identity, parts[identity]) for identity in reversed(found)], found, made)
    for identity in led:
        if _suits(Part(identity, parts[identity]), named):
            return Plan(identity=identity, links=_new(named, ()))
    if not joining:
        for one in named:
            if one.identity is not None and not one.joins:
                return Plan(identity=one.identity, links=_new(named, ()), is_sure=False)
    founder = next((one.kind for one in named if one.kind in FOUNDS), None)
    return Plan(identity=made[founder], links=_new(named, ())) if founder is not None else Plan(identity="")


def _joined(named: Sequence[Named], found: list[Part], keys: Mapping[str, str], made: Mapping[str, str]) -> Plan:
    """`found`: by the priority of what led to them."""
    own = next((one for one in named if one.kind == "external_id"), None)
    mine = [one for one in found if not (own is not None and _is_of_other(one, own.value))]
    others = [one for one in found if one not in mine]
    is_shared = any(one.kind == VISITOR and one.identity in [other.id for other in others] for one in named)
    if not mine:
        assert own is not None, "without a customer id of its own an event is at no odds with any identity"
        alone = (own, *(one for one in named if one.identity is None and one is not own and one.joins))
        identity = own.identity or made["external_id"]
        return Plan(identity=identity, links=_new(alone, ()), is_conflict=True, is_shared=is_shared)
    together = [mine[0]]
    for one in mine[1:]:
        if all(_may_merge(one, other, named) for other in together):
            together.append(one)
    away = [*others, *(one for one in mine if one not in together)]
    survivor = min(together, key=lambda one: (one.state.first_at_ms or _NEVER, one.id))
    return Plan(
        identity=survivor.id,
        merges=tuple((one.id, keys[mine[0].id]) for one in together if one is not survivor),
        links=_new(named, [one.id for one in away]),
        is_conflict=bool(away),
        is_shared=is_shared,
    )


def _is_of_other(part: Part, external_id: str) -> bool:
    known = part.has("external_id")
    return bool(known) and external_id not in known


def _suits(part: Part, named: Sequence[Named]) -> bool:
    """Whether an order's identity may be that of an event which names a customer id."""
    return not any(one.kind == "external_id" and _is_of_other(part, one.value) for one in named)


def _may_merge(one: Part, other: Part, named: Sequence[Named]) -> bool:
    if one.id in other.state.apart or other.id in one.state.apart:
        return False
    ids = (one.has("external_id"), other.has("external_id"))
    if ids[0] and ids[1]:
        return ids[0].keys() == ids[1].keys()
    if not ids[0] and not ids[1]:
        return True
    nameless, customer = (other, ids[0]) if ids[0] else (one, ids[1])
    if any(own.kind == "external_id" and own.value in customer for own in named):
        return True
    emails = {*nameless.has("email"), *(own.value for own in named if own.kind == "email")}
    return len(emails) <= 1 or not nameless.has("email")


def _new(named: Sequence[Named], away: Sequence[str]) -> tuple[Named, ...]:
    """What the identity is to have: not what leads to somebody else."""
    return tuple(one for one in named if one.identity not in away or one.identity is None)


def _is_over(plan: Plan, parts: Mapping[str, IdentityState], now_ms: int) -> bool:
    """Whether the identity would have more values of a kind than it may, because of this event."""
    if not plan.identity:
        return False
    whole = [Part(one, parts[one]) for one in (plan.identity, *(one for one, _ in plan.merges)) if one in parts]
    for kind in {one.kind for one in plan.links} | ({"email", "phone", VISITOR} if plan.merges else set()):
        largest = max((len(part.has(kind)) for part in whole), default=0)
        values: dict[str, int] = {}
        for part in whole:
            values |= part.has(kind)
        for one in plan.links:
            if one.kind == kind:
                values.setdefault(one.value, now_ms)
        if len(values) > largest and over_limit(kind, values, now_ms):
            return True
    return False
