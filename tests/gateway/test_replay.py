"""`gateway replay` beside a running gateway and on the store of a stopped one, with simulated platforms."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.running import (
    META,
    Running,
    running_gateway,
    running_simulator,
    standing_still,
    start_gateway,
    wait_until,
)

Json = dict[str, Any]


def orders(running: Running, numbers: range) -> None:
    events = [
        {
            "event_name": "purchase_placed", "event_id": f"order-{number}",
            "user_data": {"email": f"ada{number}@example.com", "client_ip": "81.2.69.160"},
            "custom_data": {"order_id": f"o-{number}", "value": 10, "currency": "EUR"},
        }
        for number in numbers
    ]  # fmt: skip
    assert running.send(*events).status_code == 202


def dropped(running: Running) -> int:
    page = running.get(running.metrics_url).text
    return sum(int(float(count)) for count in re.findall(r'deliveries_total{.*outcome="dropped".*} (\S+)', page))


def refused(running: Running, numbers: range) -> None:
    """Orders that Meta refuses for good: they end as dropped."""
    running.fail("meta", kind="status", status=400)
    orders(running, numbers)
    wait_until(lambda: dropped(running) == len(numbers), what="dropped")
    running.heal("meta")


def taken(running: Running) -> Counter[str]:
    return Counter(one["key"] for one in running.accepted("meta"))


def replay(running: Running, *arguments: str) -> Json:
    told = running.command("replay", "--destination", "shop/meta-main", "--since", "1h", "--json", *arguments)
    assert told.returncode == 0, told.stderr + running.log()
    found: Json = msgspec.json.decode(told.stdout)
    return found


@pytest.fixture
def running(tmp_path: Path) -> Any:
    site = "purchase_hold_s = 0"
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, destinations=META, site=site, simulator=simulator) as gateway,
    ):
        yield gateway


def test_orders_that_a_platform_refused_for_a_while_are_counted_once_after_a_replay(running: Running) -> None:
    refused(running, range(30))
    orders(running, range(30, 35))
    wait_until(lambda: len(taken(running)) == 5, what="the orders after the outage")
    job = replay(running)
    assert (job["state"], job["counts"]) == ("done", {"queued": 30})
    wait_until(lambda: len(taken(running)) == 35, what="all orders")
    assert set(taken(running).values()) == {1}
    again = replay(running)
    assert again["counts"] == {}
    checked = running.command("check-store")
    assert checked.returncode == 0, checked.stdout
    assert "replayed" in running.command("explain", "order-7").stdout


def test_a_dry_run_shows_counts_and_requests_without_secrets_or_persons_and_sends_nothing(running: Running) -> None:
    refused(running, range(5))
    told = running.command("replay", "--destination", "meta-main", "--since", "1h", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert re.search(r"5 +queued +would be queued again", told.stdout)
    assert "order-0" in told.stdout
    assert "/1234567890/events" in told.stdout
    assert "81.2.69.160" not in told.stdout
    assert "EAAtesttoken" not in told.stdout
    assert running.command("replay", "list", "--json").stdout == ""
    assert (dropped(running), running.accepted("meta")) == (5, [])


def test_a_dry_run_goes_by_the_routes_that_would_be_live(running: Running, tmp_path: Path) -> None:
    refused(running, range(3))
    none = '[[sites.routes]]\nid = "none"\ndestination = "meta-main"\nfilter = "event.custom_data.value > 10.0"\n'
    config = tmp_path / "config.toml"
    config.write_text(config.read_text("utf-8") + none, "utf-8")
    assert replay(running, "--dry-run")["counts"] == {"filtered": 3}
    assert replay(running, "--dry-run", "--as-decided")["counts"] == {"queued": 3}


def test_a_job_survives_the_end_of_the_gateway_and_goes_on_where_it_was(running: Running, tmp_path: Path) -> None:
    refused(running, range(60))
    with standing_still(running, running.workers()[0]):
        job = replay(running, "--detach")
        running.kill()
    assert job["state"] == "running"
    again = start_gateway(tmp_path, running.simulator)
    try:
        wait_until(lambda: len(taken(again)) == 60, what="all orders")
        found = msgspec.json.decode(again.command("replay", "show", str(job["id"]), "--json").stdout)
        assert (found["state"], found["counts"]) == ("done", {"queued": 60})
        assert set(taken(again).values()) == {1}
    finally:
        assert again.stop() == 0


def test_on_a_stopped_gateway_it_says_that_the_job_waits_and_can_be_cancelled(running: Running) -> None:
    refused(running, range(2))
    running.kill()
    os.utime(running.directory / "data" / "core.alive", (0, 0))
    told = running.command("replay", "--destination", "meta-main", "--since", "1h", "--json")
    assert (told.returncode, "waits for its next start" in told.stderr) == (0, True)
    number = str(msgspec.json.decode(told.stdout)["id"])
    watched = running.command("replay", "show", number, "--watch")
    assert (watched.returncode, "does not run any more" in watched.stderr) == (0, True)
    assert msgspec.json.decode(running.command("replay", "cancel", number, "--json").stdout)["state"] == "cancelled"
    assert "cancelled by the command line" in running.command("replay", "show", number).stdout
