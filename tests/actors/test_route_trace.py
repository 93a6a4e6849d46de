"""What is told of how routes decided: which route, by which part of its filter, what was drawn."""

import pytest

from actors.event import Consent, CustomData, Event
from actors.route_trace import RouteTrace, consent_trace, sample_trace, trace
from actors.routes import Route, Sample
from actors.routing import Asking
from tests.support.making import event, site
from tests.support.platform import Single

ONE = Single(id="one")
CART = event("a", custom_data=CustomData(order_id="o-1", properties={"tier": "gold"}))


def traced(*routes: Route, one: Event = CART) -> list[tuple[str, str, str, str]]:
    asking = Asking(one, Consent(marketing="granted"), site(ONE, routes=routes))
    return [(found.route, found.result, found.step, found.part) for found in trace(asking, ONE)]


def route(id: str, **fields: object) -> Route:
    return Route(id=id, destination="one", **fields)  # type: ignore[arg-type]  # of the test's own choice


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("event.source == 'server'", "event.source == 'server'"),
        ("event.source == 'browser' && event.custom_data.tier == 'silver'", "event.custom_data.tier == 'silver'"),
        (
            "event.source == 'browser' && (false || event.custom_data.value > 1.0)",
            "(false || event.custom_data.value > 1.0)",
        ),
        ("!(event.source == 'browser')", "(event.source == 'browser')"),
    ],
    ids=["one", "and", "missing", "not"],
)
def test_the_part_that_said_no_is_named(text: str, part: str) -> None:
    [(_, result, step, told)] = traced(route("r", filter=text))
    assert (result, step) == ("next", "filter")
    assert told.strip("()") in (part, part.strip("()"))


def test_each_route_is_told_in_the_order_in_which_it_is_asked() -> None:
    found = traced(
        route("late", order=2),
        route("off", enabled=False),
        route("server", sources=("server",)),
        route("other-name", events=("purchase_placed",)),
        route("gold", filter="event.custom_data.tier == 'gold'", order=1),
    )
    assert [one[:3] for one in found] == [
        ("server", "next", "source"),
        ("other-name", "next", "event"),
        ("gold", "decides", ""),
        ("late", "not_asked", ""),
        ("off", "disabled", ""),
    ]


def test_a_destination_without_routes_has_nothing_to_tell() -> None:
    assert traced(Route(id="x", destination="another")) == []


def test_a_filter_that_fails_says_how() -> None:
    asking = Asking(CART, Consent(), site(ONE, routes=(route("r", filter="int(event.custom_data.tier) > 1"),)))
    [found] = trace(asking, ONE)
    assert isinstance(found, RouteTrace)
    assert (found.result, found.step) == ("next", "filter")
    assert "gold" not in found.words


def test_what_a_route_asks_beside_its_destination_is_needed_too() -> None:
    asking = Asking(CART, Consent(marketing="granted"), site(ONE))
    found = consent_trace(asking, ONE, route("r", consent=("analytics",)), "event")
    assert (found.needed, found.states) == (
        ("marketing", "analytics"),
        {"marketing": "granted", "analytics": None},
    )


def test_the_vectors_of_sampling_are_told() -> None:
    one = event("v-0002")
    found = sample_trace(one, route("route-meta-1", sample=Sample(rate=0.1, key="event_id")), site(ONE))
    assert found is not None
    assert (round(found.u or 0, 6), found.is_kept) == (0.002103, True)


def test_of_a_conversion_nothing_is_drawn() -> None:
    one = event("a", "purchase_placed")
    found = sample_trace(one, route("r", sample=Sample(rate=0.1)), site(ONE))
    assert found is not None
    assert (found.u, found.is_kept) == (None, True)
    assert sample_trace(one, route("r"), site(ONE)) is None
