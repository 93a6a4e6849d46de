"""What browsers' libraries fetch before they send: where to send to, and that nothing else is to be loaded.

GET /v1/projects/{key}/settings    Segment's library, which takes the address to send to from it
GET /sourceConfig/?writeKey={key}  RudderStack's library, which wants to know that its source is there

The answer holds nothing but what the one who asks sent: any page may read it, no cache may keep it.
"""

from typing import Any, Final

import msgspec

from gateway import cors
from gateway.answers import JSON, error_answer
from gateway.call import Answer, Call
from gateway.client import is_https
from gateway.edge import Edge
from gateway.sources.segment_key import key_beside, shown

SEGMENT_RULE: Final = "/v1/projects/<key>/settings"
RUDDERSTACK_RULE: Final = "/sourceConfig/"
RULES: Final = (SEGMENT_RULE, RUDDERSTACK_RULE)
METHODS: Final = ("GET", "OPTIONS")

_HEADERS: Final = (("access-control-allow-origin", "*"), ("cache-control", "no-store"))
_ALLOWED: Final = (
    ("access-control-allow-methods", ", ".join(METHODS)),
    ("access-control-allow-headers", cors.ALLOW_HEADERS),
    ("access-control-max-age", cors.MAX_AGE_S),
)


def is_settings(path: str) -> bool:
    return path == RUDDERSTACK_RULE or _segment_key(path) is not None


def tell(edge: Edge, call: Call) -> Answer:
    if call.method == "OPTIONS":
        return Answer(status=204, headers=(*_HEADERS, *_ALLOWED))
    if call.method != "GET":
        return error_answer(405, "method_not_allowed", f"{call.path} takes GET", ("allow", ", ".join(METHODS)))
    of_segment = _segment_key(call.path)
    who = shown(edge.snapshot, of_segment or key_beside(call))
    if who is None or not who.is_public:
        return error_answer(404, "unknown_key", "this is no site's public key", *_HEADERS)
    body = _source_config(who.key) if of_segment is None else _settings(edge, call, who.key)
    return Answer(status=200, headers=(JSON, *_HEADERS), body=msgspec.json.encode(body))


def _segment_key(path: str) -> str | None:
    first, _, rest = path.removeprefix("/v1/projects/").partition("/")
    return first if path.startswith("/v1/projects/") and first and rest == "settings" else None


def _settings(edge: Edge, call: Call, key: str) -> dict[str, Any]:
    """As Segment's own CDN tells of a source without destinations; every event may be sent."""
    protocol = "https" if is_https(call, edge.trusted_proxies) else "http"
    own = {"apiKey": key, "apiHost": f"{call.headers.get('host', '')}/v1", "protocol": protocol}
    every = {"__default": {"enabled": True, "integrations": {}}}
    return {
        "integrations": {"Segment.io": own},
        "plan": {"track": every, "identify": every, "group": every},
        "edgeFunction": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "enabledMiddleware": {},
    }


def _source_config(key: str) -> dict[str, Any]:
    """As RudderStack's control plane tells of a source without destinations that reports nothing of itself."""
    nothing = {"enabled": False}
    source = {
        "id": key,
        "name": "gateway",
        "writeKey": key,
        "enabled": True,
        "workspaceId": "gateway",
        "destinations": [],
        "config": {"statsCollection": {"errors": nothing, "metrics": nothing}},
    }
    return {"source": source}
