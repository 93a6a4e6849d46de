"""One conversion, told: its path, what each model gives, how sure that is, and what is missing."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from actors.attribution.amounts import amount
from actors.attribution.gap_words import meaning, what_to_do
from actors.attribution.paths import Confidence, Step, certainty, confidence, days_from_first, exposure_path, summary
from gateway.commands.delivery_context import Sent, context_of
from gateway.commands.reading import rfc3339
from store.journey_records import MODELS, SHARE, Cause, ConversionRow, Gap, Label, Model, PathTouch, Result


class TouchStory(Struct, frozen=True, kw_only=True):
    """`matched_by`: the key that links it to the conversion; `evidence`: how it is known where it came from."""

    at: str
    channel: str
    source: str
    medium: str
    campaign: str
    matched_by: Label
    evidence: str
    is_direct: bool


class StepStory(Struct, frozen=True, kw_only=True):
    """Neighbours of the path with equal channel, source, medium and campaign; `at`: the last of them."""

    at: str
    channel: str
    source: str
    medium: str
    campaign: str
    touchpoints: int


class Credit(Struct, frozen=True, kw_only=True):
    touchpoint: int  # its place in the path, from 1
    share: float
    gross: Decimal
    net: Decimal


class ModelStory(Struct, frozen=True, kw_only=True):
    model: Model
    winner: int  # its place in the path, from 1
    confidence: Confidence
    certainty: float
    credits: tuple[Credit, ...]


class VersionStory(Struct, frozen=True, kw_only=True):
    version: int
    cause: Cause
    computed_at: str
    path: str
    net: Decimal


class ConversionStory(Struct, frozen=True, kw_only=True):
    """`final_at`: from then on it is final, though what comes late still counts. `versions`: earlier ones that are
    kept, the oldest first. `accepted`: 4 of 5 destinations; beside it those that have credit under some model and did
    not take it, and those that took it and have no touchpoint in the path."""

    gross: Decimal
    net: Decimal
    currency: str | None
    is_cancelled: bool
    path: tuple[TouchStory, ...]
    exposure_path: tuple[StepStory, ...]
    path_summary: str
    days_from_first: float
    visits: int
    models: tuple[ModelStory, ...]
    gap: Gap
    gap_means: str
    what_to_do: str
    version: int
    cause: Cause
    computed_at: str
    final_at: str
    changes_after_final: int
    is_renewal: bool
    accepted: str
    credited_not_accepted: tuple[str, ...]
    accepted_without_touchpoint: tuple[str, ...]
    versions: tuple[VersionStory, ...] = ()


def conversion_story(versions: Sequence[ConversionRow], sent: Sent) -> ConversionStory | None:
    """Of all versions that are kept, the newest last; None where there is none."""
    if not versions:
        return None
    row = versions[-1]
    credited = {place for result in row.results for place in result.places}
    delivery = context_of(sent, row.path, [row.path[place] for place in credited])
    return ConversionStory(
        gross=row.value,
        net=row.net_value,
        currency=row.currency,
        is_cancelled=row.is_cancelled,
        path=tuple(map(_touch, row.path)),
        exposure_path=tuple(map(_step, exposure_path(row.path))),
        path_summary=summary(row.path),
        days_from_first=round(days_from_first(row.path, row.occurred_at_ms), 2),
        visits=row.visits,
        models=tuple(_model(row, model, result) for model, result in zip(MODELS, row.results, strict=False)),
        gap=row.gap,
        gap_means=meaning(row.gap),
        what_to_do=what_to_do(row.gap),
        version=row.version,
        cause=row.cause,
        computed_at=rfc3339(row.computed_at_ms),
        final_at=rfc3339(row.final_at_ms),
        changes_after_final=row.changes_after_final,
        is_renewal=bool(row.renewal_of),
        accepted=delivery.summary.removeprefix("accepted "),
        credited_not_accepted=delivery.credited_not_accepted,
        accepted_without_touchpoint=delivery.accepted_without_touchpoint,
        versions=tuple(map(_version, versions[:-1])),
    )


def _touch(touch: PathTouch) -> TouchStory:
    return TouchStory(
        at=rfc3339(touch.at_ms),
        channel=touch.channel,
        source=touch.source,
        medium=touch.medium,
        campaign=touch.campaign,
        matched_by=touch.label,
        evidence=touch.evidence,
        is_direct=touch.is_direct,
    )


def _step(step: Step) -> StepStory:
    return StepStory(
        at=rfc3339(step.at_ms), channel=step.channel, source=step.source, medium=step.medium, campaign=step.campaign,
        touchpoints=step.touches,
    )  # fmt: skip


def _model(row: ConversionRow, model: Model, result: Result) -> ModelStory:
    given = zip(result.places, result.shares, result.gross, result.net, strict=True)
    return ModelStory(
        model=model,
        winner=result.winner + 1,
        confidence=confidence(row.path, result),
        certainty=round(certainty(row.path, result), 4),
        credits=tuple(
            Credit(
                touchpoint=place + 1, share=share / SHARE, gross=amount(gross, row.places), net=amount(net, row.places)
            )
            for place, share, gross, net in given
        ),
    )


def _version(row: ConversionRow) -> VersionStory:
    return VersionStory(
        version=row.version,
        cause=row.cause,
        computed_at=rfc3339(row.computed_at_ms),
        path=summary(row.path),
        net=row.net_value,
    )
