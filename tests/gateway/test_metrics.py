"""The metrics page: what it says, its bounds, and the door that serves it."""

import inspect
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, get_origin

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from actors.coverage import IDENTIFIERS
from actors.observer import Observer
from gateway.config_values import Bind
from gateway.metric_families import Flags
from gateway.metrics import SERIES, PrometheusObserver, render
from gateway.metrics_server import CONNECTIONS, serve_metrics

METHODS = [name for name in vars(Observer) if not name.startswith("_")]
COUNTED = [name for name in METHODS if name != "destinations"]
SHOP = [("shop", f"d{number}") for number in range(60)]


def page(observer: PrometheusObserver) -> dict[str, float]:
    """Every sample, keyed by its name and label values: `events_received_total site=shop source=browser`."""
    families = text_string_to_metric_families(render(observer.registry).decode())
    samples = [one for family in families for one in family.samples]
    return {_key(one.name, one.labels): one.value for one in samples}


def _key(name: str, labels: Mapping[str, str]) -> str:
    return " ".join([name.removeprefix("gateway_"), *(f"{label}={labels[label]}" for label in sorted(labels))])


def call(observer: Observer, method: str, text: str, number: int) -> None:
    bound: Callable[..., None] = getattr(observer, method)
    parameters = inspect.signature(bound).parameters.values()
    bound(*(_value(one.annotation, text, number) for one in parameters))


def _value(annotation: object, text: str, number: float) -> object:
    if get_origin(annotation) is Mapping:
        return {text: number}
    if get_origin(annotation) is Collection:
        return [(text, text)]
    return number if annotation in (int, float, bool, float | None) else text


def test_events_are_counted_by_site_source_and_name() -> None:
    observer = PrometheusObserver()
    observer.event_accepted("shop", "browser", "page_viewed")
    observer.event_accepted("shop", "browser", "page_viewed", count=4)
    assert page(observer)["events_accepted_total event=page_viewed site=shop source=browser"] == 5


def test_events_with_names_of_their_own_are_counted_as_custom() -> None:
    observer = PrometheusObserver()
    for number in range(1_000):
        observer.event_accepted("shop", "browser", f"made up {number}")
    assert page(observer)["events_accepted_total event=custom site=shop source=browser"] == 1_000


def test_a_delivery_is_timed_from_arrival_to_the_yes() -> None:
    observer = PrometheusObserver()
    observer.delivery("shop", "meta-main", "meta", "delivered", latency_s=4.0)
    observer.delivery("shop", "meta-main", "meta", "dropped", "too_old")
    samples = page(observer)
    assert samples["delivery_seconds_bucket destination=meta-main le=1.0 platform=meta site=shop"] == 0
    assert samples["delivery_seconds_bucket destination=meta-main le=5.0 platform=meta site=shop"] == 1
    assert samples["delivery_seconds_count destination=meta-main platform=meta site=shop"] == 1
    dropped = "deliveries_total destination=meta-main outcome=dropped platform=meta reason=too_old site=shop"
    assert samples[dropped] == 1


def test_the_match_quality_of_a_destination_is_a_histogram_and_says_that_it_is_estimated() -> None:
    observer = PrometheusObserver()
    for score in (2.0, 6.9, 7.0, 10.0):
        observer.match_quality("shop", "meta-main", "meta", score)
    samples = page(observer)
    assert samples["match_quality_bucket destination=meta-main le=7.0 platform=meta site=shop"] == 3
    assert samples["match_quality_bucket destination=meta-main le=10.0 platform=meta site=shop"] == 4
    assert samples["match_quality_sum destination=meta-main platform=meta site=shop"] == pytest.approx(25.9)
    assert b"# HELP gateway_match_quality Estimated" in render(observer.registry)


