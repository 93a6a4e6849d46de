"""A conversion's path and credit as part of an event's page."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gateway.commands.conversion_story import ConversionStory, ModelStory
from gateway.commands.reading import visible


def conversion_parts(story: ConversionStory) -> Iterator[RenderableType]:
    yield Text(_head(story))
    if story.gap:
        yield Text(f"{story.gap}: {story.gap_means}. To do: {story.what_to_do}.", "yellow")
    if story.path:
        yield _path(story)
        yield _models(story)
    yield Text(f"platforms: accepted {story.accepted}")
    for name in story.credited_not_accepted:
        yield Text(f"{name} has credit and did not take the conversion", "yellow")
    for name in story.accepted_without_touchpoint:
        yield Text(f"{name} took the conversion and has no touchpoint in the path", "yellow")
    for one in story.versions:
        yield Text(
            f"version {one.version} ({one.cause}, {_time(one.computed_at)}): {one.path or 'no path'}, {one.net}", "dim"
        )


def _head(story: ConversionStory) -> str:
    value = f"{story.net} {story.currency or '(no currency)'}"
    gross = f" of {story.gross}" if story.gross != story.net else ""
    told = [f"{value}{gross}{', cancelled' if story.is_cancelled else ''}"]
    told += (
        [f"{visible(story.path_summary)}, in {story.days_from_first:g} days, visits: {story.visits}"]
        if story.path
        else []
    )
    told += ["with the credit of the subscription's first order"] if story.is_renewal else []
    told.append(f"version {story.version} ({story.cause}), final from {_time(story.final_at)}")
    told += [f"changed {story.changes_after_final} times after that"] if story.changes_after_final else []
    return "; ".join(told)


def _path(story: ConversionStory) -> Table:
    table = _table("", "touchpoint", "channel", "source", "medium", "campaign", "matched by", "evidence")
    for number, touch in enumerate(story.path, 1):
        table.add_row(
            str(number), _time(touch.at), touch.channel, visible(touch.source), visible(touch.medium),
            visible(touch.campaign), touch.matched_by, touch.evidence,
        )  # fmt: skip
    return table


def _models(story: ConversionStory) -> Table:
    table = _table("model", "winner", "credit (net)", "confidence")
    for model in story.models:
        table.add_row(model.model, str(model.winner), _credits(model), f"{model.confidence} ({model.certainty:.2f})")
    return table


def _credits(model: ModelStory) -> str:
    return ", ".join(f"{one.touchpoint}: {one.net} ({one.share:.1%})" for one in model.credits)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _time(at: str) -> str:
    """`2026-11-20 14:06`, of RFC 3339."""
    return at[:16].replace("T", " ")
