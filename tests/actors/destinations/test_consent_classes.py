"""What each platform's class needs, and whether it may have what the sale is denied for: contracts/consent.md, 3."""

import pytest

from actors.consent import ConsentRules, Standing, heeds_gpc, refusal, standing_of
from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.event import Consent, UserData
from gateway.config_reader import members
from tests.support.making import event
from tests.support.platform import Single

ADS, MEASURING = ("marketing",), ("analytics",)
TABLE = {
    "meta": (ADS, True), "google_ads": (ADS, True), "tiktok": (ADS, True), "pinterest": (ADS, True),
    "snapchat": (ADS, False), "reddit": (ADS, True), "linkedin": (ADS, False), "taboola": (ADS, False),
    "criteo": (ADS, False), "awin": (ADS, True), "ga4": (MEASURING, True), "klaviyo": (ADS, True),
    "webhook": (MEASURING, True),
}  # fmt: skip


@pytest.mark.parametrize("kind", members(AnyDestination), ids=lambda kind: str(kind.platform))
def test_a_platform_needs_what_its_class_does(kind: type[Destination]) -> None:
    assert (kind.needs, kind.without_sale) == TABLE[kind.platform]


@pytest.mark.parametrize(
    ("consent", "absent", "wanted"),
    [
        (Consent(marketing="granted"), "denied", "consent_unknown"),
        (Consent(marketing="granted", analytics="granted"), "denied", None),
        (Consent(marketing="denied"), "denied", "consent_denied"),
        (Consent(), "granted", None),
    ],
)
def test_of_several_purposes_all_must_be_granted_and_a_denial_counts_first(
    consent: Consent, absent: str, wanted: str | None
) -> None:
    one = Single(id="one", consent=("marketing", "analytics"))
    standing = Standing(consent=consent, absent="denied" if absent == "denied" else "granted")
    assert refusal(standing, one) == wanted


def test_a_route_asks_for_more_and_never_for_less() -> None:
    standing = Standing(consent=Consent(marketing="granted"), absent="denied")
    assert refusal(standing, Single(id="one"), ("preferences",)) == "consent_unknown"
    assert refusal(standing, Single(id="one"), ()) is None
    assert ConsentRules().relies_on == {}


@pytest.mark.parametrize(
    ("ip_country", "shipping", "own", "absent"),
    [
        ("US", "DE", "DE", "granted"),
        ("DE", "US", "US", "denied"),
        (None, "us", "DE", "granted"),
        (None, "Deutschland", "US", "denied"),
        (None, None, "US", "granted"),
        (None, None, None, "denied"),
    ],
)
def test_where_people_opt_out_what_nobody_answered_is_granted(
    ip_country: str | None, shipping: str | None, own: str | None, absent: str
) -> None:
    one = event(ip_country=ip_country, user_data=UserData(country=shipping))
    assert standing_of(one, Consent(), "regional", ConsentRules(country=own)).absent == absent


@pytest.mark.parametrize(("country", "wanted"), [("US", True), ("DE", False), (None, True)])
def test_a_site_may_heed_global_privacy_control_in_some_countries_only(country: str | None, wanted: bool) -> None:
    assert heeds_gpc(country, ConsentRules(gpc_countries=frozenset({"US"}))) is wanted
    assert heeds_gpc(country, ConsentRules())
