"""A webhook's secret is changed while the gateway runs, and its receiver misses nothing."""

import os
import signal
from pathlib import Path

from bench.simulator.webhook import SECRET as KNOWN
from tests.support.running import Running, running_gateway, running_simulator, wait_until

OTHER = "whsec_" + "B" * 32  # the simulated receiver knows the first only
HOOK = """
[[sites.destinations]]
id = "hook"
type = "webhook"
url = "{url}/webhook"
allow_private = true
secret = "{secret}"
previous_secrets = [{previous}]
"""


def hook(secret: str, *previous: str) -> str:
    listed = ", ".join(f'"{one}"' for one in previous)
    return HOOK.replace("{secret}", secret).replace("{previous}", listed)


def publish(gateway: Running, old: str, new: str) -> None:
    """Puts the destination's new block in the place of the old one and has it read."""
    path = gateway.directory / "config.toml"
    text = path.read_text()
    shown = {"url": gateway.simulator}
    assert old.format(**shown) in text
    path.write_text(text.replace(old.format(**shown), new.format(**shown)))
    before = gateway.log().count('"action": "config_published"')
    os.kill(gateway.process.pid, signal.SIGHUP)
    wait_until(lambda: gateway.log().count('"action": "config_published"') > before, what="published")


def taken(gateway: Running) -> set[str]:
    return {one["event"]["data"]["event_id"] for one in gateway.accepted("webhook")}


def send(gateway: Running, event_id: str) -> None:
    assert gateway.send({"event_name": "page_viewed", "event_id": event_id}).status_code == 202


def test_a_receiver_that_knows_the_old_or_the_new_secret_takes_what_both_sign(tmp_path: Path) -> None:
    first, changing, done = hook(KNOWN), hook(OTHER, KNOWN), hook(KNOWN, OTHER)
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, destinations=first, simulator=simulator) as gateway,
    ):
        send(gateway, "before")
        wait_until(lambda: taken(gateway) == {"before"})
        publish(gateway, first, changing)  # the receiver knows the old one still
        send(gateway, "while")
        wait_until(lambda: taken(gateway) == {"before", "while"})
        publish(gateway, changing, done)  # it knows the new one now
        send(gateway, "after")
        wait_until(lambda: taken(gateway) == {"before", "while", "after"})
        refused = gateway.get(f"{simulator}/_control/refused/webhook").text
        assert "signature" not in refused


def test_a_receiver_that_knows_neither_secret_takes_nothing(tmp_path: Path) -> None:
    with (
        running_simulator(tmp_path) as simulator,
        running_gateway(tmp_path, destinations=hook(OTHER, "whsec_" + "C" * 32), simulator=simulator) as gateway,
    ):
        send(gateway, "unsigned")
        control = f"{simulator}/_control/refused/webhook"
        wait_until(lambda: "signature does not match" in gateway.get(control).text)
        assert taken(gateway) == set()
        assert OTHER not in gateway.log()
