"""`gateway deliveries --summary`: the estimated match quality by day, destination, event name and source."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from rich.table import Table

from actors.match_quality import KINDS
from actors.names import label
from gateway.commands.facts import EventFacts
from gateway.commands.match_story import own_name, platform_kind
from gateway.commands.reading import rfc3339
from store.records import MatchRow

GOOD_TENTHS = 70  # contracts/dedup_and_identity.md, section 5: the share of events at 7 or more

Key = tuple[str, str, str, str, str]  # day, site, destination, event name, source


class SummaryLine(Struct, frozen=True, kw_only=True):
    """Delivered events that have an estimate. `event_name`: one of the 32, or `custom`. `day`: of arrival, in UTC."""

    day: str
    site: str
    destination: str
    event_name: str
    source: str
    delivered: int
    mean_estimated: float
    share_at_7_or_more: float
    carried: Mapping[str, float]  # identifier that the platform takes -> share of the events in which it counted


class _Sums:
    """Of one group."""

    def __init__(self) -> None:
        self.events = self.tenths = self.good = self.taken = 0
        self.counted: dict[int, int] = {}  # kind of identifier -> events in which it counted

    def add(self, match: MatchRow) -> None:
        self.events += 1
        self.tenths += match.tenths
        self.good += match.tenths >= GOOD_TENTHS
        self.taken |= match.taken
        for kind, _, _ in KINDS:
            self.counted[kind] = self.counted.get(kind, 0) + bool(match.counted & kind)


def summary(
    events: Iterable[EventFacts], platforms: Mapping[tuple[str, str], str], only: str | None
) -> list[SummaryLine]:
    """The newest day first. `platforms`: (site, destination) -> platform. `only`: this destination."""
    groups: dict[Key, _Sums] = {}
    for facts in events:
        row = facts.row
        for destination, delivery in facts.deliveries.items():
            if only not in (None, destination) or delivery is None or delivery.status != "delivered":
                continue
            if delivery.match is not None:
                key = (rfc3339(row.received_at_ms)[:10], row.site, destination, label(row.event_name), row.source)
                groups.setdefault(key, _Sums()).add(delivery.match)
    days = sorted({key[0] for key in groups}, reverse=True)
    return [_line(key, groups[key], platforms) for day in days for key in sorted(groups) if key[0] == day]


def _line(key: Key, sums: _Sums, platforms: Mapping[tuple[str, str], str]) -> SummaryLine:
    day, site, destination, event_name, source = key
    known = platform_kind(platforms.get((site, destination), ""))
    carried = {
        own_name(kind, name, known): round(sums.counted[kind] / sums.events, 4)
        for kind, name, _ in KINDS
        if sums.taken & kind
    }
    return SummaryLine(
        day=day,
        site=site,
        destination=destination,
        event_name=event_name,
        source=source,
        delivered=sums.events,
        mean_estimated=round(sums.tenths / sums.events / 10, 2),
        share_at_7_or_more=round(sums.good / sums.events, 4),
        carried=carried,
    )


def summary_table(lines: Iterable[SummaryLine]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title="match quality, estimated", title_justify="left")
    for column in ("day", "site", "destination", "event", "source"):
        table.add_column(column, overflow="fold")
    for column in ("delivered", "mean", "at 7 or more"):
        table.add_column(column, justify="right")
    table.add_column("share that carries", overflow="fold")
    for one in lines:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in one.carried.items())
        table.add_row(
            one.day, one.site, one.destination, one.event_name, one.source, str(one.delivered),
            f"{one.mean_estimated:.1f}", f"{one.share_at_7_or_more:.0%}", shares,
        )  # fmt: skip
    return table
