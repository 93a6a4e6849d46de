"""Whose data a job is to export or erase: the identifiers that were given, those learnt from events, and which events
are that person's.

The rules are those of contracts/dedup_and_identity.md, section 2, read strictly, since another person's data is not to
be touched: an event that has one of the given identifiers is the person's; by an identifier that was learnt it is so
only while it names nobody else (another customer id, or another email where no customer id speaks for it). A phone, a
visitor id or an order alone tells nothing against these. A visitor id that somebody else used as well is *shared*: what
nobody is named in there is nobody's, and stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from actors.event import EmailDigests, Event, PhoneDigests
from actors.identity import is_blocked, is_placeholder

Kind = Literal["email", "phone", "external_id", "visitor", "order", "checkout", "subscription", "lead"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SHORTEST: Final = 6  # characters of an id that is looked for in payloads
NEEDLES_MOST: Final = 60
LINKED_MOST: Final = 1_000  # values of a kind that are learnt

Values = Mapping[Kind, frozenset[str]]


class Person(Struct, kw_only=True, omit_defaults=True):
    """`sources` in the place of identifiers: everybody of whom one of these sources told."""

    given: dict[Kind, list[str]] = {}
    learnt: dict[Kind, list[str]] = {}
    shared: list[str] = []  # visitors
    sources: tuple[str, ...] = ()

    def has(self, event: Event) -> bool:
        """Whether the event is this person's."""
        if self.sources:
            return event.source in self.sources
        values = values_of(event)
        said = mentioned(event)
        if self._is_given(values) or any(said & frozenset(given) for given in self.given.values()):
            return True
        if self._is_of_other(values):
            return False
        return any(known & (values[kind] | said) for kind in KINDS if (known := self.known(kind)))

    def learn(self, event: Event) -> bool:
        """What one of the person's events, or another's on the same device, tells; True where it is news."""
        if self.sources:
            return False
        values = values_of(event)
        if self._is_of_other(values):
            return self._share(values["visitor"])
        if not self.has(event):
            return False
        return any([self._add(kind, value) for kind in KINDS for value in sorted(values[kind])])

    def learn_visitor(self, visitor_id: str, seen: Values) -> bool:
        """What the state of a visitor tells, who may have been named before its oldest event; True where it is news."""
        if not any(seen[kind] & self.known(kind) for kind in ("external_id", "email", "phone")):
            return False
        if self._is_of_other(seen) or any(len(seen[kind]) > 1 for kind in ("external_id",)):
            return visitor_id not in self.visitors() and self._note_shared(visitor_id)
        return self._add("visitor", visitor_id)

    def learn_identity(self, values: Values) -> bool:
        """What an identity tells that one of the person's identifiers leads to; True where it is news."""
        if not self.is_identity(values):
            return False
        return any([self._add(kind, value) for kind in KINDS for value in sorted(values[kind])])

    def is_identity(self, values: Values) -> bool:
        """Whether an identity is this person's; a phone that was only learnt may be a family's."""
        mine = any(values[kind] & self.known(kind) for kind in ("external_id", "email", "visitor"))
        given = bool(values["phone"] & frozenset(self.given.get("phone", ())))
        return (mine or given) and not self._is_of_other(values)

    def visitors(self) -> list[str]:
        """Those that are nobody else's, and those that were given."""
        learnt = [one for one in self.learnt.get("visitor", ()) if one not in self.shared]
        return sorted({*self.given.get("visitor", ()), *learnt})

    def needles(self) -> list[bytes]:
        """Texts one of which is in each of the person's rows."""
        found = {value for table in (self.given, self.learnt) for values in table.values() for value in values}
        numbers = [msgspec.msgpack.encode(int(one)) for one in found if _is_number(one)]
        return sorted([*(value.encode("utf-8", "surrogatepass") for value in found), *numbers])

    def is_known_by(self, value: str) -> bool:
        """Whether this text is one of the person's own identifiers."""
        kinds: tuple[Kind, ...] = ("external_id", "email", "phone")
        return any(value in self.known(kind) for kind in kinds)

    def known(self, kind: Kind) -> frozenset[str]:
        values = (*self.given.get(kind, ()), *self.learnt.get(kind, ()))
        return frozenset(values) - frozenset(self.shared if kind == "visitor" else ())

    def _is_given(self, values: Values) -> bool:
        return any(values[kind] & frozenset(self.given.get(kind, ())) for kind in KINDS)

    def _is_of_other(self, values: Values) -> bool:
        """Whether the values name somebody else."""
        ids, emails = self.known("external_id"), self.known("email")
        if values["external_id"] & ids:
            return False
        if values["external_id"] and ids:
            return True
        return bool(values["email"] and emails) and not values["email"] & emails

    def _share(self, visitors: frozenset[str]) -> bool:
        mine = visitors & self.known("visitor") - frozenset(self.given.get("visitor", ()))
        return any([self._note_shared(one) for one in sorted(mine)])

    def _note_shared(self, visitor_id: str) -> bool:
        if visitor_id in self.shared:
            return False
        self.shared.append(visitor_id)
        return True

    def _add(self, kind: Kind, value: str) -> bool:
        learnt = self.learnt.setdefault(kind, [])
        is_known = value in learnt or value in self.given.get(kind, ()) or (kind == "visitor" and value in self.shared)
        if is_known or len(learnt) >= LINKED_MOST:
            return False
        learnt.append(value)
        return True


