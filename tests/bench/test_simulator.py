"""The simulated platforms: strict as their pages, and failing as they are told to."""

import json
import re
import signal
import sys
import zlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock

from bench.simulator import Fault, Ga4Sim, MetaSim, Simulator, all_platforms
from bench.simulator.base import SimRequest, SimResponse
from bench.simulator.faults import PRIVATE_ADDRESS, Faults

AT_MS = 1_795_166_130_250
PATIENT_S = 30.0
HASH = "a" * 64
META_PATH = "/v26.0/1234567890123456/events"
EVENT: dict[str, Any] = {
    "event_name": "Purchase",
    "event_time": AT_MS // 1000,
    "event_id": "e-1",
    "action_source": "website",
    "event_source_url": "https://shop.example.com/",
    "user_data": {"em": [HASH], "client_user_agent": "Mozilla/5.0"},
    "custom_data": {"value": 10.5, "currency": "EUR"},
}
COLLECT: dict[str, Any] = {
    "client_id": "1.2",
    "timestamp_micros": AT_MS * 1000,
    "events": [{"name": "purchase", "params": {"transaction_id": "o-1", "value": 10.5, "currency": "EUR"}}],
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([MetaSim(), Ga4Sim()], now_ms=lambda: AT_MS, random=Random(1)).running() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENT_S) as client:
        yield client


async def post(client: httpx.AsyncClient, simulator: Simulator, *events: dict[str, Any]) -> httpx.Response:
    url = f"{simulator.url('meta')}{META_PATH}?access_token=t"
    return await client.post(url, json={"data": list(events or [EVENT])})


def ask(sim: MetaSim | Ga4Sim, body: object, path: str = META_PATH, **changes: Any) -> SimResponse:
    query = {"access_token": "t", "measurement_id": "G-ABCDE12345", "api_secret": "s"}
    request: dict[str, Any] = {"method": "POST", "path": path, "query": query, "at_ms": AT_MS}
    request |= {"headers": {"content-type": "application/json"}, "body": json.dumps(body).encode()}
    return sim.answer(SimRequest(**(request | changes)))


def changed(**changes: Any) -> dict[str, Any]:
    """The event with fields changed; None removes one; a field of a part is named `user_data__em`."""
    event = json.loads(json.dumps(EVENT))
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        place, key = (event[part], inner) if inner else (event, part)
        place[key] = value
        if value is None:
            del place[key]
    return {"data": [event]}


async def test_meta_takes_a_right_event_and_says_so(simulator: Simulator, client: httpx.AsyncClient) -> None:
    answer = await post(client, simulator)
    assert answer.json() == {"events_received": 1, "messages": [], "fbtrace_id": "A1b2C3d4E5"}
    [accepted] = simulator.accepted("meta")
    assert (accepted.key, accepted.event, accepted.at_ms) == ("Purchase/e-1", EVENT, AT_MS)
    assert simulator.refused("meta") == []


