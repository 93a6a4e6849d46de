"""Source, medium, campaign and channel of a landing (contracts/attribution.md, section 3)."""

import pytest

from actors.attribution.channels import CHANNELS, Named, channel_of
from actors.attribution.evidence import Link, Origin, message_origin, origin_of, parameters_of, signal_origin
from actors.attribution.landings import Hosts, landing_of
from actors.attribution.referrers import category, classify
from actors.attribution.settings import AttributionRules, ChannelRule
from actors.event import CustomData, Event, Page, Source

HOSTS = Hosts(frozenset({"shop.example"}), frozenset({"paypal.com"}))


def landing(query: str, referrer: str = "", rules: AttributionRules | None = None, link: Link | None = None) -> Origin:
    own = rules or AttributionRules()
    found = landing_of(event(query, referrer), own, HOSTS)
    return origin_of(found.parameters, found.came.referrer, found.came.host, own, link)


def event(query: str = "", referrer: str = "", *, source: Source = "browser", **told: object) -> Event:
    page = Page(url=f"https://shop.example/{query}", referrer=referrer or None)
    return Event(
        site="shop", event_name="page_viewed", event_id="e", occurred_at_ms=1, received_at_ms=1, source=source,
        page=page, custom_data=CustomData(properties=told),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "referrer", "source", "medium", "channel"),
    [
        ("?utm_source=Klaviyo&utm_medium=email&utm_campaign=autumn&_kx=abc.AbC123", "", "Klaviyo", "email", "email"),
        ("?gclid=Cj0", "", "google", "cpc", "paid_search"),
        ("?fbclid=IwAR", "", "facebook", "social", "organic_social"),
        ("?fbclid=IwAR&utm_medium=paid_social", "", "facebook", "paid_social", "paid_social"),
        ("?fbclid=IwAR", "https://l.instagram.com/", "instagram", "social", "organic_social"),
        ("", "https://chatgpt.com/", "chatgpt", "ai-assistant", "ai_assistant"),
        ("", "https://l.instagram.com/", "instagram", "social", "organic_social"),
        ("", "https://www.google.co.uk/", "google", "organic", "organic_search"),
        ("", "https://gemini.google.com/", "gemini", "ai-assistant", "ai_assistant"),
        ("", "https://x.com/i/grok", "grok", "ai-assistant", "ai_assistant"),
        ("", "https://mail.google.com/", "gmail", "email", "email"),
        ("", "android-app://com.google.android.gm/", "gmail", "email", "email"),
        ("", "https://www.youtube.com/", "youtube", "organic", "organic_video"),
        ("", "https://www.ebay.de/", "ebay.de", "organic", "organic_shopping"),
        ("", "https://www.facebook.com/", "facebook", "social", "organic_social"),
        ("", "https://blog.example.org/a", "blog.example.org", "referral", "referral"),
        ("", "", "(direct)", "(none)", "direct"),
        ("?utm_source=facebook&utm_medium=email", "", "facebook", "email", "organic_social"),
        ("?utm_source=facebook&utm_medium=social&gclid=a", "", "facebook", "social", "paid_social"),
        ("?utm_medium=social&gclid=a", "", "google", "social", "paid_search"),
        ("?dclid=a", "", "google", "cpm", "paid_search"),
        ("?srsltid=a", "", "google", "organic", "organic_shopping"),
        ("?tblci=Gi1", "", "taboola", "cpc", "paid_other"),
        ("?awc=1_2_3", "", "awin", "affiliate", "affiliate"),
        ("?utm_source=newsletter&utm_medium=banner", "", "newsletter", "banner", "display"),
        ("?utm_source=shop&utm_campaign=summer-shop&utm_medium=cpc", "", "shop", "cpc", "paid_shopping"),
        ("?UTM_Source=news&utm_medium=SMS", "", "news", "SMS", "sms"),
        ("?gad_source=1", "", "google", "cpc", "paid_search"),
        ("?utm_source=tiktok", "https://www.tiktok.com/", "tiktok", "social", "organic_social"),
    ],
)  # fmt: skip
def test_a_landing_has_its_source_medium_and_channel(
    query: str, referrer: str, source: str, medium: str, channel: str
) -> None:
    found = landing(query, referrer)
    assert (found.source, found.medium, found.channel) == (source, medium, channel)


