"""The encoding bench in its shortest form: every way into every platform has its figures; none is held to a time."""

from pathlib import Path

from bench import encoding
from bench.destinations import PLATFORMS
from bench.setting import open_setting


def test_encoding_is_measured_for_every_platform(tmp_path: Path) -> None:
    with open_setting(tmp_path, seconds=None, is_quick=True, tell=lambda _: None) as setting:
        report = encoding.run(setting)
    rows = [row for row in report.sections[0].rows if isinstance(row, encoding.Row)]
    assert {row.platform for row in rows} == set(PLATFORMS)
    assert all(0 < row.encode_least_us <= row.encode_median_us < row.all_median_us for row in rows)
    assert all(row.events > 0 and row.body_bytes > 0 for row in rows)
    assert {row.what for row in report.sections[1].rows if isinstance(row, encoding.Match)} > set(PLATFORMS)
    assert "µs of CPU" in report.goals[0].what
