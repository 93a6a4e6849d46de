"""Ways into the shop: the url and referrer of the first page, and what contracts/attribution.md, section 3, makes of
them. Written out by hand, so that the gateway's own rules are not asked what they should give."""

from typing import Final

from msgspec import Struct

SHOP: Final = "https://shop.example.com"
CHECKOUT: Final = "https://checkout.example.com"


class Landing(Struct, frozen=True, kw_only=True):
    """`query`: `{n}` is a number that no other landing has, `{c}` that of a campaign. `evidence`: its weight in the
    confidence, in hundredths. `is_paid`: a paid channel or an ads-only click id."""

    name: str
    share: int
    channel: str
    query: str = ""
    referrer: str = ""
    evidence: int
    is_paid: bool = False

    @property
    def has_click_id(self) -> bool:
        return "{n}" in self.query


LANDINGS: Final = (
    Landing(name="direct", share=22, channel="direct", evidence=30),
    Landing(
        name="search_ad", share=16, channel="paid_search", query="gclid=Cj0KCQ{n}&gad_source=1&gad_campaignid=77{c}",
        referrer="https://www.google.com/", evidence=100, is_paid=True,
    ),
    Landing(
        name="social_ad", share=12, channel="paid_social", is_paid=True, evidence=90,
        query="utm_source=facebook&utm_medium=paid_social&utm_campaign=Spring%20{c}&fbclid=IwAR{n}",
        referrer="https://l.facebook.com/",
    ),
    Landing(
        name="search", share=16, channel="organic_search", referrer="https://www.google.com/", evidence=70,
    ),
    Landing(
        name="social", share=6, channel="organic_social", query="fbclid=IwPost{n}", referrer="https://l.facebook.com/",
        evidence=70,
    ),
    Landing(
        name="newsletter", share=10, channel="email", evidence=90,
        query="utm_source=klaviyo&utm_medium=email&utm_campaign=autumn-{c}&_kx=Zm9vYmFy{n}.AbC123",
    ),
    Landing(name="assistant", share=3, channel="ai_assistant", referrer="https://chatgpt.com/", evidence=70),
    Landing(name="blog", share=5, channel="referral", referrer="https://blog.example.net/post/1", evidence=70),
    Landing(
        name="affiliate", share=3, channel="affiliate", query="awc=12345_1795032251_{n}", evidence=70,
        referrer="https://deals.example.org/",
    ),
    Landing(
        name="banner", share=2, channel="display", query="utm_source=dv360&utm_medium=display&utm_campaign=b{c}",
        referrer="https://news.example.net/", evidence=90, is_paid=True,
    ),
    Landing(name="text", share=2, channel="sms", query="utm_source=klaviyo&utm_medium=sms", evidence=80),
    Landing(
        name="partner_ad", share=2, channel="paid_other", query="utm_source=partner&utm_medium=cpc&utm_campaign=p{c}",
        evidence=90, is_paid=True,
    ),
    Landing(
        name="post", share=1, channel="organic_social", query="utm_source=facebook&utm_medium=email", evidence=80,
    ),
)  # fmt: skip
