"""`python -m bench`: runs the benches, prints their tables, writes their figures as JSON."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from rich.console import Console

from bench import catalogue, encoding, ingest, isolation, pipeline, recovery, report, routing, sdk, state
from bench.errors import BenchFailed
from bench.report import Report
from bench.setting import Setting, open_setting

FILE_WIDTH: Final = 120
BENCHES: Mapping[str, Callable[[Setting], Report]] = MappingProxyType(
    {
        "ingest": ingest.run,
        "pipeline": pipeline.run,
        "pipeline-all": pipeline.run_all,
        "recovery": recovery.run,
        "state": state.run,
        "isolation": isolation.run,
        "catalogue": catalogue.run,
        "encoding": encoding.run,
        "routing": routing.run,
        "sdk": sdk.run,
    }
)


@click.command(epilog="Exit code 1: a bench could give no figures. Figures short of a goal are shown, and exit 0.")
@click.argument("name", type=click.Choice([*BENCHES, "all"]), default="all")
@click.option("--seconds", type=click.FloatRange(1, 3_600), help="How long one measurement takes.")
@click.option("--quick", is_flag=True, help="Short loads and small stores: shows that all works, not how fast.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("bench-results"), show_default=True,
    help="Where the JSON goes. The stores that are measured lie there too, and go away afterwards.",
)  # fmt: skip
def main(name: str, seconds: float | None, quick: bool, out: Path) -> None:
    """Measures the gateway against simulated platforms on this machine.

    Example: python -m bench ingest --seconds 10
    """
    out.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH)
    failed = False
    for bench in BENCHES if name == "all" else (name,):
        try:
            with open_setting(out, seconds=seconds, is_quick=quick, tell=_tell) as setting:
                found = BENCHES[bench](setting)
        except BenchFailed as error:
            click.echo(f"{bench}: {error}", err=True)
            failed = True
            continue
        report.show(found, console)
        console.print(f"written: {report.write(found, out)}", highlight=False)
    sys.exit(1 if failed else 0)


def _tell(line: str) -> None:
    click.echo(f"  {line}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m bench")
