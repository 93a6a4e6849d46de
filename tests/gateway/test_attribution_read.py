"""What a period's rows are read into: totals that are the sum of the rows, and paths with and without a conversion."""

from decimal import Decimal
from itertools import islice

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.attribution.conversions import credited
from actors.attribution.settings import AttributionRules
from gateway.commands import attribution_read
from gateway.commands.attribution_read import Asked, AttributionReport, Reading, TooMany
from store import keys
from store.env import Store
from store.journey_records import CONVERSION, MODELS, TOUCH, ConversionRow, PathTouch, TouchRow
from store.writer import InlineWriter, WriteTxn
from tests.actors.attribution.touches import DAY_MS, NOW_MS, touch

ALL = Asked(site="shop", since_ms=0, now_ms=NOW_MS, models=("last_non_direct", "markov", "shapley"))
# contracts/attribution.md, section 11, 60 times as many
WORKED = (
    (("paid_social", "email"), True, 120),
    (("paid_search",), True, 180),
    (("paid_search",), False, 120),
    (("paid_social",), False, 240),
    (("email", "paid_search"), True, 60),
)


class Journeys:
    """Puts conversions and touchpoints into a store as the core does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0

    def add(self, channels: tuple[str, ...], *, is_converted: bool, times: int = 1, value: str = "10.00") -> None:
        def apply(write: WriteTxn) -> None:
            for _ in range(times):
                self._one(write, channels, is_converted, value)

        InlineWriter(self._store).submit(apply)

    def _one(self, write: WriteTxn, channels: tuple[str, ...], is_converted: bool, value: str) -> None:
        self._number += 1
        visitor = f"{self._number:032x}"
        path = [self._touch(write, channel, visitor, place) for place, channel in enumerate(channels)]
        if is_converted:
            self._convert(write, tuple(path), value)

    def _touch(self, write: WriteTxn, channel: str, visitor: str, place: int) -> PathTouch:
        at_ms = NOW_MS - (9 - place) * DAY_MS
        key = keys.touch("shop", at_ms, f"{visitor}{place}".encode())
        row = TouchRow(
            site="shop", at_ms=at_ms, kind="landing", evidence="campaign", source=channel, medium="", channel=channel,
            visitor_id=visitor,
        )  # fmt: skip
        write.put("touch", key, TOUCH.encode(row))
        return msgspec.structs.replace(touch(channel, 9 - place), id=key)

    def _convert(self, write: WriteTxn, path: tuple[PathTouch, ...], value: str) -> None:
        event_key = keys.event("shop", f"e-{self._number}", "purchase_placed")
        row = ConversionRow(
            site="shop", event_id=f"e-{self._number}", event_name="purchase_placed", occurred_at_ms=NOW_MS,
            received_at_ms=NOW_MS, version=1, cause="conversion", computed_at_ms=NOW_MS, final_at_ms=NOW_MS,
            value=Decimal(value), currency="EUR", path=path,
        )  # fmt: skip
        write.put("conversion", keys.conversion(event_key), CONVERSION.encode(credited(row, AttributionRules())))
        write.put("conversion", keys.conversion_at("shop", NOW_MS, event_key), b"")


def report(store: Store, asked: Asked = ALL) -> AttributionReport:
    reading = Reading(store, asked)
    for _ in reading.steps():
        pass
    return reading.report()


def test_the_worked_paths_of_the_page_come_out_of_a_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("journeys"), budget_bytes=64 << 20)
    journeys = Journeys(store)
    for channels, is_converted, times in WORKED:
        journeys.add(channels, is_converted=is_converted, times=times)
    found = report(store)
    credit = {(line.model, line.name): line.conversions for line in found.lines}
    assert credit["markov", "email"] == pytest.approx(60 * 1.894737, abs=0.001)
    assert credit["markov", "paid_search"] == pytest.approx(60 * 2.842105, abs=0.001)
    assert credit["markov", "paid_social"] == pytest.approx(60 * 1.263158, abs=0.001)
    assert [credit["shapley", name] for name in ("email", "paid_search", "paid_social")] == [90, 210, 60]
    assert [(one.conversions, one.paths) for one in found.rests_on] == [(360, 720)] * 2
    assert found.totals[0].net == Decimal(3600) == sum(line.net or 0 for line in found.lines if line.model == "markov")
    store.close()


CHANNELS = st.lists(st.sampled_from(["email", "sms", "direct"]), max_size=3).map(tuple)


@given(paths=st.lists(st.tuples(CHANNELS, st.booleans(), st.integers(0, 99_999)), max_size=9), step=st.integers(1, 4))
@settings(max_examples=30)
def test_totals_are_the_sum_of_the_rows_however_they_are_paged(
    tmp_path_factory: pytest.TempPathFactory, paths: list[tuple[tuple[str, ...], bool, int]], step: int
) -> None:
    store = Store(tmp_path_factory.mktemp("paged"), budget_bytes=16 << 20)
    journeys = Journeys(store)
    for channels, is_converted, cents in paths:
        journeys.add(channels, is_converted=is_converted, value=str(Decimal(cents).scaleb(-2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution_read, "STEP", step)
        found = report(store, msgspec.structs.replace(ALL, models=MODELS))
    whole = sum(Decimal(cents).scaleb(-2) for _, is_converted, cents in paths if is_converted)
    for model in MODELS:
        assert sum(line.net or 0 for line in found.lines if line.model == model) == whole
    assert sum(total.conversions for total in found.totals) == sum(is_converted for _, is_converted, _ in paths)
    store.close()


def test_a_conversion_that_cannot_be_read_is_counted_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("damaged"), budget_bytes=16 << 20)
    Journeys(store).add(("email",), is_converted=True, times=2)
    broken = keys.conversion(keys.event("shop", "e-1", "purchase_placed"))
    InlineWriter(store).submit(lambda write: write.put("conversion", broken, b"damaged"))
    found = report(store)
    assert (found.unreadable, found.totals[0].conversions) == (1, 1)
    store.close()


def readers(store: Store) -> int:
    """Read transactions that are open."""
    return sum(line.split()[2].isdigit() for line in store.env.readers().splitlines()[1:])


def test_each_step_is_a_read_of_its_own_and_rows_are_bounded(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("bounded"), budget_bytes=16 << 20)
    Journeys(store).add(("email",), is_converted=True, times=attribution_read.STEP + 1)
    reading = Reading(store, ALL)
    for _ in islice(reading.steps(), 3):
        assert readers(store) == 0
    few = Reading(store, msgspec.structs.replace(ALL, most=attribution_read.STEP))
    with pytest.raises(TooMany):
        list(few.steps())
    store.close()
