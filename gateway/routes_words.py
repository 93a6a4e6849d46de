"""Why an event does not go to a destination, in words for people who write routes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from actors.destinations.base import Destination
from actors.routing import Asking, Decision
from actors.twins import why_no_twin

PLAIN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "filtered": "no route's filter holds",
        "filter_error": "a filter could not be evaluated, and so does not hold",
        "sampled": "it is not in the share that the route keeps",
        "dropped_by_transform": "a step of the route drops it",
        "transform_error": "the route's transformation fails on it",
        "destination_disabled": "the destination is disabled",
        "sale_denied": "the sale of data is denied, and the platform has no way to honour that",
        "held": "it waits until consent is known",
        "bot": "no person seems to have sent it, and the site keeps such events from all platforms",
    }
)


def refusal_in_words(decision: Decision, asking: Asking, destination: Destination) -> str:
    if decision.reason == "no_route":
        return f"no route of {destination.id} takes {asking.event.event_name!r} from {asking.event.source}"
    if decision.reason in ("consent_denied", "consent_unknown"):
        return _consent(decision, asking, destination)
    if decision.reason == "test_event":
        return f"it is a test event: {why_no_twin(destination)}"
    words = PLAIN.get(decision.reason or "", "")
    return f"{words}: {decision.words}" if decision.words else words


def _consent(decision: Decision, asking: Asking, destination: Destination) -> str:
    route = next((one for one in asking.site.routes if one.id == decision.route), None)
    own = destination.consent if destination.consent is not None else destination.needs
    needed = dict.fromkeys((*own, *(route.consent if route is not None else ())))
    is_denied = decision.reason == "consent_denied"
    missing = [one for one in needed if (getattr(asking.consent, one) == "denied") is is_denied]
    missing = [one for one in missing if is_denied or getattr(asking.consent, one) is None]
    told = "denied" if is_denied else "not known, which the site takes for denied"
    return f"consent is {told}: {', '.join(missing)}"
