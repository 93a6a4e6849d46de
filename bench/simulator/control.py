"""The simulator's control API, for the demo, benches and tests that run it in a process of its own.

POST /_control/fail/{platform}       a Fault as JSON
POST /_control/heal/{platform}
GET  /_control/accepted/{platform}?since=N     {"next": M, "accepted": [{"key", "event", "at_ms"}]}
GET  /_control/refused/{platform}              {"refused": ["why", …]}
GET  /_control/counts                          {"meta": {"requests", "accepted", "refused"}, …}
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from bench.simulator.base import Fault, SimResponse

if TYPE_CHECKING:
    from bench.simulator.server import Simulator

ACCEPTED_AT_ONCE = 10_000  # `next` says where to go on


def control(simulator: "Simulator", method: str, path: str, query: Mapping[str, str], body: bytes) -> SimResponse:
    """`path` is what follows `/_control/`."""
    action, _, name = path.partition("/")
    if name and name not in simulator.names():
        return _json({"error": f"no platform {name!r}; there are {', '.join(simulator.names())}"}, 404)
    match method, action, bool(name):
        case "POST", "fail", True:
            return _fail(simulator, name, body)
        case "POST", "heal", True:
            simulator.heal(name)
            return SimResponse(status=204)
        case "GET", "accepted", True:
            return _accepted(simulator, name, query.get("since", "0"))
        case "GET", "refused", True:
            return _json({"refused": simulator.refused(name)})
        case "GET", "counts", False:
            return _json({name: simulator.counts(name) for name in simulator.names()})
    return _json({"error": f"no such control: {method} {path}"}, 404)


def _fail(simulator: "Simulator", name: str, body: bytes) -> SimResponse:
    try:
        fault = msgspec.json.decode(body, type=Fault)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _json({"error": f"no fault: {error}"}, 400)
    simulator.fail(name, fault)
    return SimResponse(status=204)


def _accepted(simulator: "Simulator", name: str, since: str) -> SimResponse:
    if not (since.isascii() and since.isdigit()):
        return _json({"error": "since is a number of events"}, 400)
    forgotten = simulator.counts(name).accepted - len(simulator.accepted(name))
    start = max(int(since), forgotten)
    events = simulator.accepted(name, start)[:ACCEPTED_AT_ONCE]
    return _json({"next": start + len(events), "accepted": events})


def _json(value: object, status: int = 200) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(value))
