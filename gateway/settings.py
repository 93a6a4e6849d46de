"""What can be configured: the records that config.toml fills. docs/configuration.md says what each is for.

A field's comment is its one line; a test holds docs/configuration.md and config.example.toml to these fields.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.consent import Default
from actors.destinations.base import Destination
from actors.event import Purpose
from actors.routes import Route
from actors.secret import Secret
from gateway.config_values import Bind, ByteSize, Cidr, Network, Origin
from gateway.logs import LogFormat, LogLevel
from gateway.settings_attribution import AttributionSettings
from gateway.sources.base import WebhookSource
from gateway.tag_settings import TagSettings

GIB = 1 << 30
ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
ID_FORM = "1 to 63 characters: a-z, 0-9, _ and -, the first a letter or digit"

Rate = Annotated[float, Meta(ge=0, le=1_000_000, description="0 (no bound) to 1000000")]
SiteId = Annotated[str, Meta(pattern=ID_PATTERN, description=ID_FORM)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="two capital letters such as 'DE'")]
Domain = Annotated[
    str, Meta(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", description="a domain without a dot before it, as 'example.com'")
]
HomeUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$", description="a url as 'https://shop.example.com/'"
    ),
]
HeaderName = Annotated[str, Meta(pattern="^[A-Za-z0-9-]{0,64}$", description="a header's name such as 'CF-IPCountry'")]
ScriptPath = Annotated[
    str, Meta(pattern=r"^$|^(?!/api/)(/[A-Za-z0-9._-]+)+\.js$", description="a path as '/sdk.js', or '' for none")
]


class ServerSettings(Struct, frozen=True, kw_only=True):
    bind: Bind = Bind("127.0.0.1:8080")
    metrics_bind: Bind = Bind("127.0.0.1:9464")  # empty: no metrics page
    data_dir: Annotated[str, Meta(min_length=1)] = "data"
    trusted_proxies: tuple[Cidr, ...] = ()  # whose X-Forwarded-For counts
    edges: Annotated[int, Meta(ge=0, le=64)] = 0  # further edge processes; 0: edge and core share one
    shards: Annotated[int, Meta(ge=1, le=256)] = 16  # of the mailbox; set once for a data directory
    disk_budget: ByteSize = ByteSize(64 * GIB)
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 4_096
    max_connections_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 64
    keep_alive_s: Annotated[float, Meta(ge=1, le=600)] = 5.0  # how long an idle connection stays open
    outbox_limit: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_000_000  # deliveries that wait, per destination
    country_header: HeaderName = ""  # in which trusted proxies tell the country of a visitor's address
    sdk_path: ScriptPath = "/sdk.js"  # where pages find the browser SDK; empty: nowhere
    tag_path: ScriptPath = "/tag.js"  # where pages find their site's tag loader; empty: nowhere
    admin_token: Secret | None = None  # of the API; default: GATEWAY_ADMIN_TOKEN of the environment; none: API off
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"

    def trusted_networks(self) -> tuple[Network, ...]:
        return tuple(cidr.network for cidr in self.trusted_proxies)


class ConsentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sites.consent]`."""

    default: Default | None = None  # takes the place of consent_default
    hold_s: Annotated[float, Meta(ge=0, le=86_400)] = 1_800  # how long an event waits for a choice; 0: not at all
    opt_out_countries: tuple[Country, ...] = ("US",)  # where an absent purpose counts as granted, with "regional"
    country: Country | None = None  # of a visitor whose country nobody tells
    gpc_countries: tuple[Country, ...] = ()  # where Global Privacy Control counts; none: everywhere


class IdentitySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_age_days: Annotated[int, Meta(ge=0, le=730)] = 180  # how old what is added to events may be; 0: nothing is
    blocked: tuple[str, ...] = ()  # addresses (or their SHA-256) and ids that are nobody's: those of the shop's staff
    links_only: tuple[str, ...] = ()  # addresses of several persons, as info@…: kept, but they join nobody


class SiteSettings(Struct, frozen=True, kw_only=True):
    id: SiteId
    write_keys: tuple[Secret, ...] = ()  # of servers
    public_keys: tuple[str, ...] = ()  # of browsers: in the page for all to see
    origins: tuple[Origin, ...] = ()  # pages that may post
    retention_days: Literal[30, 90, 180, 365] = 90
    consent_default: Default = "granted"  # what an absent purpose counts as
    consent: ConsentSettings = ConsentSettings()
    keep_plaintext: Literal["no", "sealed"] = "no"
    purchase_hold_s: Annotated[float, Meta(ge=0, le=3_600)] = 5.0  # how long a purchase waits for its twin; 0: not
    dedup_window_h: Annotated[float, Meta(ge=1, le=8_760)] = 24
    ip_rate: Rate = 50  # events a second of one address; 0: no bound
    ip_burst: Rate = 200
    key_rate: Rate = 0  # events a second of one write key; 0: no bound
    key_burst: Rate | None = None  # default: four times key_rate
    default_country: Country | None = None
    cookie_domain: Domain | None = None
    events_api: bool = False  # POST / posts to this site, without a key
    home_url: HomeUrl | None = None  # where a tracked link leads that is unknown, disabled or expired
    bots: Literal["keep", "drop"] = "keep"  # whether what counts as a bot's goes to platforms
    consent_categories: dict[str, tuple[Purpose, ...]] = {}  # a consent tool's category -> purposes, of Segment clients
    tag: TagSettings | None = None  # what the tag loader loads in browsers; none: there is no loader
    attribution: AttributionSettings = AttributionSettings()  # what is credited for a conversion
    identity: IdentitySettings = IdentitySettings()  # whose events are whose, and what is added to them
    sources: tuple[WebhookSource, ...] = ()  # senders of webhooks
    destinations: tuple[Destination, ...] = ()
    routes: tuple[Route, ...] = ()  # which events go where; a destination without one gets what its platform knows


class Config(Struct, frozen=True, kw_only=True):
    """`notes`: what is worth a line in the log although it is no fault. `held`: destinations (site, id) that the store
    has and that cannot be in force now; what waits for them stays."""

    server: ServerSettings = ServerSettings()
    sites: tuple[SiteSettings, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    origin: str = "the environment"  # where the sites were declared