def values_of(event: Event) -> Values:
    """The identifiers of an event that tell whose it is; placeholders tell nobody apart."""
    user, data = event.user_data, event.custom_data
    return {
        "external_id": _useful(user.external_id),
        "visitor": _useful(user.anonymous_id),
        "email": frozenset(email_forms(user.email)) if user.email is not None else frozenset(),
        "phone": frozenset(phone_forms(user.phone)) if user.phone is not None else frozenset(),
        "order": _named(data.order_id),
        "checkout": _named(data.checkout_token),
        "subscription": _named(data.subscription_id),
        "lead": _named(data.lead_id),
    }


def named_in(event: Event) -> Person:
    """Whoever an event names."""
    return Person(given={kind: sorted(values) for kind, values in values_of(event).items() if values})


def mentioned(event: Event) -> frozenset[str]:
    """Ids in what a sender's payload says beside the known fields; short ones are as often something else."""
    found: set[str] = set()
    waiting: list[Any] = [event.custom_data.properties]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str | int) and len(text := str(value)) >= SHORTEST:
            found.add(text)
    return frozenset(found)


def email_forms(digests: EmailDigests) -> list[str]:
    """Those that only this mailbox has: Reddit's form is that of other addresses, too."""
    forms = (digests.sha256, digests.gmail, digests.google, digests.md5, digests.sha256_md5)
    return [form for form in forms if form is not None]


def phone_forms(digests: PhoneDigests) -> list[str]:
    return [form for form in (digests.sha256, digests.digits) if form is not None]


def holds(needles: Iterable[bytes], raw: bytes | None) -> bool:
    """Whether one of these texts is in a row."""
    return raw is not None and any(needle in raw for needle in needles)


def may_hold(needles: Sequence[bytes], raw: bytes | None) -> bool:
    """The same, where a yes is looked into: to look for very many texts costs more than to read the row."""
    return raw is not None and (len(needles) > NEEDLES_MOST or holds(needles, raw))


def decode(raw: bytes) -> Person:
    return msgspec.msgpack.decode(raw, type=Person)


def encode(person: Person) -> bytes:
    return msgspec.msgpack.encode(person)


def _is_number(text: str) -> bool:
    """Whether a payload may hold it as a number."""
    return SHORTEST <= len(text) < 20 and text.isascii() and text.isdigit() and text[0] != "0"


def _useful(value: str | None) -> frozenset[str]:
    return frozenset() if value is None or is_blocked(value) else frozenset((value,))


def _named(value: str | None) -> frozenset[str]:
    return frozenset() if value is None or is_placeholder(value) else frozenset((value,))
