"""What a dry run tells: of one event at each destination, live and by the draft; of many events in sums."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from actors.route_trace import ConsentTrace, RouteTrace, SampleTrace
from gateway.commands.trial import Shown
from gateway.routes_compare import SettingChange

SideName = Literal["live", "draft"]
Differs = Literal["", "new", "lost", "route", "payload", "reason"]


class DestinationTrial(Struct, frozen=True, kw_only=True):
    """One destination. `outcome`: `sent`, or the reason why not, as the books and deliveries name it; `words`: more of
    it. `route`: that decided; empty: the default one, or none. `changes`: of its transformation, personal fields as
    `***`."""

    destination: str
    platform: str
    outcome: str
    words: str
    route: str
    routes: tuple[RouteTrace, ...]
    consent: ConsentTrace
    sample: SampleTrace | None
    changes: tuple[SettingChange, ...]
    request: Shown | None


class SideTrial(Struct, frozen=True, kw_only=True):
    """By one version. `status`: what the event would be: `processed`, `duplicate`, `merged`, or `dead_letter`, whose
    `words` name the error."""

    side: SideName
    version: int
    status: str
    words: str
    destinations: tuple[DestinationTrial, ...]


class Difference(Struct, frozen=True, kw_only=True):
    """What the draft changes for a destination."""

    destination: str
    what: Differs
    live: str
    draft: str


class EventTrial(Struct, frozen=True, kw_only=True):
    """`is_stored`: an event of the ledger, routed again with what was known of it then."""

    site: str
    event_name: str
    event_id: str
    source: str
    is_stored: bool
    sides: tuple[SideTrial, ...]
    differences: tuple[Difference, ...]


class DestinationTotals(Struct, frozen=True, kw_only=True):
    """Of many events. `not_sent`: by reason. Against live, where both were asked: `new` and `lost` deliveries, payloads
    that differ (`changed`). `in_window`: delivered already, and the platform would drop another copy; `past_window`:
    delivered already, and it would count again. `takes_s`: at the pace that is set or known of the platform; null: none
    is."""

    destination: str
    platform: str
    sent: int
    not_sent: Mapping[str, int]
    new: int
    lost: int
    changed: int
    too_old: int
    in_window: int
    past_window: int
    requests: int
    takes_s: float | None


class Totals(Struct, frozen=True, kw_only=True):
    """The sums of one side. `examples`: an event's id for each destination and outcome, as `meta-main filtered`."""

    side: SideName
    version: int
    destinations: tuple[DestinationTotals, ...]
    examples: Mapping[str, str]


class ManyTrial(Struct, frozen=True, kw_only=True):
    """`events`: looked at; `left_out`: waiting, copies of others, erased or unreadable. `is_cut`: there were more."""

    site: str
    since: str
    until: str
    events: int
    left_out: int
    is_cut: bool
    sides: tuple[Totals, ...]
