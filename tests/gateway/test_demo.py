"""`gateway demo`: it keeps its promises, notices one that is broken, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gateway import exit_codes
from gateway.commands.demo_numbers import numbers_of
from gateway.commands.demo_promises import exactly
from gateway.metrics import PrometheusObserver, render
from tests.support.running import wait_until

END_S = 90.0


def demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Its temporary directory is made in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    )


def running_with(text: str) -> list[str]:
    """Command lines of processes that name a text."""
    found = [path.read_bytes().replace(b"\0", b" ").decode() for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in found if text in line]


def test_once_ends_by_itself_with_every_promise_kept(tmp_path: Path) -> None:
    process = demo(tmp_path, "--once")
    output, _ = process.communicate(timeout=END_S)
    assert process.returncode == exit_codes.OK, output
    assert "promises were kept" in output
    assert "BROKEN" not in output
    assert len(re.findall(r"(?m)^kept ", output)) == 14
    for happened in ("the breaker is open", "the breaker is closed", "paused", "SIGHUP", "is reloaded", "no ISO 4217"):
        assert happened in output
    assert list(tmp_path.iterdir()) == []
    assert running_with(str(tmp_path)) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    process = demo(tmp_path)
    assert process.stdout is not None
    lines = []
    while not (line := process.stdout.readline()).count("curl http"):
        lines.append(line)
        assert line, lines
    assert len(running_with(str(tmp_path))) >= 2, "the supervisor and its worker"
    process.send_signal(number)
    output, _ = process.communicate(timeout=END_S)
    assert process.returncode == exit_codes.OK, output
    assert "nothing is left" in output
    assert list(tmp_path.iterdir()) == []
    assert running_with(str(tmp_path)) == []


def test_the_gateway_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    process = demo(tmp_path)
    assert process.stdout is not None
    while not (line := process.stdout.readline()).count("curl http"):
        assert line
    assert running_with(str(tmp_path))
    process.kill()
    process.communicate(timeout=END_S)
    wait_until(lambda: not running_with(str(tmp_path)), END_S, "the gateway has ended")


def test_a_directory_that_cannot_be_made_is_an_answer(tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        environment = {**os.environ, "TMPDIR": f"{file.name}/below", "TEMP": "", "TMP": ""}
        code = "import tempfile, sys; tempfile.tempdir = sys.argv.pop(); from gateway.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, "demo", "--once", environment["TMPDIR"]],
            capture_output=True, text=True, env=environment, timeout=END_S, check=False,
        )  # fmt: skip
    assert done.returncode == exit_codes.FAILED
    assert "Traceback" not in done.stderr
    assert file.name in done.stderr


@pytest.mark.parametrize(
    ("got", "is_kept", "observed"),
    [
        (["a", "b", "b"], True, "3 of 3, 0 too many"),
        (["a", "b"], False, "2 of 3, 0 too many"),
        (["a", "b", "b", "b"], False, "3 of 3, 1 too many"),
        (["a", "b", "c"], False, "2 of 3, 1 too many"),
    ],
)
def test_what_is_lost_or_doubled_breaks_a_promise(got: list[str], is_kept: bool, observed: str) -> None:
    promise = exactly("Meta", ["a", "b", "b"], got)
    assert (promise.is_kept, promise.observed) == (is_kept, observed)


def test_the_view_reads_the_gateway_s_own_metrics_page() -> None:
    observer = PrometheusObserver()
    observer.event_received("demo", "browser", 3)
    observer.delivery("demo", "meta-main", "meta", "delivered", "none", 0.1)
    observer.delivery("demo", "meta-main", "meta", "failed", "unforeseen", None)
    observer.outbox("demo", "meta-main", 4, 1.0)
    observer.breaker("demo", "meta-main", "open")
    observer.paused("demo", "meta-main", "credentials")
    observer.match_quality("demo", "meta-main", "meta", 6.4)
    observer.match_quality("demo", "meta-main", "meta", 3.2)
    numbers = numbers_of(render(observer.registry).decode())
    meta = numbers.of("meta-main")
    assert numbers.received == {"browser": 3}
    assert meta.match_mean == pytest.approx(4.8)
    assert numbers.of("own-backend").match_mean is None
    assert (meta.delivered, meta.to_retry, meta.waiting, meta.breaker, meta.is_paused) == (1, 1, 4, "open", True)
