"""Sums of credit: under every model the lines of a currency add up to what was converted, to the last unit."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.attribution.conversions import credited
from actors.attribution.data_driven import Observed, learn
from actors.attribution.settings import AttributionRules
from actors.attribution.totals import UNATTRIBUTED, By, CreditLine, Totals
from store.journey_records import MODELS, ConversionRow, PathTouch
from tests.actors.attribution.touches import DAY_MS, NOW_MS, WORKED, touch

CHANNELS = ("paid_social", "email", "direct", "organic_search")
PATH = st.lists(st.sampled_from(CHANNELS), max_size=5).map(
    lambda channels: tuple(touch(channel, 10 - at, campaign=f"c{at % 2}") for at, channel in enumerate(channels))
)
VALUE = st.decimals(0, 10_000, places=2)
ROWS = st.lists(st.tuples(PATH, VALUE, st.sampled_from(["EUR", "JPY", None]), st.booleans()), max_size=12)


def conversion(path: tuple[PathTouch, ...], value: str | Decimal = "120.00", **changes: object) -> ConversionRow:
    row = ConversionRow(
        site="shop", event_id="e", event_name="purchase_placed", occurred_at_ms=NOW_MS, received_at_ms=NOW_MS,
        version=1, cause="conversion", computed_at_ms=NOW_MS, final_at_ms=NOW_MS + DAY_MS, value=Decimal(value),
        currency="EUR", path=path, gap="" if path else "no_touchpoints",
    )  # fmt: skip
    return credited(msgspec.structs.replace(row, **changes), AttributionRules())


def totals_of(*rows: ConversionRow, by: By = "channel", conversion: str = "", now_ms: int = NOW_MS) -> Totals:
    totals = Totals(by, conversion)
    for row in rows:
        totals.add(row, now_ms)
    return totals


def named(lines: tuple[CreditLine, ...]) -> dict[str, tuple[float | None, Decimal | None]]:
    return {line.name: (line.conversions, line.net) for line in lines}


@given(rows=ROWS, by=st.sampled_from(["channel", "source", "campaign"]))
def test_the_lines_of_a_currency_add_up_to_its_total_under_every_model(
    rows: list[tuple[tuple[PathTouch, ...], Decimal, str | None, bool]], by: By
) -> None:
    totals = totals_of(
        *(conversion(path, value, currency=currency, is_cancelled=gone) for path, value, currency, gone in rows), by=by
    )
    for model in MODELS:
        lines = totals.lines(model)
        for total in totals.totals():
            own = [line for line in lines if line.currency == total.currency]
            assert sum(line.gross or 0 for line in own) == total.gross
            assert sum(line.net or 0 for line in own) == total.net
            assert sum(line.conversions or 0 for line in own) == pytest.approx(total.conversions)
        assert len(totals.totals()) == len({currency for _, _, currency, _ in rows})


def test_the_worked_path_is_told_by_channel() -> None:
    totals = totals_of(conversion(WORKED))
    assert named(totals.lines("last_non_direct")) == {"paid_search": (1.0, Decimal("120.00"))}
    assert named(totals.lines("linear")) == {
        name: (0.25, Decimal("30.00")) for name in ("paid_social", "organic_search", "email", "paid_search")
    }
    [line] = totals.lines("last_non_direct")
    assert (line.confidence, line.share, line.gross) == ("high", 1.0, Decimal("120.00"))


def test_what_nothing_can_be_credited_with_is_a_line_of_its_own_and_a_gap() -> None:
    totals = totals_of(conversion(WORKED), conversion((), "30"))
    assert named(totals.lines("linear"))[UNATTRIBUTED] == (1.0, Decimal(30))
    [gap] = totals.gaps()
    assert (gap.gap, gap.conversions, gap.net) == ("no_touchpoints", 1, Decimal(30))
    assert "page views" in gap.what_to_do


def test_refunds_lower_the_net_value_and_leave_shares_and_gross() -> None:
    totals = totals_of(conversion(WORKED, refunded=Decimal("20.00")), conversion(WORKED, is_cancelled=True))
    [line] = totals.lines("last_paid")
    assert (line.conversions, line.gross, line.net) == (2.0, Decimal("240.00"), Decimal("100.00"))


def test_conversions_without_a_value_are_shared_by_their_number() -> None:
    leads = [conversion((touch(channel, 1),), "0", currency=None) for channel in ("email", "email", "sms", "push")]
    lines = totals_of(*leads).lines("last_touch")
    assert {line.name: line.share for line in lines} == {"email": 0.5, "sms": 0.25, "push": 0.25}


def test_renewals_that_inherit_credit_are_in_no_other_figure() -> None:
    renewal = conversion(WORKED, "10", renewal_of=b"first", event_name="subscription_renewed")
    totals = totals_of(conversion(WORKED), renewal)
    assert [(one.conversions, one.net) for one in totals.totals()] == [(1, Decimal("120.00"))]
    assert [(one.conversions, one.net) for one in totals.renewals()] == [(1, Decimal(10))]
    alone = totals_of(conversion(WORKED), renewal, conversion="subscription_renewed")
    assert named(alone.lines("last_paid")) == {"paid_search": (1.0, Decimal("10.00"))}


def test_what_is_not_final_yet_is_said() -> None:
    rows = conversion(WORKED), conversion(WORKED, changes_after_final=2)
    early, late = totals_of(*rows), totals_of(*rows, now_ms=NOW_MS + 2 * DAY_MS)
    assert (early.provisional, late.provisional, late.changed_after_final) == (2, 0, 1)


@pytest.mark.parametrize("model", ["markov", "shapley"])
def test_a_learnt_model_shares_out_exactly_what_has_a_path(model: str) -> None:
    seen, rows = Observed(), []
    for number in range(303):
        names = ("email", "sms") if number % 3 else ("paid_search",)
        rows.append(conversion(tuple(touch(name, 2 - at) for at, name in enumerate(names)), f"1.{number % 10}1"))
        seen.add(names, is_converted=True)
    rows.append(conversion((), "7.77"))
    totals = totals_of(*rows)
    lines = totals.learnt_lines(learn("markov" if model == "markov" else "shapley", seen))
    [total] = totals.totals()
    assert {line.name for line in lines} == {"email", "sms", "paid_search", UNATTRIBUTED}
    assert sum(line.net or 0 for line in lines) == total.net
    assert sum(line.conversions or 0 for line in lines) == pytest.approx(304)


def test_a_channel_with_too_few_paths_has_no_figure_and_says_why() -> None:
    seen = Observed()
    for number in range(310):
        seen.add(("email",) if number else ("sms",), is_converted=True)
    totals = totals_of(*[conversion((touch("email", 1),))] * 310)
    told = {line.name: (line.net, line.note) for line in totals.learnt_lines(learn("shapley", seen))}
    assert told["sms"] == (None, "not enough data: 1 paths")
