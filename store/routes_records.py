"""The stored records of a site's routes: their published versions, and the draft of the next one.

Apart from records.py for its length; of the same form.
"""

from msgspec import Struct

from store.codec import Codec


class RoutesVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One published version of a site's routes; never edited. Its number is that of the document that published it."""

    site: str
    number: int
    at_ms: int
    author: str
    routes: bytes  # as in SiteRoutes
    note: str = ""
    of: int = 0  # the version that a rollback took it from
    is_declared: bool = False  # the configuration file says it, not this row


class DraftText(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One revision of a draft. `routes` None: as what is live."""

    revision: int = 0  # 0: nothing was ever saved
    routes: bytes | None = None
    author: str = ""
    at_ms: int = 0


class RoutesDraft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A site's draft. `earlier`: revisions before it, the newest first, so that an editor who read one of them can be
    told what changed since."""

    site: str
    text: DraftText = DraftText()
    base: int = 0  # number of the live version when it was saved
    earlier: tuple[DraftText, ...] = ()


ROUTES_VERSION: Codec[RoutesVersion] = Codec(RoutesVersion)
ROUTES_DRAFT: Codec[RoutesDraft] = Codec(RoutesDraft)
