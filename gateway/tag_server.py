"""`GET /tag.js?k=…`: a site's tag loader, as its configuration has it now; with `&v=…` that version or none.

A change shows within five minutes: that long the script is cached, then asked for again by its ETag. What `v` names
never changes, so it is cached for ever; once the configuration has changed it is gone.
"""

from typing import Final

from quart import Blueprint, Response, request

from gateway.answers import error_answer
from gateway.call import Answer
from gateway.edge import Edge
from gateway.script_answer import FOR_EVER, SHARED, script_answer
from gateway.web import response_of

CACHED_S: Final = 300
FOR_A_WHILE: Final = f"public, max-age={CACHED_S}"
FRESH: Final = ("cache-control", "no-cache")


def tag_pages(path: str, edge: Edge) -> Blueprint:
    """`path`: where pages find the script; empty: nowhere. What is published while it serves counts at once."""
    pages = Blueprint("tag", __name__)

    async def tag() -> Response:
        return response_of(_tag(edge, request.args.get("k", ""), request.args.get("v")))

    if path:
        pages.add_url_rule(path, "tag", tag)
    return pages


def _tag(edge: Edge, key: str, version: str | None) -> Answer:
    site = edge.snapshot.site_by_public_key(key)
    if site is None:
        return _missing("this public key is unknown; give one of the site's public_keys as ?k=…")
    script = edge.tags.get(site.id)
    if script is None:
        return _missing(f"site {site.id} has no tag loader; [sites.tag] of the configuration switches it on")
    if version is not None and version != script.version:
        return _missing(f"the tag's version is {script.version} now; `gateway tag` prints how it is named")
    cached = FOR_A_WHILE if version is None else FOR_EVER
    asked = request.headers
    return script_answer(script, cached, asked.get("accept-encoding", ""), asked.get("if-none-match", ""))


def _missing(message: str) -> Answer:
    return error_answer(404, "not_found", message, FRESH, *SHARED)