META_FAULTS: dict[str, tuple[dict[str, Any], int]] = {
    "older than 7 days": (changed(event_time=AT_MS // 1000 - 8 * 86_400), 2804003),
    "purchase without value": (changed(custom_data={}), 2804009),
    "milliseconds for seconds": (changed(event_time=AT_MS), 2804001),
    "in the future": (changed(event_time=AT_MS // 1000 + 3_600), 2804007),
    "plain email": (changed(user_data__em=["jane@example.com"]), 2804001),
    "upper-case hash": (changed(user_data__em=["A" * 64]), 2804001),
    "unknown identifier": (changed(user_data__street=[HASH]), 2804001),
    "too little to match": (changed(user_data__em=None), 2804048),
    "website without page": (changed(event_source_url=None), 2804016),
    "website without user agent": (changed(user_data__client_user_agent=None), 2804016),
    "country without state": (changed(data_processing_options_country=0), 2804001),
    "value as text": (changed(custom_data={"value": "10.5", "currency": "EUR"}), 2804001),
    "nested custom property": (changed(custom_data={"value": 1, "currency": "EUR", "a": {"b": 1}}), 2804001),
    "unknown kind": (changed(action_source="web"), 2804001),
    "app without app_data": (changed(action_source="app"), 2804016),
    "no event": ({"data": []}, 2804001),
    "too many events": ({"data": [EVENT] * 1_001}, 2804001),
    "unknown field": ({"data": [EVENT], "datum": 1}, 2804001),
}


@pytest.mark.parametrize("name", META_FAULTS)
def test_meta_refuses(name: str) -> None:
    body, subcode = META_FAULTS[name]
    sim = MetaSim()
    answer = ask(sim, body)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["error_subcode"]) == (400, 100, subcode)
    assert sim.accepted == []
    assert len(sim.refused) == 1


def test_one_bad_event_refuses_the_whole_request_of_meta() -> None:
    sim = MetaSim()
    assert ask(sim, {"data": [EVENT, {**EVENT, "event_time": 1}, EVENT]}).status == 400
    assert sim.accepted == []


def test_meta_takes_store_events_of_two_months() -> None:
    old = changed(event_time=AT_MS // 1000 - 61 * 86_400, action_source="physical_store")
    assert ask(MetaSim(), old).status == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"query": {}}, 190),
        ({"query": {"access_token": "other"}}, 190),
        ({"path": "/v26.0/1/events"}, 100),
        ({"path": "/v20.0/1234567890123456/events"}, 100),
        ({"method": "GET"}, 100),
        ({"headers": {"content-type": "text/plain"}}, 100),
    ],
)
def test_meta_refuses_a_stranger(changes: dict[str, Any], code: int) -> None:
    sim = MetaSim(pixel_id="1234567890123456", access_token="t")
    assert json.loads(ask(sim, {"data": [EVENT]}, **changes).body)["error"]["code"] == code


GA4_FAULTS: dict[str, dict[str, Any]] = {
    "no client": {**COLLECT, "client_id": ""},
    "milliseconds for microseconds": {**COLLECT, "timestamp_micros": AT_MS},
    "older than 72 hours": {**COLLECT, "timestamp_micros": (AT_MS - 4 * 86_400_000) * 1000},
    "plain email": {**COLLECT, "user_data": {"sha256_email_address": ["jane@example.com"]}},
    "reserved name": {**COLLECT, "events": [{"name": "session_start"}]},
    "name with a space": {**COLLECT, "events": [{"name": "a b"}]},
    "purchase without transaction": {**COLLECT, "events": [{"name": "purchase", "params": {}}]},
    "value without currency": {**COLLECT, "events": [{"name": "x", "params": {"value": 1}}]},
    "flag": {**COLLECT, "events": [{"name": "x", "params": {"a": True}}]},
    "null": {**COLLECT, "events": [{"name": "x", "params": {"a": None}}]},
    "long text": {**COLLECT, "events": [{"name": "x", "params": {"a": "y" * 101}}]},
    "reserved parameter": {**COLLECT, "events": [{"name": "x", "params": {"ga_a": 1}}]},
    "too many parameters": {**COLLECT, "events": [{"name": "x", "params": {f"p{i}": i for i in range(26)}}]},
    "too many events": {**COLLECT, "events": [{"name": "x"}] * 26},
    "item without id and name": {**COLLECT, "events": [{"name": "x", "params": {"items": [{"price": 1}]}}]},
    "unknown field": {**COLLECT, "fbp": "fb.1"},
    "no object": {},
}


@pytest.mark.parametrize("name", GA4_FAULTS)
def test_ga4_says_yes_to_a_bad_request_and_keeps_the_fault(name: str) -> None:
    sim = Ga4Sim()
    assert ask(sim, GA4_FAULTS[name], "/mp/collect") == SimResponse(status=204)
    assert sim.accepted == []
    assert len(sim.refused) >= 1


def test_ga4_keeps_a_purchase_by_its_transaction() -> None:
    sim = Ga4Sim()
    assert ask(sim, COLLECT, "/mp/collect").status == 204
    assert [(one.key, one.event) for one in sim.accepted] == [("purchase/o-1", COLLECT)]
    assert sim.refused == []


def test_ga4_tells_faults_only_where_it_is_asked_to_validate() -> None:
    sim = Ga4Sim()
    refused = json.loads(ask(sim, {**COLLECT, "client_id": 7}, "/debug/mp/collect").body)
    assert refused["validationMessages"][0]["validationCode"] == "VALUE_INVALID"
    assert json.loads(ask(sim, COLLECT, "/debug/mp/collect").body) == {"validationMessages": []}
    assert sim.accepted == []


