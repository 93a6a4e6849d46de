"""One event's story as a page for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.commands.conversion_page import conversion_parts
from gateway.commands.match_story import match_words
from gateway.commands.reading import shown_span, visible
from gateway.commands.story import AttemptStory, DestinationStory, ReplayStory, Story

STYLES = {"delivered": "green", "queued": "yellow", "failed": "yellow", "dropped": "red", "not_routed": "dim"}
FROM = {
    "event": "stated with the event",
    "visitor": "what the event left open was filled in from the visitor's last choice",
    "identity": "what the event left open was filled in from what the same person said, here or elsewhere",
    "": "nothing was stated; the site's default counts",
}


def page(story: Story) -> RenderableType:
    return Group(*_parts(story))


def _parts(story: Story) -> Iterator[RenderableType]:
    yield _head(story)
    yield _title("Copies received")
    yield _indented(_copies(story))
    if story.fields_from:
        yield _title("Which fields came from which copy")
        yield from (_line(f"{source}: {', '.join(fields)}") for source, fields in _by_source(story).items())
    yield _title("Identity evidence")
    yield from _identity(story)
    yield _title("Consent")
    yield _line(_consent(story))
    if story.status not in ("held", "merged", "duplicate"):
        yield _title("Destinations")
        yield from _decided(story)
        for one in story.destinations:
            yield from _destination(one, story.received_at)
        if not story.destinations:
            yield _line("the site has none")
    if story.conversion is not None:
        yield _title("Attribution")
        yield from (_indented(part) for part in conversion_parts(story.conversion))


def _decided(story: Story) -> Iterator[RenderableType]:
    """By which version; gateway routes tells what that one said."""
    if story.version:
        routes = f"version {story.routes_version} of its routes" if story.routes_version else "the default routes"
        yield _line(f"decided by version {story.version} of the configuration, with {routes}")


def _head(story: Story) -> Text:
    head = Text.assemble(
        (visible(story.event_name), "bold"), "  ", visible(story.event_id), f"  at site {story.site}\n"
    )
    if story.asked_for is not None:
        head.append(f"  {visible(story.asked_for)} is a copy of it\n", "yellow")
    head.append(f"  {story.summary}\n")
    times = f"received {_time(story.received_at)} UTC"
    if story.occurred_at is not None and story.occurred_at != story.received_at:
        times += f", happened {_time(story.occurred_at)}"
    facts = [times, f"source {story.source}"]
    facts += [f"order {visible(story.order_id)}"] if story.order_id else []
    facts += [f"value {story.value} {story.currency or '(no currency)'}"] if story.value else []
    head.append("  " + "; ".join(facts))
    visitor = [f"visitor {visible(story.visitor_id)}"] if story.visitor_id else []
    visitor += [f"visit {visible(story.session_id)}"] if story.session_id else []
    visitor += [f"noticed at the edge: {', '.join(story.marks)}"] if story.marks else []
    visitor += [f"bot score {story.bot_score}: {', '.join(story.bot_reasons)}"] if story.bot_score else []
    if visitor:
        head.append("\n  " + "; ".join(visitor))
    return head


def _copies(story: Story) -> Table:
    table = _table("received", "source", "event id", "became", "met by", "differs in")
    for copy in story.copies:
        table.add_row(
            _since(copy.received_at, story.received_at),
            copy.source,
            visible(copy.event_id),
            copy.became,
            visible(copy.met_by),
            ", ".join(copy.conflicts),
        )
    return table


def _by_source(story: Story) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for field, source in story.fields_from.items():
        found.setdefault(source, []).append(field.removeprefix("custom_data.").removeprefix("user_data."))
    return {source: sorted(fields) for source, fields in sorted(found.items())}


def _identity(story: Story) -> Iterator[RenderableType]:
    if story.identity_id:
        yield _line(f"whose: identity {story.identity_id}")
    yield from _brought(story)
    for field, learnt in story.added.items():
        yield _line(f"added {field}: {learnt}")


def _brought(story: Story) -> Iterator[RenderableType]:
    if not story.identity:
        yield _line("none")
        return
    digests = [one for one in story.identity if one.shown != "present"]
    present = [one for one in story.identity if one.shown == "present"]
    for one in digests:
        yield _line(f"{one.name}: {one.shown}" + (f" (from {one.source})" if one.source else ""))
    if present:
        yield _line("present: " + ", ".join(one.name for one in present))


def _consent(story: Story) -> str:
    choices = ", ".join(f"{purpose} {choice}" for purpose, choice in story.consent.items())
    told = FROM.get(story.consent_from, story.consent_from)
    whose = "person" if story.consent_from == "identity" else "visitor"
    version = f", version {story.consent_version} of its {whose}'s" if story.consent_version else ""
    return f"{choices} ({told}{version})" if choices else told


def _destination(one: DestinationStory, received_at: str) -> Iterator[RenderableType]:
    name = one.destination if not one.platform else f"{one.destination} ({one.platform})"
    yield _indented(Text.assemble((f"{one.status:<10}", STYLES.get(one.status, "")), f" {name}: ", one.why), 2)
    if one.route:
        share = f", which stands for {1 / one.sample_rate:.3g} events" if 0 < one.sample_rate < 1 else ""
        yield _line(f"by route {one.route}{share}", 13)
    if one.words and not one.attempts:
        yield _line(f"said: {visible(one.words)}", 13)
    if one.relies_on:
        yield _line(f"not by consent; its configuration says: {visible(one.relies_on)}", 13)
    if one.match_quality is not None:
        yield _line(match_words(one.match_quality), 13)
    for replay in one.replays:
        yield _line(_replayed(replay, received_at), 13)
    if one.attempts:
        yield _indented(_attempts(one.attempts, received_at), 13)


def _replayed(replay: ReplayStory, received_at: str) -> str:
    before = f"{replay.before} ({replay.reason})" if replay.reason else replay.before
    insisted = ", also past the platform's window" if replay.past_window else ""
    return f"replayed {_since(replay.at, received_at)} by job {replay.job}; it was {before} before{insisted}"


def _attempts(attempts: tuple[AttemptStory, ...], received_at: str) -> Table:
    table = _table("attempt", "HTTP", "took", "outcome", "batch", "the platform's words")
    for one in attempts:
        table.add_row(
            _since(one.at, received_at),
            str(one.status) if one.status is not None else "-",
            shown_span(one.latency_ms) if one.latency_ms is not None else "-",
            one.outcome if one.counts else f"{one.outcome} (does not count)",
            str(one.batch),
            visible(one.words, 2_048),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _title(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _line(text: str, indent: int = 2) -> RenderableType:
    return _indented(Text(text), indent)


def _indented(what: RenderableType, indent: int = 2) -> RenderableType:
    return Padding(what, (0, 0, 0, indent), expand=False)


def _since(at: str, received_at: str) -> str:
    """A time without its day, where that is the day of the event's arrival, which stands at the top."""
    shown = _time(at)
    return shown[11:] if at[:10] == received_at[:10] else shown


def _time(rfc3339: str) -> str:
    return rfc3339.replace("T", " ").removesuffix("Z")