def test_the_share_of_events_with_an_identifier_can_be_divided() -> None:
    observer = PrometheusObserver()
    observer.event_identifiers("shop", "browser", "page_viewed", 0b01001, 3)
    observer.event_identifiers("shop", "browser", "page_viewed", 0b00001)
    samples = page(observer)
    assert samples["coverage_events_total event=page_viewed site=shop source=browser"] == 4
    assert samples["coverage_identifiers_total event=page_viewed identifier=email site=shop source=browser"] == 4
    assert samples["coverage_identifiers_total event=page_viewed identifier=fbp site=shop source=browser"] == 3
    assert "coverage_identifiers_total event=page_viewed identifier=fbc site=shop source=browser" not in samples


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 ** len(IDENTIFIERS) - 1), st.integers(1, 5)), max_size=600))
def test_identifiers_are_counted_exactly_however_many_mixtures_there_are(seen: list[tuple[int, int]]) -> None:
    flags = Flags(len(IDENTIFIERS))
    for number, count in seen:
        flags.add(number, count)
    expected = [sum(count for number, count in seen if number >> bit & 1) for bit in range(len(IDENTIFIERS))]
    assert flags.totals() == expected


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_histogram_counts_everything_once(values: list[float]) -> None:
    observer = PrometheusObserver()
    for value in values:
        observer.loop_lag(value)
    samples = page(observer)
    assert samples["loop_lag_seconds_bucket le=+Inf"] == len(values)
    assert samples["loop_lag_seconds_bucket le=0.02"] == sum(value <= 0.02 for value in values)
    assert samples["loop_lag_seconds_sum"] == pytest.approx(sum(values))


def test_a_breaker_and_a_pause_are_levels() -> None:
    observer = PrometheusObserver()
    observer.breaker("shop", "meta-main", "open")
    observer.paused("shop", "meta-main", "credentials")
    observer.breaker("shop", "meta-main", "half_open")
    assert page(observer)["breaker destination=meta-main site=shop"] == 1
    assert page(observer)["paused cause=credentials destination=meta-main site=shop"] == 1


@pytest.mark.parametrize("method", COUNTED)
def test_everything_that_may_be_counted_is_on_the_page(method: str) -> None:
    observer = PrometheusObserver()
    call(observer, method, "open", 7)
    assert [key for key in page(observer) if not key.startswith("process_")]


@pytest.mark.parametrize("method", METHODS)
def test_an_observer_that_counts_nothing_takes_every_call(method: str) -> None:
    call(Observer(), method, "x", 1)


def test_the_page_has_a_bound_whatever_callers_say() -> None:
    observer = PrometheusObserver()
    for number in range(400):
        for method in METHODS:
            call(observer, method, f"made-up-{number}", number)
    samples = page(observer)
    assert len(samples) <= SERIES
    received = [value for key, value in samples.items() if key.startswith("events_received_total")]
    assert sum(received) == sum(range(400)), "what is over the bound is counted under `other`"
    assert samples["events_received_total site=other source=other"] > 0


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=300))
def test_no_label_can_make_a_scrape_fail(text: str) -> None:
    observer = PrometheusObserver()
    observer.event_rejected(text, text, "malformed")
    assert page(observer)


# the door


@asynccontextmanager
async def served(observer: PrometheusObserver, request_s: float = 5.0) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(
            lambda **kwargs: serve_metrics(
                Bind("127.0.0.1:0"), observer.registry, observer, request_s=request_s, **kwargs
            )
        )
        yield port
        nursery.cancel_scope.cancel()


async def ask(port: int, request: bytes) -> bytes:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(request)
        return b"".join([part async for part in stream])