def test_ga4_measures_the_request() -> None:
    assert ask(Ga4Sim(), {**COLLECT, "user_agent": "x" * 130_000}, "/mp/collect").status == 413


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(kind="status", status=503, retry_after_s=7), 503, 2),
        (Fault(kind="status", status=400), 400, 100),
        (Fault(kind="rate_limit", retry_after_s=120), 400, 80003),
        (Fault(kind="bad_token"), 400, 190),
    ],
)
async def test_platform_fails_in_its_own_words(
    simulator: Simulator, client: httpx.AsyncClient, fault: Fault, status: int, code: int
) -> None:
    simulator.fail("meta", fault)
    answer = await post(client, simulator)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert simulator.accepted("meta") == []
    assert simulator.requests("meta") == 1


async def test_platform_names_its_wait(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.fail("meta", Fault(kind="rate_limit", retry_after_s=120))
    usage = json.loads((await post(client, simulator)).headers["x-business-use-case-usage"])
    assert usage["1234567890123456"][0]["estimated_time_to_regain_access"] == 2
    simulator.fail("meta", Fault(kind="status", status=503, retry_after_s=7))
    assert (await post(client, simulator)).headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("hang", httpx.ReadTimeout), ("reset", httpx.ReadError), ("garbage", httpx.RemoteProtocolError)],
)
async def test_connection_fails(
    simulator: Simulator, client: httpx.AsyncClient, kind: Any, error: type[Exception]
) -> None:
    simulator.fail("meta", Fault(kind=kind))
    client.timeout = httpx.Timeout(PATIENT_S, read=0.5 if kind == "hang" else PATIENT_S)
    with pytest.raises(error):
        await post(client, simulator)
    client.timeout = httpx.Timeout(PATIENT_S)
    simulator.heal("meta")
    assert (await post(client, simulator)).status_code == 200


