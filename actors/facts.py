"""What filters and transformations of routes may know: the event, and what was learnt about it before it is routed.

Nothing else: no time, no randomness, no I/O (contracts/routing.md, section 4.3). `Names` resolves what an expression
names once, when it is compiled; `Handed` is one event's values of these, converted once for all expressions of a site.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from actors.event import Event
from actors.expressions import Size, plain
from actors.paths import BadPath, Path, canonical, is_digest_set, look

if TYPE_CHECKING:
    import cel

LONG_CHARS: Final = 1_000  # a text that is worth counting
MOST_DEPTH: Final = 64  # of a value in a value
MOST_NODES: Final = 4_000  # values in one field: an order of 500 items has as many

Getter = Callable[["Facts"], Any]


class VisitorFacts(Struct, frozen=True, array_like=True):
    """`is_new`: in the first visit. `identified`: an identifier of a person is known."""

    is_new: bool = True
    visits: int = 0
    identified: bool = False


NOTHING_MET: Final = VisitorFacts()


class AttributionFacts(Struct, frozen=True, kw_only=True):
    """Of a conversion: the channel of its last touchpoint, and the one that the default model says won."""

    channel: str | None = None
    winner: str | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """`event`: the record, or a table of its shape while it is transformed."""

    event: Event | dict[str, Any]
    site: str = ""
    visitor: VisitorFacts = VisitorFacts()
    attribution: AttributionFacts | None = None
    country: str | None = None  # of the visitor's address, else the one that the event names; ISO 3166-1 alpha-2


# What is beside the event, by its path.
BESIDE: Final[Mapping[Path, Getter]] = MappingProxyType(
    {
        ("site", "id"): lambda facts: facts.site,
        ("visitor", "is_new"): lambda facts: facts.visitor.is_new,
        ("visitor", "visits"): lambda facts: facts.visitor.visits,
        ("visitor", "identified"): lambda facts: facts.visitor.identified,
        ("attribution", "channel"): lambda facts: facts.attribution.channel if facts.attribution else None,
        ("attribution", "winner"): lambda facts: facts.attribution.winner if facts.attribution else None,
        ("geo", "country"): lambda facts: facts.country,
        ("bot", "score"): lambda facts: look(facts.event, ("bot_score",)) or 0,
        ("bot", "reasons"): lambda facts: list(look(facts.event, ("bot_reasons",)) or ()),
    }
)
VARIABLES: Final = ("event", "site", "visitor", "attribution", "geo", "bot")
ALWAYS: Final = frozenset(
    {
        ("event", "site"), ("event", "event_name"), ("event", "event_id"), ("event", "source"),
        ("event", "occurred_at"), ("event", "received_at"), ("event", "occurred_at_ms"), ("event", "received_at_ms"),
        ("site", "id"), ("visitor", "is_new"), ("visitor", "visits"), ("visitor", "identified"),
        ("bot", "score"), ("bot", "reasons"),
    }
)  # fmt: skip
PERSONAL_HINT: Final = "compare its SHA-256, as event.user_data.email.sha256 == '…', or ask has(event.user_data.email)"


class Named(Struct, frozen=True, eq=False):
    """One path that expressions name: its variables in CEL, and how it is looked up."""

    number: int
    path: Path
    get: Getter

    @property
    def value(self) -> str:
        return f"v{self.number}"

    @property
    def there(self) -> str:
        return f"h{self.number}"

    @property
    def is_always(self) -> bool:
        return self.path in ALWAYS


class Names:
    """The paths that the expressions of one site name; grows while they are compiled."""

    def __init__(self) -> None:
        self._found: dict[Path, Named] = {}

    def __iter__(self) -> Iterator["Named"]:
        return iter(self._found.values())

    def named(self, names: Path, *, is_asked: bool = False) -> Named:
        """`is_asked`: only whether it is there. Raises BadPath where there is no such field, or it is personal."""
        path = _checked(names, is_asked=is_asked)
        if path not in self._found:
            self._found[path] = Named(len(self._found), path, _getter(path))
        return self._found[path]


class Handed:
    """One event's values. `sizes`: of the lists, objects and long texts among them; `too_large`: what is not handed
    over."""

    __slots__ = ("context", "large", "sizes", "too_large")

    def __init__(self, names: Names, facts: Facts) -> None:
        from cel import Context  # loaded by whoever compiled an expression

        values: dict[str, Any] = {}
        self.sizes: dict[str, Size] = {}
        self.too_large: set[str] = set()
        for named in names:
            value = named.get(facts)
            values[named.there] = value is not None
            if value is not None:
                values[named.value] = self._handed(named.value, value)
        self.context: cel.Context = Context(variables=values)
        self.large = self.sizes.keys() | self.too_large

    def _handed(self, name: str, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            if len(value) > LONG_CHARS:
                self.sizes[name] = Size(nodes=1, text_bytes=len(value))
            return value
        if kind is bool or kind is float:
            return value
        if kind is Decimal:
            return float(value)
        size = Size()
        found = _plain(value, size, MOST_DEPTH)
        if size.nodes > MOST_NODES:
            self.too_large.add(name)
            return None
        if kind is not int:
            self.sizes[name] = size
        return found


def _plain(value: Any, size: Size, levels: int) -> Any:
    """As CEL takes it, counted on the way. A null within is a field that is not there; what is past the bounds is not
    followed."""
    size.nodes += 1
    if isinstance(value, str):
        size.text_bytes += len(value)
        return value
    if not isinstance(value, dict | list | tuple | Struct):
        return plain(value)
    if not levels or size.nodes > MOST_NODES:
        size.nodes = MOST_NODES + 1
        return None
    if isinstance(value, list | tuple):
        size.longest = max(size.longest, len(value))
        return [_plain(one, size, levels - 1) for one in value]
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    size.longest = max(size.longest, len(value))
    return {str(name): _plain(one, size, levels - 1) for name, one in value.items() if one is not None}


def _checked(names: Path, *, is_asked: bool) -> Path:
    root, *rest = names
    if root != "event":
        if names not in BESIDE:
            known = sorted(".".join(path) for path in BESIDE if path[0] == root)
            raise BadPath(f"there is no {'.'.join(names)!r}; there are {', '.join(known)}")
        return names
    if not rest:
        raise BadPath("event is no value by itself; name a field, as event.custom_data.value")
    if rest[:2] in (["user_data", "sealed"], ["user_data", "plain"]):
        raise BadPath(f"plaintext is not to be read; {PERSONAL_HINT}")
    path = canonical(rest)
    if is_digest_set(path) and not is_asked:
        raise BadPath(f"event.{'.'.join(path)} is kept as digests only; {PERSONAL_HINT}")
    if path == ("user_data", "client_ip") and not is_asked:
        raise BadPath("an address is personal data and not to be read; ask geo.country or bot")
    if path == ("user_data",):
        raise BadPath("event.user_data is no value by itself; name a field of it")
    return ("event", *path)


def _getter(path: Path) -> Getter:
    if path[0] != "event":
        return BESIDE[path]
    names = path[1:]
    if names in (("occurred_at",), ("received_at",)):
        field = f"{names[0]}_ms"
        return lambda facts: _rfc3339(look(facts.event, (field,)))
    return lambda facts: look(facts.event, names)


def _rfc3339(at_ms: int) -> str | None:
    """None for a time that no calendar has, which a step of a transformation may have set."""
    try:
        at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
