"""From a request on a hot path to its answer: which source it is for, and CORS. Knows no web framework.

Both doors call `handle`; until its first `await` it has no checkpoint, so a body that has arrived is in the writer's
hands even if its client hangs up.
"""

from collections.abc import Awaitable, Callable, Mapping

from gateway import cors
from gateway.answers import error_answer
from gateway.call import SEGMENT_PATHS, Answer, Call
from gateway.edge import Edge
from gateway.links import PREFIX as LINKS
from gateway.sources import (
    browser,
    consent,
    events_api,
    hooks,
    links,
    pixel,
    pixel_gif,
    segment,
    segment_settings,
    server,
)

Source = Callable[[Edge, Call], Awaitable[Answer]]

SOURCES: Mapping[str, Source] = {
    "/v1/events": server.collect,
    "/i": browser.collect,
    "/i/identify": browser.identify,
    "/i/consent": consent.of_browser,
    "/v1/consent": consent.of_server,
    "/i/shopify": pixel.collect,
    "/": events_api.collect,
    **dict.fromkeys(SEGMENT_PATHS, segment.collect),
}
ALLOW = "POST, OPTIONS"


class Collector:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def handle(self, call: Call) -> Answer:
        """The answer; never raises for anything a caller can send."""
        if call.path.startswith(LINKS):
            return await links.follow(self._edge, call)
        if call.path == pixel_gif.PATH:
            return await pixel_gif.collect(self._edge, call)
        source = SOURCES.get(call.path) or (hooks.collect if call.path.startswith(hooks.PREFIX) else None)
        if source is None and segment_settings.is_settings(call.path):
            return segment_settings.tell(self._edge, call)
        if source is None:
            return error_answer(404, "not_found", f"nothing is at {call.path[:200]!r}")
        if call.method == "OPTIONS":
            return cors.preflight(self._edge.snapshot, call)
        if call.method != "POST":
            answer = error_answer(405, "method_not_allowed", f"{call.path} takes POST", ("allow", ALLOW))
        else:
            answer = await source(self._edge, call)
        return cors.with_headers(self._edge.snapshot, call, answer)
