"""The routing bench in its shortest form: every way to decide has its figures; none is held to a time."""

from pathlib import Path

from bench import routing
from bench.setting import open_setting


def test_deciding_is_measured_by_default_and_by_routes(tmp_path: Path) -> None:
    with open_setting(tmp_path, seconds=None, is_quick=True, tell=lambda _: None) as setting:
        report = routing.run(setting)
    rows = [row for row in report.sections[0].rows if isinstance(row, routing.Row)]
    assert len(rows) == 4
    assert all(0 < row.p10_us <= row.median_us for row in rows)
    assert "µs of CPU" in report.goals[0].what