@pytest.mark.parametrize(
    ("named", "channel"),
    [
        (Named("(direct)", "(not set)"), "direct"),
        (Named("google", "cpc", "x cross-network y"), "cross_network"),
        (Named("google", "organic", "winter shopping"), "organic_shopping"),
        (Named("google", "cpc", "autumn workshop"), "paid_search"),  # a shop only at the begin of a word, or after an e
        (Named("youtube", "cpm"), "paid_video"),
        (Named("acme", "cpm"), "display"),
        (Named("acme", "retargeting"), "paid_other"),
        (Named("acme", "video"), "organic_video"),
        (Named("acme", "audio"), "audio"),
        (Named("acme", "webpush"), "push"),
        (Named("firebase", ""), "push"),
        (Named("acme", "app"), "referral"),
        (Named("my-e-mail", ""), "email"),
        (Named("acme", "something"), "unassigned"),
    ],
)
def test_the_first_rule_that_holds_names_the_channel(named: Named, channel: str) -> None:
    assert channel_of(named) == channel
    assert channel in CHANNELS


def test_a_sites_own_rules_come_first() -> None:
    rule = ChannelRule(channel="influencer", source="insta*", campaign="creator-*")
    rules = AttributionRules(channel_rules=(rule,))
    assert landing("?utm_source=Instagram&utm_campaign=creator-anna", rules=rules).channel == "influencer"
    assert landing("?utm_source=Instagram&utm_campaign=autumn", rules=rules).channel == "organic_social"


def test_of_several_click_ids_the_tables_first_gives_the_source_unless_utm_source_names_another() -> None:
    assert landing("?ttclid=b&gclid=a").source == "google"
    assert landing("?ttclid=b&gclid=a&utm_source=tiktok").medium == "cpc"
    assert [name for name, _ in landing("?ttclid=b&gclid=a").clicks] == ["gclid", "ttclid"]


def test_of_several_names_for_a_field_the_first_configured_one_counts() -> None:
    rules = AttributionRules(parameter_aliases=(("utm_source", ("src", "from")),))
    assert landing("?utm_source=c&from=b&src=a", rules=rules).source == "a"


def test_the_links_fields_come_before_the_urls() -> None:
    link = Link(source="flyer", medium="print", campaign="spring", channel="offline")
    found = landing("?gw_lid=x&utm_source=other&utm_term=t", link=link)
    assert (found.source, found.medium, found.campaign, found.term) == ("flyer", "print", "spring", "t")
    assert (found.channel, found.evidence) == ("offline", "link")


@pytest.mark.parametrize(
    ("query", "evidence"),
    [
        ("?gclid=a", "ads_click"),
        ("?utm_source=a&utm_medium=b&utm_campaign=c", "campaign"),
        ("?utm_source=a", "parameters"),
        ("?fbclid=a", "click"),
        ("", "direct"),
    ],
)
def test_evidence_says_how_sure_the_source_is(query: str, evidence: str) -> None:
    assert landing(query).evidence == evidence


def test_values_are_decoded_once_and_kept_within_bounds() -> None:
    found = landing("?utm_source=a%2520b&utm_campaign=" + "x" * 300)
    assert found.source == "a%20b"
    assert len(found.campaign) == 255


def test_the_google_campaign_is_taken_from_its_own_parameter() -> None:
    assert landing("?gclid=a&gad_campaignid=77").campaign == "77"


def test_parameters_told_beside_the_url_count_where_the_url_has_none() -> None:
    told = event(utm_source="google", utm_medium="cpc")
    assert parameters_of(told, AttributionRules())["utm_medium"] == "cpc"


def test_a_click_in_a_message_is_named_by_its_campaign_or_flow() -> None:
    clicked = event(source="klaviyo_webhook", channel="sms", campaign_name="Autumn")
    found = message_origin(clicked, {}, AttributionRules())
    assert (found.source, found.medium, found.campaign, found.channel) == ("klaviyo", "sms", "Autumn", "sms")


def test_a_lead_that_names_its_source_is_a_signal_and_one_that_does_not_is_none() -> None:
    found = signal_origin(event(source="webhook", lead_source="trade fair"), AttributionRules())
    assert found is not None
    assert (found.source, found.evidence) == ("trade fair", "signal")
    assert signal_origin(event(source="webhook"), AttributionRules()) is None


def test_the_longest_entry_decides_and_hosts_match_at_a_dot() -> None:
    assert classify("images.google.com").source == "google images"
    assert classify("notgoogle.com").kind == "other"
    assert classify("mail.yandex.com.tr").kind == "mail"
    assert category("fb") == "social"
    assert category("nobody") is None
