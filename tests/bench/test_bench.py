"""The benches in their shortest form: each runs the real processes and comes to its figures; none is held to a time."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

import build_hook.sdk
from actors.event import Event
from bench import ingest, isolation, pipeline, recovery, report, sdk, state, traffic
from bench.__main__ import main
from bench.errors import BenchFailed
from bench.gateway_process import running_hello
from bench.load import checked
from bench.load_plan import Figures, Plan
from bench.machine import on_cores, share_cores
from bench.raw_load import Generator, Requests
from bench.report import Goal, Section
from bench.setting import Setting, open_setting
from gateway.incoming import Body, Intake, parse_body, to_event

SHORT_S = 0.2
ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
INTAKE = Intake(site="shop", source="server", received_at_ms=1_795_032_251_412, make_id=lambda: "0" * 32)


def say_nothing(_: str) -> None:
    pass


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with open_setting(tmp_path, seconds=SHORT_S, is_quick=True, tell=say_nothing) as opened:
        yield opened


@pytest.fixture
def without_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    """wrk counts in whole seconds; the generator of our own can be shorter."""
    monkeypatch.setenv("PATH", "")


class SlowServer:
    """Answers one connection; the first answer comes after `stall_s`."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve).start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, self._listening:
            while connection.recv(65_536):
                time.sleep(self._stall_s)
                self._stall_s = 0.0
                connection.sendall(ANSWER)


@pytest.mark.usefixtures("without_wrk")
def test_ingest_measures_both_doors_beside_the_hello_world(setting: Setting) -> None:
    found = ingest.run(setting)
    rows = [row for row in found.sections[0].rows if isinstance(row, ingest.Row)]
    assert {row.server for row in rows} == {"hello world", "hello world, GET /", "fast lane", "other door"}
    assert all(row.per_s > 0 and row.ratio > 0 and row.p99_ms >= row.p50_ms > 0 for row in rows)
    assert all(row.processed_per_s > 0 for row in rows if row.server == "fast lane")
    assert [goal.what[:9] for goal in found.goals] == ["fast lane", "p99 of an"]


@pytest.mark.usefixtures("without_wrk")
def test_pipeline_finds_a_rate_that_lasts_for_each_pair_of_platforms(setting: Setting) -> None:
    rows = [row for row in pipeline.run(setting).sections[0].rows if isinstance(row, pipeline.Row)]
    assert [row.platforms for row in rows] == ["meta and google_ads", "ga4 and webhook"]
    assert all(row.deliveries_per_s > 0 and row.delivery_p99_ms > 0 for row in rows)
    assert all(row.gateway_cpu > 0 and row.anonymous_mib > 0 for row in rows)


@pytest.mark.usefixtures("without_wrk")
def test_pipeline_finds_a_rate_that_lasts_for_all_platforms_at_once(setting: Setting) -> None:
    [row] = [row for row in pipeline.run_all(setting).sections[0].rows if isinstance(row, pipeline.Row)]
    assert row.deliveries_per_s > 5 * row.events_per_s > 0
    assert row.cpu_us_per_event > row.cpu_us_per_delivery > 0


@pytest.mark.usefixtures("without_wrk")
def test_recovery_drains_the_whole_backlog_once_the_platforms_answer(setting: Setting) -> None:
    (row,) = recovery.run(setting).sections[0].rows
    assert isinstance(row, recovery.Row)
    assert row.deliveries == recovery.QUICK
    assert row.drain_s > 0
    assert row.probe_s > 0


@pytest.mark.usefixtures("without_wrk")
def test_isolation_times_a_platform_beside_two_broken_ones(setting: Setting) -> None:
    (row,) = isolation.run(setting).sections[0].rows
    assert isinstance(row, isolation.Row)
    assert (row.platform, row.hangs, row.answers_500) == ("meta", "ga4", "webhook")
    assert row.deliveries > 0
    assert row.p99_ratio > 0