async def test_a_scrape_gets_the_page() -> None:
    observer = PrometheusObserver()
    observer.dead_letter("order")
    async with served(observer) as port:
        answer = await ask(port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'gateway_dead_letters_total{kind="order"} 1.0' in answer


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /healthz HTTP/1.1", b"200"),
        (b"HEAD /metrics HTTP/1.1", b"200"),
        (b"GET / HTTP/1.1", b"404"),
        (b"POST /metrics HTTP/1.1", b"405"),
        (b"PRI * HTTP/2.0", b"400"),
        (b"\x00\xff\xfe", b"400"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"x" * 20_000, b"400"),
    ],
)
async def test_what_each_request_gets(request_line: bytes, status: bytes) -> None:
    async with served(PrometheusObserver()) as port:
        assert (await ask(port, request_line + b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)


async def test_a_page_that_fails_ends_its_connection_alone() -> None:
    class Broken(PrometheusObserver):
        def __init__(self) -> None:
            super().__init__()
            self.registry = _FailingOnce()

    observer = Broken()
    async with served(observer) as port:
        assert await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
        assert (await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_silent_client_is_let_go() -> None:
    async with served(PrometheusObserver(), request_s=0.05) as port:
        with trio.fail_after(30):
            assert await ask(port, b"GET /met") == b""


async def test_too_many_connections_are_closed_and_the_door_stays_open() -> None:
    observer = PrometheusObserver()
    async with served(observer) as port:
        held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(CONNECTIONS)]
        with trio.fail_after(30):
            assert await _is_closed(port)
        for stream in held:
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert page(observer)["connection_failures_total kind=metrics_full"] == 1


async def _is_closed(port: int) -> bool:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            return await stream.receive_some(10) == b""
        except trio.BrokenResourceError:
            return True


class _FailingOnce(CollectorRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.has_failed = False

    def collect(self) -> Iterator[Any]:
        if not self.has_failed:
            self.has_failed = True
            raise RuntimeError("a collector is broken")
        return iter(())


def test_a_paused_destination_past_the_bound_is_not_hidden_by_the_next() -> None:
    observer = PrometheusObserver()
    for number in range(100):
        observer.paused("shop", f"d{number}", "operator" if number == 85 else None)
    assert _other(observer) == 1.0
    observer.paused("shop", "d85", None)
    assert _other(observer) == 0.0


def test_a_pause_that_changes_its_cause_is_told_under_one_cause_only() -> None:
    observer = PrometheusObserver()
    observer.paused("shop", "meta-main", "error_share")
    observer.paused("shop", "meta-main", "credentials")
    told = {key: value for key, value in page(observer).items() if key.startswith("paused ")}
    assert told == {
        "paused cause=credentials destination=meta-main site=shop": 1,
        "paused cause=error_share destination=meta-main site=shop": 0,
    }


def _other(observer: PrometheusObserver) -> float | None:
    labels = {"site": "other", "destination": "other", "cause": "other"}
    return observer.registry.get_sample_value("gateway_paused", labels)


def test_every_configured_destination_has_series_of_its_own() -> None:
    observer = PrometheusObserver()
    observer.destinations(SHOP)
    for site, destination in SHOP:
        observer.delivery(site, destination, "meta", "delivered", latency_s=1.0)
        observer.paused(site, destination, "operator" if destination == "d55" else None)
    samples = page(observer)
    timed = [samples[f"delivery_seconds_count destination={one} platform=meta site=shop"] for _, one in SHOP]
    assert timed == [1] * 60
    assert [one for _, one in SHOP if samples.get(f"paused cause=operator destination={one} site=shop")] == ["d55"]
    assert not [key for key in samples if "=other" in key]


def test_what_is_taken_out_of_the_configuration_leaves_the_page() -> None:
    observer = PrometheusObserver()
    observer.destinations(SHOP)
    for method in COUNTED:
        call(observer, method, "shop", 7)
    for site, destination in SHOP:
        observer.outbox(site, destination, 7, 0.0)
        observer.attempt(site, destination, "meta", {"retry": 1}, 0.1)
    observer.destinations(SHOP[:1])
    observer.breaker("shop", "d9", "open")  # the last word of the dispatcher that ends
    assert not [key for key in page(observer) if "destination=" in key and "destination=d0 " not in key]
    assert page(observer)["outbox_deliveries destination=d0 site=shop"] == 7
    assert page(observer)["events_received_total site=shop source=shop"] == 7


def test_a_destination_that_comes_back_begins_anew() -> None:
    observer = PrometheusObserver()
    for configured in (SHOP, SHOP[1:], SHOP):
        observer.destinations(configured)
        observer.outbox_full("shop", "d1")
    observer.outbox_full("shop", "d0")
    samples = page(observer)
    assert samples["outbox_full_total destination=d0 site=shop"] == 1
    assert samples["outbox_full_total destination=d1 site=shop"] == 3


def test_destinations_that_nobody_configured_share_what_is_left() -> None:
    observer = PrometheusObserver()
    observer.destinations(SHOP)
    for number in range(100):
        observer.outbox_full("shop", f"unknown-{number}")
    samples = page(observer)
    assert samples["outbox_full_total destination=other site=other"] == 51
    assert len([key for key in samples if key.startswith("outbox_full_total")]) == 50
