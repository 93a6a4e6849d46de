"""The published configuration as the core and the edge see it: each site's rules, and whose key is whose.

A snapshot is frozen; a change publishes a new one with a higher version. It holds SHA-256 digests of keys, never the
keys: a look-up hashes what the caller sent and asks a table, so how long it takes says nothing about a key's text.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from msgspec import Struct

from actors.attribution.settings import AttributionRules
from actors.compiled_routes import Plan
from actors.consent import ConsentRules, Default
from actors.destinations.base import Destination
from actors.event import Purpose
from actors.identifying import IdentityRules
from actors.routes import Route
from actors.twins import is_twin, real_id, twin_of

DAY_MS = 86_400_000


class Site(Struct, frozen=True, kw_only=True, dict=True):
    """The rules of one site. A rate of 0 is off."""

    id: str
    destinations: tuple[Destination, ...] = ()
    origins: frozenset[str] = frozenset()  # as browsers send them: scheme://host[:port]
    retention_ms: int = 90 * DAY_MS
    consent_default: Default = "granted"  # what an absent purpose counts as
    consent: ConsentRules = ConsentRules()
    is_plaintext_sealed: bool = False  # identifiers are kept sealed besides their digests
    purchase_hold_ms: int = 5_000  # how long a purchase waits for its twin; 0: not at all
    dedup_window_ms: int = DAY_MS
    ip_rate: float = 50.0  # events a second of one address
    ip_burst: float = 200.0
    key_rate: float = 0.0  # events a second of one write key
    key_burst: float = 0.0
    default_country: str | None = None  # ISO 3166-1 alpha-2, for phone numbers without a country code
    cookie_domain: str | None = None  # of the visitor cookie; None: the host that was asked
    is_events_api: bool = False  # POST / posts to this site, without a key
    home_url: str | None = None  # where a tracked link leads that is unknown, disabled or expired
    bots: Literal["keep", "drop"] = "keep"  # whether what counts as a bot's goes to platforms
    identity: IdentityRules = IdentityRules()
    consent_categories: Mapping[str, tuple[Purpose, ...]] = {}  # a consent tool's category -> purposes
    routes: tuple[Route, ...] = ()  # of a destination without any its own event names decide

    attribution: AttributionRules = AttributionRules()

    @cached_property
    def plan(self) -> Plan:
        """Its routes, compiled once."""
        return Plan(self.routes)

    def destination(self, destination_id: str) -> Destination | None:
        """By its id, or by that of its test twin (twins.py)."""
        found = next((one for one in self.destinations if one.id == real_id(destination_id)), None)
        return twin_of(found) if found is not None and is_twin(destination_id) else found


class Snapshot(Struct, frozen=True, kw_only=True):
    version: int = 0
    sites: Mapping[str, Site] = {}
    write_keys: Mapping[bytes, str] = {}  # digest of a key -> id of its site
    public_keys: Mapping[bytes, str] = {}
    events_api_site: str | None = None
    held: frozenset[tuple[str, str]] = frozenset()  # (site, destination) not in force now, whose outbox stays

    def site_by_write_key(self, key: str) -> Site | None:
        return self._site_of(self.write_keys.get(key_digest(key)))

    def site_by_public_key(self, key: str) -> Site | None:
        return self._site_of(self.public_keys.get(key_digest(key)))

    def site_of_events_api(self) -> Site | None:
        return self._site_of(self.events_api_site)

    def destination(self, site_id: str, destination_id: str) -> Destination | None:
        site = self.sites.get(site_id)
        return site.destination(destination_id) if site else None

    def destinations(self) -> list[tuple[Site, Destination]]:
        """Every destination with its site, in the order of the configuration."""
        return [(site, destination) for site in self.sites.values() for destination in site.destinations]

    def retentions(self) -> dict[str, int]:
        """How long each site's events are kept, in milliseconds."""
        return {site.id: site.retention_ms for site in self.sites.values()}

    def _site_of(self, site_id: str | None) -> Site | None:
        return None if site_id is None else self.sites.get(site_id)


def key_digest(key: str) -> bytes:
    """SHA-256 of a key. What a caller sent may hold lone surrogates: they make a digest that no key has."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
