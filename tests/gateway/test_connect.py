"""`gateway connect` and its companions on a running process tree: live, without a restart, and after a crash."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import META, Running, running_gateway, running_simulator, start_gateway, wait_until

EVENT = {"event_name": "page_viewed", "user_data": {"email": "jane@example.com"}}
TOKEN = "EAAconnected0123456789"
EDGES = pytest.mark.parametrize("server", ["", "edges = 1"], ids=["alone", "edges"])


def connect_meta(running: Running, *more: str) -> Any:
    meta = ("connect", "meta", "--pixel", "123456789", "--token", TOKEN, "--no-check", "--allow-private")
    done = running.command(*meta, "--base-url", f"{running.simulator}/meta", "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def published(running: Running, times: int) -> None:
    """Every process has published so often."""
    wait_until(lambda: running.log().count("config_published") == times, what=running.log())


@EDGES
def test_what_is_connected_gets_events_without_a_restart(tmp_path: Path, server: str) -> None:
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, server=server, simulator=simulator) as running,
    ):
        workers = 2 if server else 1
        view = connect_meta(running)
        published(running, workers)
        assert running.send(EVENT).status_code == 202
        wait_until(lambda: running.accepted("meta"), what="delivered")
        assert (view["id"], view["origin"], view["settings"]["access_token"]) == ("meta", "store", "***")
        assert len(running.workers()) == workers
        assert TOKEN not in running.log()


def test_what_is_connected_outlives_a_kill_and_what_is_disconnected_is_gone(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, running_gateway(tmp_path, simulator=simulator) as running:
        connect_meta(running)
        running.kill()
        again = start_gateway(tmp_path, simulator)
        try:
            again.send(EVENT)
            wait_until(lambda: again.accepted("meta"), what="delivered")
            assert again.command("disconnect", "meta").returncode == 0
            published(again, 1)
            assert again.command("destinations", "--json").stdout == ""
        finally:
            again.stop()


@EDGES
def test_a_destination_of_the_file_is_paused_and_resumed_live(tmp_path: Path, server: str) -> None:
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, server=server, destinations=META, simulator=simulator) as running,
    ):
        workers = 2 if server else 1
        assert running.command("pause", "meta-main").returncode == 0
        published(running, workers)
        assert running.send(EVENT).status_code == 202
        wait_until(lambda: '"queued":1' in running.command("destinations", "--json").stdout, what="queued")
        assert running.accepted("meta") == []
        assert running.command("resume", "shop/meta-main").returncode == 0
        wait_until(lambda: running.accepted("meta"), what="delivered")


def test_the_store_holds_no_secret_in_plain(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, running_gateway(tmp_path, simulator=simulator) as running:
        connect_meta(running)
        published(running, 1)
        shown = running.command("destinations"), running.command("destinations", "--json")
        assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
        files = [one for one in (tmp_path / "data").iterdir() if one.is_file()]
    assert all(TOKEN.encode() not in one.read_bytes() for one in files)
    assert all(TOKEN not in one.stdout + one.stderr for one in shown)


def test_a_refused_credential_is_told_and_nothing_is_stored(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, running_gateway(tmp_path, simulator=simulator) as running:
        running.fail("meta", kind="bad_token")
        meta = ("connect", "meta", "--pixel", "123456789", "--token", TOKEN, "--allow-private")
        done = running.command(*meta, "--base-url", f"{simulator}/meta")
        assert (done.returncode, done.stdout) == (1, "")
        assert "nothing is stored" in done.stderr
        assert TOKEN not in done.stderr
        assert running.command("destinations", "--json").stdout == ""


def test_a_removed_site_leaves_what_is_in_force_and_a_start_takes_the_rest(tmp_path: Path) -> None:
    other = '[[sites]]\nid = "outlet"\nwrite_keys = ["wk_outlet"]\n'
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, destinations=other, simulator=simulator) as running,
    ):
        connect_meta(running, "--site", "outlet")
        published(running, 1)
        config = tmp_path / "config.toml"
        config.write_text(config.read_text().replace(other, ""))
        running.process.send_signal(1)  # SIGHUP
        wait_until(lambda: "config_refused" in running.log(), what="refusal")
        sent = running.post("/v1/events", {"event_name": "page_viewed"}, authorization="Bearer wk_outlet")
        assert sent.status_code == 202
        running.kill()
        again = start_gateway(tmp_path, simulator)
        try:
            assert "there is no site 'outlet'" in again.log()
            assert again.send({"event_name": "page_viewed"}).status_code == 202
            assert "there is no site" in again.command("check-config").stdout
        finally:
            again.stop()
