"""What is known of one person: values with where they were learnt, and the identities that were merged into one.

Plain functions from state to state; none changes what it is given. Each value keeps the identity that it was learnt
for (`origin`), so that splitting a merge gives back just what it brought (contracts/dedup_and_identity.md, section
2.3: links return to where the record says). What was learnt after a merge stays with the identity that survived.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from actors.identifying import LIMITS, LINKED, VISITOR, Limit
from actors.person_consent import Word
from actors.settled import SETTLED_MS

KEPT = 5  # values of a kind that is never looked up, for each origin
MERGES_KEPT = 200

Form = Any  # a text, or a digest set as a dict of its forms


class Value(Struct, frozen=True, array_like=True):
    """`form`: the value itself, of digest sets all its forms."""

    form: Form
    first_at_ms: int
    last_at_ms: int
    source: str
    event_id: str
    origin: str

    @property
    def standard(self) -> str:
        return str(self.form["sha256"]) if isinstance(self.form, dict) else str(self.form)


class Merge(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two identities that became one: the older survived. `key`: the kind of identifier that caused it."""

    id: str
    surviving: str
    merged: str
    at_ms: int
    event_id: str
    key: str
    merged_first_at_ms: int
    merged_last_at_ms: int = 0


class Today(Struct, frozen=True, array_like=True):
    """Which visitors an identifier was seen with in a day, as digests."""

    day: int
    visitors: tuple[str, ...]


class IdentityState(Struct, kw_only=True, omit_defaults=True):
    """`first_at_ms`: its age, 0 where nothing is known yet. `rows`: keys of the index that go with it."""

    first_at_ms: int = 0
    last_at_ms: int = 0
    values: dict[str, tuple[Value, ...]] = {}
    merges: tuple[Merge, ...] = ()
    apart: tuple[str, ...] = ()  # identities that it was split from: they are not merged again
    merged_into: str = ""
    today: dict[str, Today] = {}  # of identifiers, by kind and value
    rows: tuple[bytes, ...] = ()
    said: dict[str, Word] = {}  # about consent, by visitor


def standards(state: IdentityState, kind: str) -> dict[str, int]:
    """The values of a kind, each with when it was given first."""
    found: dict[str, int] = {}
    for value in state.values.get(kind, ()):
        at_ms = found.get(value.standard, value.first_at_ms)
        found[value.standard] = min(at_ms, value.first_at_ms)
    return found


def visitors_of(state: IdentityState) -> list[str]:
    return sorted(standards(state, VISITOR))


def has_news(before: IdentityState, after: IdentityState) -> bool:
    """Whether something is known now that was not known lately."""
    last = {kind: max(one.last_at_ms for one in values) for kind, values in before.values.items() if values}
    return any(
        max(one.last_at_ms for one in values) > last.get(kind, 0) + SETTLED_MS
        for kind, values in after.values.items()
        if values
    )


def ids_of(state: IdentityState, own: str) -> list[str]:
    """The identity's own id and those that it is known by besides."""
    return [own, *(merge.merged for merge in state.merges)]


def is_over(limit: Limit, values: Mapping[str, int], now_ms: int) -> bool:
    """Whether these are more values than an identity may have."""
    if limit.most and len(values) > limit.most:
        return True
    recent = sum(at_ms > now_ms - limit.within_ms for at_ms in values.values())
    return bool(limit.most_within) and recent > limit.most_within


def over_limit(kind: str, values: Mapping[str, int], now_ms: int) -> bool:
    return kind in LIMITS and is_over(LIMITS[kind], values, now_ms)


def with_value(state: IdentityState, kind: str, value: Value) -> IdentityState:
    """With a value that was given: a known one was seen again, a new one is added; of what is never looked up the last
    five are kept."""
    known = state.values.get(kind, ())
    for place, one in enumerate(known):
        if one.standard == value.standard:
            again = msgspec.structs.replace(
                one, form=_richer(one.form, value.form), last_at_ms=max(one.last_at_ms, value.last_at_ms)
            )
            return _with(state, kind, (*known[:place], again, *known[place + 1 :]))
    if kind in LINKED:
        return _with(state, kind, (*known, value))
    own = [one for one in known if one.origin == value.origin]
    spare = own[: max(0, len(own) + 1 - KEPT)]
    return _with(state, kind, (*(one for one in known if one not in spare), value))


def merged(state: IdentityState, other: IdentityState, merge: Merge) -> IdentityState:
    """The survivor with all that the other one has."""
    values = {**state.values}
    for kind, theirs in other.values.items():
        values[kind] = (*values.get(kind, ()), *theirs)
    return msgspec.structs.replace(
        state,
        last_at_ms=max(state.last_at_ms, other.last_at_ms),
        values=values,
        merges=(*state.merges, *other.merges, merge),
        apart=tuple(sorted({*state.apart, *other.apart})),
        today={**other.today, **state.today},
        rows=tuple(dict.fromkeys((*state.rows, *other.rows))),
        said={**state.said, **other.said},
    )


def split(state: IdentityState, own: str, merge: Merge) -> tuple[IdentityState, IdentityState]:
    """(what stays, what the merged identity had). Neither is merged with the other again."""
    before = state.merges[: state.merges.index(merge)]
    gone = _under(merge.merged, before)
    stay = {kind: tuple(one for one in values if one.origin not in gone) for kind, values in state.values.items()}
    go = {kind: tuple(one for one in values if one.origin in gone) for kind, values in state.values.items()}
    theirs = tuple(one for one in before if one.surviving in gone)
    kept = msgspec.structs.replace(
        state,
        values=_filled(stay),
        merges=tuple(one for one in state.merges if one not in theirs and one is not merge),
        apart=tuple(sorted({*state.apart, merge.merged})),
        rows=(),
        said=_said_by(stay, state),
    )
    back = IdentityState(
        first_at_ms=merge.merged_first_at_ms, last_at_ms=merge.merged_last_at_ms, values=_filled(go), merges=theirs,
        apart=(own,), said=_said_by(go, state),
    )  # fmt: skip
    return kept, back


def _said_by(values: Mapping[str, tuple[Value, ...]], state: IdentityState) -> dict[str, Word]:
    """What these values' visitors have said."""
    visitors = {one.standard for one in values.get(VISITOR, ())}
    return {visitor: word for visitor, word in state.said.items() if visitor in visitors}


def _under(identity: str, merges: Iterable[Merge]) -> set[str]:
    """The identity and all that were merged into it before."""
    found = {identity}
    for merge in reversed(list(merges)):
        if merge.surviving in found:
            found.add(merge.merged)
    return found


def _filled(values: Mapping[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
    return {kind: found for kind, found in values.items() if found}


def _with(state: IdentityState, kind: str, values: tuple[Value, ...]) -> IdentityState:
    return msgspec.structs.replace(state, values={**state.values, kind: values})


def _richer(known: Form, given: Form) -> Form:
    """Of two digest sets the one with more forms: a value that arrived hashed has but one."""
    if isinstance(known, dict) and isinstance(given, dict):
        return given if len(given) > len(known) else known
    return known
