"""Secrets that change while the gateway runs: a new one ends a pause, a new key loses nothing that waits."""

from pathlib import Path

from tests.support.running import Running, running_gateway, running_simulator, wait_until

SEALED = 'keep_plaintext = "sealed"'
KEY = "pk_" + "0" * 34


def event(number: int) -> dict[str, object]:
    return {"event_name": "page_viewed", "event_id": f"e-{number}", "user_data": {"email": f"jane{number}@example.com"}}


def connect_klaviyo(running: Running) -> None:
    klaviyo = ("connect", "klaviyo", "--api-key", KEY, "--no-check", "--allow-private")
    done = running.command(*klaviyo, "--base-url", f"{running.simulator}/klaviyo")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: is_in(running, "sending"), what="in force in the core, too")


def emails(running: Running) -> list[str]:
    return [number for number in ("jane1", "jane2") if f"{number}@example.com" in str(running.accepted("klaviyo"))]


def is_in(running: Running, state: str) -> bool:
    return f'"state":"{state}"' in running.command("destinations", "--json").stdout


def test_what_waits_under_an_older_key_is_delivered_after_a_rotation(tmp_path: Path) -> None:
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, site=SEALED, server="edges = 1", simulator=simulator) as running,
    ):
        connect_klaviyo(running)
        running.fail("klaviyo", kind="bad_token")
        assert running.send(event(1)).status_code == 202
        wait_until(lambda: is_in(running, "paused"), what="paused")
        running.heal("klaviyo")
        first = (tmp_path / "data" / "secret.key").read_text().split()[0]
        done = running.command("secret", "rotate-key")
        assert (done.returncode, "sealed with the new key: 1; keys kept: 2" in done.stdout) == (0, True)
        wait_until(lambda: emails(running) == ["jane1"], what="delivered")
        assert running.send(event(2)).status_code == 202
        wait_until(lambda: emails(running) == ["jane1", "jane2"], what="delivered too")
        assert (tmp_path / "data" / "secret.key").read_text().splitlines()[1].split()[0] == first


def test_a_new_secret_ends_a_pause_for_the_old_one(tmp_path: Path) -> None:
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, site=SEALED, simulator=simulator) as running,
    ):
        connect_klaviyo(running)
        running.fail("klaviyo", kind="bad_token")
        running.send(event(1))
        wait_until(lambda: is_in(running, "paused"), what="paused")
        refused = running.command("secret", "set", "klaviyo", "api_key", "-", stdin=KEY)
        assert (refused.returncode, "refuses the credentials" in refused.stderr) == (1, True)
        running.heal("klaviyo")
        done = running.command("secret", "set", "shop/klaviyo", "key", "-", stdin="pk_" + "1" * 34 + "\n")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: emails(running) == ["jane1"], what="delivered")
        assert "1" * 34 not in done.stdout + done.stderr + running.log()
