"""CORS: a site's own origins, matched exactly, and no others."""

from urllib.parse import urlsplit

import msgspec

from actors.snapshot import Site, Snapshot
from gateway.answers import error_answer
from gateway.call import BODY_BYTES, Answer, Call
from gateway.query import in_query

SANDBOX_PATH = "/i/shopify"  # of a pixel in a sandbox, which has no origin: open, without credentials
MAX_AGE_S = "7200"  # the longest that browsers keep a preflight
ALLOW_HEADERS = (
    "authorization, content-type, content-encoding, x-write-key, x-retry-count, x-ip-policy, x-enable-debug, "
    "anonymousid, sentat, rsa-recovered, rsa-retry-attempt, rsa-since-last-attempt, rsa-since-first-attempt, "
    "rsa-retry-reason"
)  # the last two lines are those of Segment's, Jitsu's and RudderStack's clients


def public_key(call: Call) -> str | None:
    """The `k` of the query."""
    return in_query(call.query, "k")


def origin_of(call: Call) -> str | None:
    """The page's origin: the header, or that of the referrer, which old browsers send instead."""
    origin = call.headers.get("origin")
    if origin is not None:
        return origin.lower()
    referrer = call.headers.get("referer")
    if referrer is None:
        return None
    try:
        parts = urlsplit(referrer)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else None


def is_open(site: Site | None) -> bool:
    """Whether a site takes the Events API from any origin: it has named none."""
    return site is not None and site.is_events_api and not site.origins


def preflight(snapshot: Snapshot, call: Call) -> Answer:
    """204 with the headers that let the page go on; 403 without any for a page of nobody's."""
    headers = _headers(snapshot, call)
    if not headers:
        return error_answer(403, "wrong_origin", "this origin is not one of the site's `origins`", ("vary", "Origin"))
    methods = ("access-control-allow-methods", "POST, OPTIONS")
    allowed = ("access-control-allow-headers", ALLOW_HEADERS)
    return Answer(status=204, headers=(*headers, methods, allowed, ("access-control-max-age", MAX_AGE_S)))


def with_headers(snapshot: Snapshot, call: Call, answer: Answer) -> Answer:
    """The answer as the page's script may read it; as it is for callers that are no browser."""
    if "origin" not in call.headers or call.path not in BODY_BYTES:
        return answer
    headers = _headers(snapshot, call) or (("vary", "Origin"),)
    return msgspec.structs.replace(answer, headers=(*answer.headers, *headers))


def _headers(snapshot: Snapshot, call: Call) -> tuple[tuple[str, str], ...]:
    """The headers for a known origin; none for others. With a key in the query only its site counts."""
    origin = call.headers.get("origin")
    if origin is None:
        return ()
    if call.path == SANDBOX_PATH or (call.path == "/" and is_open(snapshot.site_of_events_api())):
        return (("access-control-allow-origin", "*"), ("access-control-expose-headers", "retry-after"))
    key = public_key(call)
    site = snapshot.site_by_public_key(key) if key is not None else None
    sites = [site] if site is not None else list(snapshot.sites.values())
    if not any(origin.lower() in one.origins for one in sites):
        return ()
    return (
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "retry-after"),
        ("vary", "Origin"),
    )
