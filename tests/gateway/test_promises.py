"""The promises of the design that show at the door, against the real process tree (the others: tests/actors)."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.env import Store
from tests.support.running import (
    META,
    META_TOKEN,
    ORIGIN,
    PUBLIC_KEY,
    Running,
    running_gateway,
    running_simulator,
    standing_still,
    start_gateway,
    wait_until,
)

BROWSER = {"origin": ORIGIN, "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}
PERSON = {"email": "jane.secretperson@example.com", "phone": "+14155550123", "first_name": "Janequeline"}


def event(event_id: str, name: str = "product_viewed", **more: Any) -> dict[str, Any]:
    person = {**PERSON, "client_ip": "8.8.8.8", "client_user_agent": BROWSER["user_agent"]}
    return {"event_name": name, "event_id": event_id, "user_data": person, "page": {"url": ORIGIN}, **more}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as address:
        yield address


@pytest.fixture
def gateway(tmp_path: Path, simulator: str) -> Iterator[Running]:
    with running_gateway(tmp_path, destinations=META, simulator=simulator) as running:
        yield running


def delivered(running: Running, event_id: str) -> list[Any]:
    return [one for one in running.accepted("meta") if one["event"]["event_id"] == event_id]


def test_promise_1_a_2xx_means_on_disk(gateway: Running) -> None:
    answers = [gateway.send(event(f"p1-{number}")) for number in range(20)]
    gateway.kill()
    assert all(answer.status_code == 202 for answer in answers)
    store = Store(gateway.directory / "data", is_readonly=True)
    with store.read() as txn:
        kept = txn.stat(store.dbs["log"])["entries"]
    store.close()
    assert kept == 20


def test_promise_2_and_5_a_killed_gateway_processes_once_and_delivers_with_the_platforms_key(
    gateway: Running, simulator: str
) -> None:
    gateway.send(*[event(f"p2-{number}") for number in range(50)])
    gateway.kill()
    again = start_gateway(gateway.directory, simulator)
    try:
        wait_until(lambda: all(delivered(again, f"p2-{number}") for number in range(50)), what="deliveries")
        keys = {one["key"] for number in range(50) for one in delivered(again, f"p2-{number}")}
    finally:
        again.stop()
    assert len(keys) == 50
    assert again.command("check-store").returncode == 0


def test_promise_6_at_a_bound_the_caller_is_told(tmp_path: Path) -> None:
    with running_gateway(tmp_path, site="ip_rate = 1\nip_burst = 5") as running:
        large = running.post("/v1/events", b" " * (1 << 20) + b"{}", authorization="Bearer wk_test")
        many = running.send(*[event(f"p6-{number}") for number in range(1001)])
        batch = {"events": [event(f"p6-{number}") for number in range(20)]}
        running.post(f"/i?k={PUBLIC_KEY}", batch, **BROWSER)
        limited = wait_until(
            lambda: (answer := running.post(f"/i?k={PUBLIC_KEY}", event("p6"), **BROWSER)).status_code == 429 and answer
        )
    assert (large.status_code, many.status_code) == (413, 400)
    assert int(limited.headers["retry-after"]) >= 1


def test_promise_9_edges_go_on_accepting_while_the_core_restarts(tmp_path: Path, simulator: str) -> None:
    with running_gateway(tmp_path, destinations=META, simulator=simulator, server="edges = 2") as running:
        wait_until(lambda: len(running.workers()) == 3, what="core and two edges")
        core = next(pid for pid in running.workers() if '"role": "core", "pid": ' + str(pid) in running.log())
        with standing_still(running, core):
            while_stopped = running.send(event("p9-stopped"))
            os.kill(core, signal.SIGKILL)
        while_dead = running.send(event("p9-dead"))
        wait_until(lambda: delivered(running, "p9-stopped") and delivered(running, "p9-dead"), what="deliveries")
    assert (while_stopped.status_code, while_dead.status_code) == (202, 202)


def test_promise_10_no_person_in_plaintext_and_no_secret_is_on_disk_in_a_log_or_a_metric(gateway: Running) -> None:
    card = {"value": 5, "currency": "EUR", "note": "card 4111 1111 1111 1111", "cvc": "12345987"}
    outside = {
        "email": "prop.canary@example.com",
        "customer": {"name": "Objectina"},
        "search_term": "by text.canary@example.com",
    }
    items = [{"id": 1, "variant": "for item.canary@example.com"}]
    page = {
        "url": f"{ORIGIN}?email=url.canary@example.com&phone=4155550199&q=5555+5555+5555+4444&u=a.canary%40example.com",
        "title": "Thanks, title.canary@example.com",
        "referrer": f"{ORIGIN}/reset/path.canary@example.com?first_name=Refererina",
    }
    answer = gateway.send(event("p10", page=page, custom_data={**card, **outside, "items": items}))
    wait_until(lambda: delivered(gateway, "p10"), what="delivery")
    gateway.fail("meta", kind="bad_token", count=1)
    gateway.send(event("p10-refused"))
    wait_until(lambda: "destination_paused" in gateway.log(), what="pause")
    metrics = gateway.get(gateway.metrics_url).text
    story = gateway.command("explain", "p10").stdout + gateway.command("deliveries", "--json").stdout
    gateway.heal("meta")
    gateway.stop()
    seen = (gateway.directory / "data" / "data.mdb").read_bytes() + (gateway.log() + metrics + story).encode()
    told = ["jane.secretperson", "4155550123", "Janequeline", "4111 1111", "12345987", META_TOKEN, "wk_test"]
    told += [".canary", "Objectina", "Refererina", "4155550199", "5555+5555", "5555 5555"]
    assert [text for text in told if text.encode() in seen] == []
    assert answer.json()["events"][0]["marks"] == ["card_removed", "personal_removed"]
    assert 'gateway_personal_data_removed_total{site="shop"}' in metrics
