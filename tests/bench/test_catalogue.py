"""All names, all platforms at once, through the real process tree; and the table of right ends tells a wrong one."""

from collections import Counter
from pathlib import Path

import pytest

from actors.names import CANONICAL_NAMES, canonical_name
from bench import catalogue
from bench.catalogue import DESTINATIONS, End, wrong
from bench.catalogue_events import CUSTOM_NAMES, NAMES, Given, given
from bench.catalogue_rules import right
from bench.setting import open_setting

SEED = 7
EVENTS = 624


def say_nothing(_: str) -> None:
    pass


def test_each_event_of_the_catalogue_comes_to_its_right_end_at_every_platform(tmp_path: Path) -> None:
    with open_setting(tmp_path, seconds=None, is_quick=True, tell=say_nothing) as setting:
        [section] = catalogue.run_seeded(setting, SEED, EVENTS).sections
    rows = [row for row in section.rows if isinstance(row, catalogue.Row)]
    assert [row.destination for row in rows] == list(DESTINATIONS)
    assert all(row.delivered > 0 and row.requests > 0 for row in rows)
    assert sum(row.delivered for row in rows) > EVENTS


def test_catalogue_holds_all_names_and_twenty_of_its_own() -> None:
    assert {given(number, SEED).name for number in range(len(NAMES))} == {*CANONICAL_NAMES, *CUSTOM_NAMES}
    assert len(CUSTOM_NAMES) == 20
    assert [canonical_name(name) for name in CUSTOM_NAMES] == list(CUSTOM_NAMES)


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_each_destination_has_events_of_every_kind_of_end(destination: str) -> None:
    ends = Counter(end for number in range(EVENTS) for end in right(given(number, SEED), destination))
    assert ends["delivered"] > 0
    assert ends["not_routed:consent_denied"] > 0
    assert len(ends) > 2 or destination == "webhook"


PURCHASE = Given(
    number=1, name="purchase_placed", person="email", choice="granted", money="whole", items="full", where="website",
    has_order_id=True, has_coupon=False, age_s=0, text="Shoe", price=1.0,
)  # fmt: skip
WRONG = {
    "delivered without a click": End(destination="taboola", what="delivered", attempts=1),
    "refused by the platform": End(destination="meta", what="dropped:platform_refused"),
    "not delivered": End(destination="meta", what="dropped:not_encodable"),
    "sent twice": End(destination="meta", what="delivered", attempts=2),
    "still waiting": End(destination="meta", what="queued"),
    "two events": End(destination="", what="2 events, ['processed', 'processed']"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_end_is_told(case: str) -> None:
    assert len(list(wrong(PURCHASE, WRONG[case]))) == 1


def test_a_right_end_is_not_told() -> None:
    assert not list(wrong(PURCHASE, End(destination="meta", what="delivered", attempts=1)))
