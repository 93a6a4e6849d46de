"""Routes on a running gateway: what a version binds, from publishing to what the platform took."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.gateway.api_client import BEARER, TOKEN
from tests.support.running import META, Running, running_gateway, running_simulator, wait_until

GRANTED = {"marketing": "granted", "analytics": "granted"}
TO_META = {"id": "to-meta", "destination": "meta-main"}
BIG = {**TO_META, "filter": "event.custom_data.value > 50.0"}
RENAMED = {**TO_META, "transform": [{"step": "event_name", "name": "another_name"}]}


@contextmanager
def gateway(tmp_path: Path, destinations: str = META) -> Iterator[Running]:
    server = f'admin_token = "{TOKEN}"'
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, destinations=destinations, server=server, simulator=simulator) as running,
    ):
        yield running


def send(running: Running, event_id: str, value: int) -> None:
    event = {"event_name": "cart_item_added", "event_id": event_id, "consent": GRANTED}
    user = {"email": "jane@example.com"}
    assert running.send({**event, "user_data": user, "custom_data": {"value": value, "currency": "EUR"}}).is_success


def ask(running: Running, method: str, path: str, body: Any = None, **headers: str) -> Any:
    given = {**BEARER, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = httpx.request(method, f"{running.url}/api{path}", json=body, headers=given, trust_env=False, timeout=30)
    assert answer.is_success, answer.text
    return answer.json()


def change(running: Running, method: str, path: str, body: Any = None) -> Any:
    """Changed, and in force."""
    before = running.log().count("config_published")
    told = ask(running, method, path, body)
    wait_until(lambda: running.log().count("config_published") > before, what="in force")
    return told


def publish(running: Running, *routes: dict[str, Any]) -> int:
    ask(running, "PUT", "/sites/shop/routes/draft", {"routes": routes}, if_match="*")
    number: int = change(running, "POST", "/sites/shop/routes/publish", {})["version"]["version"]
    return number


def story(running: Running, event_id: str) -> Any:
    """Once its turn is over."""

    def told() -> Any:
        path = f"{running.url}/api/events/shop/{event_id}"
        answer = httpx.get(path, headers=dict(BEARER), trust_env=False, timeout=30)
        return answer.json()["events"][0] if answer.is_success else None

    return wait_until(told, what=f"the story of {event_id}")


def named(running: Running, event_id: str) -> list[str]:
    """The names under which the platform was sent the event."""
    events = [one["event"] for one in running.accepted("meta")]
    return [one["event_name"] for one in events if one["event_id"] == event_id]


def test_each_event_is_decided_by_the_version_of_its_turn(tmp_path: Path) -> None:
    with gateway(tmp_path) as running:
        send(running, "small-before", 10)
        wait_until(lambda: named(running, "small-before"), what="delivered by the defaults")
        number = publish(running, BIG)
        send(running, "small-after", 10)
        send(running, "big-after", 80)
        wait_until(lambda: named(running, "big-after"), what="delivered by the route")
        found = story(running, "small-after")
        assert [one["reason"] for one in found["destinations"]] == ["filtered"]
        assert named(running, "small-after") == []
        assert (story(running, "small-before")["routes_version"], found["routes_version"]) == (0, number)
        page = running.command("explain", "big-after").stdout
        assert f"with version {number} of its routes" in page
        assert "by route to-meta" in page


def test_what_is_queued_keeps_what_was_decided(tmp_path: Path) -> None:
    with gateway(tmp_path) as running:
        publish(running, RENAMED)
        change(running, "POST", "/destinations/shop/meta-main/pause")
        send(running, "queued", 10)
        assert story(running, "queued")["destinations"][0]["status"] == "queued"
        publish(running, BIG)
        ask(running, "POST", "/destinations/shop/meta-main/resume")
        wait_until(lambda: named(running, "queued"), what="delivered")
        assert named(running, "queued") == ["another_name"]


def test_a_disabled_destination_gets_nothing_new_and_keeps_what_waits(tmp_path: Path) -> None:
    with gateway(tmp_path, "") as running:
        own = {"pixel_id": "123456789", "access_token": "EAAconnected0123456789", "allow_private": True}
        settings = {**own, "base_url": f"{running.simulator}/meta", "paused": True}
        body = {"site": "shop", "type": "meta", "id": "meta", "settings": settings, "check": False}
        change(running, "POST", "/destinations", body)
        send(running, "waiting", 10)
        story(running, "waiting")
        change(running, "PATCH", "/destinations/shop/meta", {"settings": {"enabled": False, "paused": False}})
        send(running, "new", 10)
        assert [one["reason"] for one in story(running, "new")["destinations"]] == ["destination_disabled"]
        assert story(running, "waiting")["destinations"][0]["status"] == "queued"
        ask(running, "PATCH", "/destinations/shop/meta", {"settings": {"enabled": True}})
        wait_until(lambda: named(running, "waiting"), what="delivered once it is enabled")
        assert named(running, "new") == []
