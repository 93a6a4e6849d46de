"""The canonical event: what everything that comes in becomes before anything is decided about it.

Source: the field table of contracts/README.md. Times are Unix milliseconds in UTC, money is `Decimal`.
An identifier of a person is never here in plaintext: it is a *digest set*, one SHA-256 (lower-case hex) for each
normalisation that platforms use. In a digest set `sha256` is the standard form; every other form is present only where
it differs from the standard one, so a reader writes `email.google or email.sha256`.
"""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

State = Literal["granted", "denied"]
Purpose = Literal["analytics", "marketing", "preferences", "sale_of_data"]
Basis = Literal["chosen", "allowed"]
PURPOSES: tuple[Purpose, ...] = ("analytics", "marketing", "preferences", "sale_of_data")

Source = Literal[
    "browser",
    "shopify_pixel",
    "shopify_webhook",
    "recharge_webhook",
    "klaviyo_webhook",
    "webhook",
    "server",
    "segment",
    "events_api",
    "link",
    "test",
]
BROWSER_SOURCES: frozenset[str] = frozenset({"browser", "shopify_pixel", "events_api"})  # nobody else uses them

BOT_SCORE = 60  # from here on an event counts as a bot's; ours: one strong sign, or two weak ones

ActionSource = Literal["website", "app", "physical_store", "system_generated", "email", "phone_call", "chat", "other"]


