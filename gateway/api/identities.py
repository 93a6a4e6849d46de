"""/api/identities: who is known by what, and a merge undone, as `gateway identity` does it. No plaintext."""

from typing import Final

from msgspec import Struct
from quart import Blueprint, Response

from gateway import identities
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, refuse
from gateway.identities import IdentityView

WHO_CHARS: Final = 300
SPLIT_EXAMPLE: Final = {"identity": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "merge": "5c6d7e8f90a1b2c3"}


class SplitAsked(Struct, frozen=True, kw_only=True):
    """The split is on disk; the core does it when its turn comes."""

    identity: str
    merge: str


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("identities", __name__)

    @documented("identities", {200: IdentityView}, refuses=(404,))
    async def get_identity(site: str, who: str) -> Response:
        """One identity, by a customer id, the SHA-256 of an email or phone, a visitor id or an id of its own."""
        _known_site(parts, site)
        found = identities.look_up(parts.store, site, who[:WHO_CHARS])
        if found is None:
            refuse(404, "not_found", "nobody is known by that; an anonymous visitor has no identity beside itself")
        return answered(found)

    @documented("identities", {202: SplitAsked}, refuses=(404, 503), more=Documented(examples={202: SPLIT_EXAMPLE}))
    async def split_identity(site: str, merge_id: str) -> Response:
        """Undo a merge: links return to where its record says, and the two are not merged again."""
        _known_site(parts, site)
        now_ms = parts.now_ms()
        identity = await identities.ask_split(parts.store, parts.writer, site, merge_id[:WHO_CHARS], now_ms)
        if identity is None:
            told = f"there is no merge {merge_id[:40]!r} to undo; GET the identity, it lists its merges"
            refuse(404, "not_found", told)
        if parts.edge is not None:
            parts.edge.on_append()
        parts.log("api_change", change="identity_split", site=site)
        return answered(SplitAsked(identity=identity, merge=merge_id), 202)

    routes.add_url_rule("/identities/<site>/<who>", view_func=get_identity, methods=["GET"])
    routes.add_url_rule("/identities/<site>/<merge_id>/split", view_func=split_identity, methods=["POST"])
    return routes


def _known_site(parts: ApiParts, site: str) -> None:
    if site not in parts.snapshot().sites:
        told = ", ".join(parts.snapshot().sites) or "none"
        refuse(404, "not_found", f"no site {site[:63]!r} is configured; there are: {told}")