@pytest.mark.usefixtures("without_wrk")
def test_state_compares_stores_of_few_and_of_many_visitors(setting: Setting) -> None:
    rows = [row for row in state.run(setting).sections[0].rows if isinstance(row, state.Row)]
    assert [row.visitors for row in rows] == list(state.QUICK)
    assert rows[0].share == 1.0
    assert rows[-1].file_mib > rows[0].file_mib


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sends_the_events_and_its_figures_are_read(setting: Setting) -> None:
    with running_hello(setting.cores) as hello:
        figures = setting.run(Plan(port=hello.port, connections=4, seconds=1))
        chunked = setting.run(Plan(port=hello.port, connections=4, seconds=1, shape="chunked"))
    assert (figures.tool, figures.failed, chunked.failed) == ("wrk", 0, 0)
    assert figures.requests > 0
    assert chunked.requests > 0


def test_every_event_of_a_load_is_well_formed_and_has_an_id_of_its_own() -> None:
    requests = Requests(Plan(port=1, run="a", batch=len(traffic.order())))
    body = parse_body(requests.next().partition(b"\r\n\r\n")[2])
    assert isinstance(body, Body)
    events = [event for raw in body.events if isinstance(event := to_event(raw, INTAKE), Event)]
    assert len({event.event_id for event in events}) == len(traffic.order())
    assert {event.event_name for event in events} == set(traffic.NAMES)


def test_a_walk_through_the_visitors_meets_each_of_them_once() -> None:
    assert len({traffic.visitor_of(number, 1_000) for number in range(5_000, 6_000)}) == 1_000


def test_a_load_of_so_many_requests_sends_no_more() -> None:
    server = SlowServer(0.0)
    figures = Generator(Plan(port=server.port, connections=1, requests=7, seconds=10)).run()
    assert (figures.requests, figures.failed) == (7, 0)


def test_a_stall_counts_for_every_request_that_was_due_in_it() -> None:
    server = SlowServer(0.3)
    figures = Generator(Plan(port=server.port, connections=1, rate=100, seconds=0.5)).run()
    assert figures.longest_ms >= 300
    assert figures.p50_ms >= 20  # three in five were due in it, a hundredth of a second apart


def test_a_load_with_failed_requests_gives_no_figures() -> None:
    figures = Figures(
        requests=2, failed=1, seconds=1, p50_ms=1, p90_ms=1, p99_ms=1, longest_ms=1, tool="python"
    )  # fmt: skip
    with pytest.raises(BenchFailed, match="1 of 2 requests failed"):
        checked(figures)


def test_a_report_shows_its_figures_and_goals_and_is_json_too(setting: Setting, tmp_path: Path) -> None:
    row = recovery.Row(
        platforms="meta", deliveries=200_000, fill_s=1, fill_events_per_s=1, probe_s=1, drain_s=2.5,
        deliveries_per_s=1, gateway_cpu=1, anonymous_mib=1,
    )  # fmt: skip
    goal = Goal(what="rate", figure=1.5, goal="2", is_met=False)
    found = setting.report("recovery", ["how"], [Section(title="after", rows=[row])], [goal])
    console = Console(record=True, width=120, file=(tmp_path / "shown").open("w"))
    report.show(found, console)
    console.file.close()
    shown = console.export_text()
    assert "200,000" in shown
    assert "short  rate: 1.50 (goal: 2)" in shown
    assert "core" in shown
    assert msgspec.json.decode(report.write(found, tmp_path).read_bytes())["sections"][0]["rows"][0]["drain_s"] == 2.5


def test_children_get_their_core_and_the_bench_keeps_its_own() -> None:
    before, cores = os.sched_getaffinity(0), share_cores()
    with on_cores(cores.server):
        assert os.sched_getaffinity(0) == cores.server
    assert os.sched_getaffinity(0) == before


def test_an_unknown_bench_is_refused_with_those_there_are() -> None:
    result = CliRunner().invoke(main, ["speed"])
    assert result.exit_code == 2
    assert "ingest" in result.output
    assert "recovery" in result.output


def test_the_size_of_the_sdk_is_told_where_there_is_no_browser(setting: Setting, without_wrk: None) -> None:
    build_hook.sdk.make()
    found = sdk.run(setting)
    assert [section.title for section in found.sections] == ["Size"]
    assert [goal.is_met for goal in found.goals] == [True]
