"""The process tree as operators meet it: workers that die, configurations that are edited, edges beside a core."""

import os
import signal
import socket
from pathlib import Path

from store import versions
from store.env import Store
from tests.support.running import Running, running_gateway, standing_still, wait_until


def three_free_ports() -> int:
    """The first of three ports in a row that are free."""
    for first in range(20_000, 30_000, 7):
        try:
            for port in range(first, first + 3):
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def config_of(running: Running) -> Path:
    return running.directory / "config.toml"


def reload(running: Running) -> None:
    os.kill(running.process.pid, signal.SIGHUP)


def test_each_process_has_a_metrics_page_on_a_port_of_its_own(tmp_path: Path) -> None:
    first = three_free_ports()
    with running_gateway(tmp_path, server="edges = 2", metrics_port=first) as running:
        pages = [
            wait_until(lambda port=port: running.get(f"http://127.0.0.1:{port}/metrics"))
            for port in range(first, first + 3)
        ]
        assert [page.status_code for page in pages] == [200, 200, 200]
        assert running.send({"event_name": "page_viewed"}).status_code == 202


def test_a_configuration_with_faults_leaves_the_old_one_also_when_a_worker_dies(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as running:
        config_of(running).write_text("no TOML at all [")
        reload(running)
        wait_until(lambda: "config_refused" in running.log(), what="refusal")
        os.kill(running.workers()[0], signal.SIGKILL)
        wait_until(lambda: len(running.workers()) == 2, what="a new worker")
        assert running.send({"event_name": "page_viewed"}).status_code == 202


def test_a_secret_key_that_cannot_be_used_refuses_the_new_configuration_and_nothing_more(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as running:
        (tmp_path / "data" / "secret.key").write_text("no key")
        text = config_of(running).read_text().replace('id = "shop"', 'id = "shop"\nkeep_plaintext = "sealed"')
        config_of(running).write_text(text)
        reload(running)
        wait_until(lambda: "config_refused" in running.log(), what="refusal")
        assert running.send({"event_name": "page_viewed"}).status_code == 202


def test_what_is_published_is_a_version_on_disk(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as running:
        text = config_of(running).read_text().replace('id = "shop"', 'id = "shop"\npurchase_hold_s = 1.5')
        config_of(running).write_text(text)
        reload(running)
        wait_until(lambda: "config_published" in running.log(), what="publication")
        store = Store(tmp_path / "data", is_readonly=True)
        numbers = [row.version for row in versions.history(store)]
        store.close()
    assert numbers == [1, 2]


def test_an_edge_is_not_ready_while_its_core_does_not_run_yet_goes_on_accepting(tmp_path: Path) -> None:
    with running_gateway(tmp_path, server="edges = 1") as running:
        wait_until(lambda: running.get(running.url + "/readyz").status_code == 200, what="ready")
        core = next(pid for pid in running.workers() if f'"role": "core", "pid": {pid}' in running.log())
        with standing_still(running, core):
            answer = wait_until(lambda: (got := running.get(running.url + "/readyz")).status_code == 503 and got)
            accepted = running.send({"event_name": "page_viewed"}).status_code
        wait_until(lambda: running.get(running.url + "/readyz").status_code == 200, what="ready again")
    assert (accepted, answer.json()["error"]["message"]) == (202, "the core does not run")
