"""Which sources of webhooks there are, and which of them each site has."""

from collections.abc import Iterable

from gateway.sources.base import WebhookSource
from gateway.sources.generic import Generic
from gateway.sources.klaviyo import Klaviyo
from gateway.sources.recharge import Recharge
from gateway.sources.shopify import Shopify

AnySource = Shopify | Recharge | Klaviyo | Generic
KINDS = frozenset({Shopify.kind, Recharge.kind, Klaviyo.kind, Generic.kind})


class Senders:
    """The configured sources, to be looked up by what their path says. Frozen: a change makes another."""

    __slots__ = ("_by_id", "_by_kind")

    def __init__(self, configured: Iterable[tuple[str, WebhookSource]] = ()) -> None:
        """`configured`: each source with its site's id."""
        found = list(configured)
        self._by_id = {(site, one.id): one for site, one in found}
        self._by_kind = {(one.kind, site): one for site, one in found if one.is_only}

    def of_kind(self, kind: str, site: str) -> WebhookSource | None:
        return self._by_kind.get((kind, site))

    def of_id(self, site: str, source_id: str) -> WebhookSource | None:
        return self._by_id.get((site, source_id))