class EmailDigests(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`sha256`: of the trimmed, lower-case address."""

    sha256: str
    gmail: str | None = None  # Gmail addresses without dots before the @ (GA4)
    google: str | None = None  # Gmail addresses without dots and +tag (Google Ads)
    reddit: str | None = None  # local part cut at +, only letters and digits (Reddit)
    md5: str | None = None  # MD5 of the standard form (Criteo); None when the value arrived hashed
    sha256_md5: str | None = None  # SHA-256 of the hex MD5 (Criteo); None when the value arrived hashed
    suffix: str | None = None  # what a platform's library appended to a hash that arrived, without its dot


class PhoneDigests(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`sha256`: of the E.164 form with its `+`."""

    sha256: str
    digits: str | None = None  # the same without `+` (Meta, Pinterest, Snapchat); None when the value arrived hashed
    suffix: str | None = None


class NameDigests(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """First or last name. `sha256`: of the lower-case form without punctuation and spaces, accents kept (Meta)."""

    sha256: str
    words: str | None = None  # lower-case, trimmed, no digits or punctuation, inner spaces kept (Google)
    plain: str | None = None  # lower-case and trimmed, punctuation kept (TikTok, Pinterest)
    suffix: str | None = None


class Digest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An identifier that all platforms normalise alike: street (lower-case, no symbols), date of birth (`YYYYMMDD`),
    gender (`f`, `m`, `n`)."""

    sha256: str
    suffix: str | None = None


class Plaintext(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The values a sealed site keeps, opened only while a destination that needs them encodes."""

    email: str | None = None
    phone: str | None = None  # E.164
    first_name: str | None = None
    last_name: str | None = None
    street: str | None = None
    date_of_birth: str | None = None  # YYYY-MM-DD
    gender: str | None = None


class UserData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Identifiers. City, region, postal code and country are kept as they came; click ids and cookies are opaque."""

    email: EmailDigests | None = None
    phone: PhoneDigests | None = None
    first_name: NameDigests | None = None
    last_name: NameDigests | None = None
    street: Digest | None = None
    date_of_birth: Digest | None = None
    gender: Digest | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    external_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    client_ip: str | None = None
    client_user_agent: str | None = None
    fbp: str | None = None
    fbc: str | None = None
    ga_client_id: str | None = None
    ga_session_id: str | None = None
    gclid: str | None = None
    gbraid: str | None = None
    wbraid: str | None = None
    ttclid: str | None = None
    ttp: str | None = None
    epik: str | None = None
    sc_click_id: str | None = None
    sc_cookie1: str | None = None
    li_fat_id: str | None = None
    rdt_cid: str | None = None
    rdt_uuid: str | None = None
    awc: str | None = None
    tblci: str | None = None
    criteo_id: str | None = None
    klaviyo_id: str | None = None
    kx: str | None = None
    msclkid: str | None = None
    sealed: bytes | None = None  # AES-GCM of a msgpack `Plaintext`, only on sites with keep_plaintext = "sealed"
    plain: Plaintext | None = None  # never stored: set by the dispatcher for a destination that needs plaintext


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a cart or order. `price` is one unit's price after its own discount (contracts/README.md)."""

    id: str | None = None
    name: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    brand: str | None = None
    category: str | None = None
    variant: str | None = None
    discount: Decimal | None = None


class CustomData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Business context. `value` is what the buyer pays for the whole order, tax and shipping included."""

    value: Decimal | None = None
    currency: str | None = None  # ISO 4217, upper case
    order_id: str | None = None
    checkout_token: str | None = None
    items: tuple[Item, ...] = ()
    num_items: int | None = None
    product_ids: tuple[str, ...] = ()
    shipping: Decimal | None = None
    tax: Decimal | None = None
    discount: Decimal | None = None
    coupon: str | None = None
    search_term: str | None = None
    subscription_id: str | None = None
    lead_id: str | None = None
    content_name: str | None = None
    content_category: str | None = None
    customer_type: Literal["new", "returning"] | None = None
    properties: dict[str, Any] = {}  # any further custom property: JSON values


class Page(Struct, frozen=True, kw_only=True, omit_defaults=True):
    url: str | None = None
    referrer: str | None = None
    title: str | None = None
    path: str | None = None


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the person allowed; None means unknown, which is not consent."""

    analytics: State | None = None
    marketing: State | None = None
    preferences: State | None = None
    sale_of_data: State | None = None


class ConsentNote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a consent came, where it was not simply said in canonical purposes. `raw`: the signals as they came, JSON."""

    came: tuple[str, ...] = ()  # the signals it was read from: tcf, gpp, gcm, shopify, gpc; none: the purposes alone
    basis: Basis = "chosen"  # "allowed": nobody chose, none need be asked there or none opted out
    raw: str = ""
    policy: str = ""  # id of the banner or of the policy it was given under
    region: str = ""  # where, in the sender's own words
    is_gpc: bool = False  # the browser opts out of every sale (Global Privacy Control)
    objects: bool | None = None  # the person objects to all, or takes the objection back


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    site: str
    event_name: str  # one of names.CANONICAL_NAMES, or a custom name
    event_id: str
    occurred_at_ms: int
    received_at_ms: int
    source: Source
    action_source: ActionSource = "website"
    page: Page = Page()
    landing_query: str = ""  # of the page that the visitor came in by, where that is not this one
    user_data: UserData = UserData()
    custom_data: CustomData = CustomData()
    consent: Consent = Consent()
    consent_note: ConsentNote | None = None
    ip_country: str | None = None  # of the visitor's address, as a trusted proxy tells it; ISO 3166-1 alpha-2
    is_internal: bool = False  # kept for the gateway's own use: it goes to no platform
    is_from_browser: bool = False  # a browser sent it, by a source that servers use too
    integrations: dict[str, bool] = {}  # "all", platforms, ids of destinations -> whether the sender wants it there
    is_id_made: bool = False  # the sender gave no event_id: the gateway made it, it cannot deduplicate
    bot_score: int = 0  # 0 to 100, of what a browser sent: how likely it is that no person did (bots.py)
    bot_reasons: tuple[str, ...] = ()  # and why
    marks: tuple[str, ...] = ()  # what was noticed at the edge: "late", "early", "card_removed", "personal_removed"


def happened_at_ms(event: Event) -> int:
    """When it happened, but never after it arrived: a sender's clock may be ahead."""
    return min(event.occurred_at_ms, event.received_at_ms)


STRIPPED = "stripped"  # mark of an event that goes out without anybody in it


def is_browser(event: Event) -> bool:
    """Whether a visitor's own browser sent it."""
    return event.is_from_browser or event.source in BROWSER_SOURCES


def is_bot(event: Event) -> bool:
    """Whether it counts as a bot's. What a server tells is never judged."""
    return event.bot_score >= BOT_SCORE


def is_test(event: Event) -> bool:
    """Whether somebody tries the gateway out: it is no event of a shop."""
    return event.source == "test"
