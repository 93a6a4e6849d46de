"""The published configuration: look-ups of sites and destinations."""

import pytest

from actors.destinations.base import Destination
from actors.snapshot import DAY_MS, Site, Snapshot, key_digest

SHOP = Site(id="shop", destinations=(Destination(id="first"), Destination(id="second")))
OTHER = Site(id="other", destinations=(Destination(id="first"),))
SNAPSHOT = Snapshot(
    version=3,
    sites={"shop": SHOP, "other": OTHER},
    write_keys={key_digest("wk_shop"): "shop", key_digest("wk_gone"): "gone"},
    public_keys={key_digest("pk_shop"): "shop"},
)


def test_a_write_key_finds_its_site() -> None:
    assert SNAPSHOT.site_by_write_key("wk_shop") is SHOP


@pytest.mark.parametrize("key", ["", "wk_shop ", "WK_SHOP", "pk_shop", "wk_gone", "\ud800", "k" * 100_000])
def test_any_other_key_finds_no_site(key: str) -> None:
    assert SNAPSHOT.site_by_write_key(key) is None


def test_a_public_key_is_no_write_key() -> None:
    assert SNAPSHOT.site_by_public_key("pk_shop") is SHOP
    assert SNAPSHOT.site_by_public_key("wk_shop") is None


def test_a_destination_is_found_within_its_site_only() -> None:
    assert SNAPSHOT.destination("shop", "second") is SHOP.destinations[1]
    assert SNAPSHOT.destination("other", "second") is None
    assert SNAPSHOT.destination("gone", "first") is None


def test_destinations_come_with_their_sites_in_order() -> None:
    assert [(site.id, one.id) for site, one in SNAPSHOT.destinations()] == [
        ("shop", "first"),
        ("shop", "second"),
        ("other", "first"),
    ]


def test_each_site_has_its_retention() -> None:
    month = Site(id="month", retention_ms=30 * DAY_MS)
    assert Snapshot(sites={"shop": SHOP, "month": month}).retentions() == {"shop": 90 * DAY_MS, "month": 30 * DAY_MS}


def test_the_events_api_has_no_site_unless_one_is_named() -> None:
    assert SNAPSHOT.site_of_events_api() is None
    assert Snapshot(sites={"shop": SHOP}, events_api_site="shop").site_of_events_api() is SHOP


def test_no_key_is_readable_in_a_snapshot() -> None:
    assert "wk_shop" not in repr(SNAPSHOT)