async def test_redirect_leads_to_a_private_address(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.fail("meta", Fault(kind="redirect"))
    answer = await post(client, simulator)
    assert (answer.status_code, answer.headers["location"]) == (307, PRIVATE_ADDRESS)


async def test_slow_platform_takes_the_event_after_all(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.fail("meta", Fault(kind="slow", delay_s=0.05))
    start_s = trio.current_time()
    assert (await post(client, simulator)).status_code == 200
    assert trio.current_time() - start_s >= 0.05


async def test_dripping_answer_outlives_a_timeout_for_each_read(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.fail("meta", Fault(kind="drip", delay_s=0.02))
    with trio.move_on_after(0.5) as scope:
        await post(client, simulator)
    assert scope.cancelled_caught


async def received(simulator: Simulator, enough_bytes: int) -> bytes:
    """The first bytes of an answer, read off the bare socket: at least so many, if they come."""
    host, port = simulator.address.removeprefix("http://").split(":")
    answer = b""
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(b"POST /meta/ HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        while len(answer) < enough_bytes and (data := await stream.receive_some()):
            answer += data
    return answer


async def test_endless_body_never_ends(simulator: Simulator) -> None:
    simulator.fail("meta", Fault(kind="endless"))
    answer = await received(simulator, 4_000_000)
    assert answer.startswith(b"HTTP/1.1 200")
    assert len(answer) >= 4_000_000


async def test_gzip_bomb_is_small_on_the_wire_and_large_unpacked(simulator: Simulator) -> None:
    simulator.fail("meta", Fault(kind="gzip_bomb"))
    head, _, member = (await received(simulator, 20_000)).partition(b"\r\n\r\n")
    [length] = re.findall(rb"content-length: (\d+)", head)
    assert int(length) < 500_000
    assert b"content-encoding: gzip" in head
    assert len(zlib.decompressobj(wbits=31).decompress(member)) == 1 << 20  # of the first of many members


def told(fault: Fault, draws: int) -> int:
    faults = Faults(Random(1))
    faults.set("meta", fault)
    return sum(faults.draw("meta") is not None for _ in range(draws))


def test_fault_meets_a_share_of_the_requests() -> None:
    assert 350 < told(Fault(kind="status", share=0.4), 1_000) < 450


def test_fault_meets_so_many_requests_and_then_heals() -> None:
    assert told(Fault(kind="status", count=3), 10) == 3


async def test_fault_ends_after_its_time(autojump_clock: MockClock) -> None:
    faults = Faults(Random(1))
    faults.set("meta", Fault(kind="status", for_s=60))
    await trio.sleep(59)
    assert faults.draw("meta") is not None
    await trio.sleep(2)
    assert faults.draw("meta") is None


async def test_faults_of_one_platform_leave_the_others_alone(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.fail("meta", Fault(kind="hang"))
    answer = await client.post(f"{simulator.url('ga4')}/mp/collect?measurement_id=G-1&api_secret=s", json=COLLECT)
    assert answer.status_code == 204
    assert [one.key for one in simulator.accepted("ga4")] == ["purchase/o-1"]


async def test_steered_from_another_process(simulator: Simulator, client: httpx.AsyncClient) -> None:
    control = f"{simulator.address}/_control"
    assert (await client.post(f"{control}/fail/meta", json={"kind": "status", "status": 503})).status_code == 204
    assert (await post(client, simulator)).status_code == 503
    assert (await client.post(f"{control}/heal/meta")).status_code == 204
    await post(client, simulator)
    await post(client, simulator, EVENT, {**EVENT, "event_time": 1})
    counts = (await client.get(f"{control}/counts")).json()
    assert counts["meta"] == {"requests": 3, "accepted": 1, "refused": 1}
    page = (await client.get(f"{control}/accepted/meta?since=0")).json()
    assert (page["next"], [one["key"] for one in page["accepted"]]) == (1, ["Purchase/e-1"])
    assert (await client.get(f"{control}/accepted/meta?since=1")).json() == {"next": 1, "accepted": []}
    assert "too old" in (await client.get(f"{control}/refused/meta")).json()["refused"][0]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/_control/fail/tiktok", 404),
        ("POST", "/_control/fail/meta", 400),
        ("GET", "/_control/accepted/meta?since=x", 400),
        ("GET", "/_control/", 404),
        ("GET", "/nowhere/x", 404),
        ("GET", "/", 404),
    ],
)
async def test_unknown_control_is_answered(
    simulator: Simulator, client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, simulator.address + path, json={"kind": "odd"})).status_code == status


async def test_what_is_kept_is_bounded_and_counts_go_on(client: httpx.AsyncClient) -> None:
    async with Simulator([MetaSim()], now_ms=lambda: AT_MS, keep=10).running() as simulator:
        for index in range(30):
            await post(client, simulator, {**EVENT, "event_id": f"e-{index}"})
        assert simulator.counts("meta").accepted == 30
        assert len(simulator.accepted("meta")) <= 11
        assert [one.key for one in simulator.accepted("meta", since=28)] == ["Purchase/e-28", "Purchase/e-29"]


async def test_pipelined_requests_are_answered_in_order(simulator: Simulator) -> None:
    host, port = simulator.address.removeprefix("http://").split(":")
    head = "POST /ga4{} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all((head.format("/mp/collect") + head.format("/nowhere")).encode())
        answer = b""
        while answer.count(b"\r\n\r\n") < 2:
            answer += await stream.receive_some()
    assert [line[9:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP")] == [b"204", b"404"]


async def test_bytes_that_are_no_request_end_only_their_connection(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    host, port = simulator.address.removeprefix("http://").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(b"\x00\xff\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")
        assert await stream.receive_some() == b""
    assert (await post(client, simulator)).status_code == 200


async def test_runs_as_a_process_of_its_own_until_stopped(client: httpx.AsyncClient) -> None:
    command = [sys.executable, "-m", "bench.simulator", "--port", "0", "--keep", "5"]
    process = await trio.lowlevel.open_process(command, stdout=-1)
    assert process.stdout is not None
    address = (await process.stdout.receive_some()).decode().strip()
    counts = (await client.get(f"{address}/_control/counts")).json()
    process.send_signal(signal.SIGTERM)
    with trio.fail_after(PATIENT_S):
        assert await process.wait() == 0
    await process.stdout.aclose()
    assert set(counts) == {platform.name for platform in all_platforms()}


def test_fault_is_readable_from_json() -> None:
    fault = Fault(kind="slow", share=0.5, count=3, for_s=60, delay_s=0.2)
    assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault
