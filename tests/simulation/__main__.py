"""python -m tests.simulation --seeds 0-999: runs seeds and prints those that fail; --trace tells all that happened."""

import time

import click

from tests.simulation.invariants import lines
from tests.simulation.world import simulate


@click.command()
@click.option("--seeds", default="0-199", show_default=True, help="one seed, or the first and the last")
@click.option("--trace", is_flag=True, help="print all that happened")
def main(seeds: str, trace: bool) -> None:
    """Simulates; exit code 1 where a seed fails."""
    first, _, last = seeds.partition("-")
    started, failed, events, lives = time.perf_counter(), 0, 0, 0
    for seed in range(int(first), int(last or first) + 1):
        outcome = simulate(seed)
        events, lives = events + outcome.events, lives + outcome.lives
        if trace:
            click.echo("\n".join(outcome.trace))
        if outcome.problems:
            failed += 1
            click.echo(f"seed {seed} fails (python -m tests.simulation --seeds {seed} --trace):\n"
                       f"{lines(outcome.problems)}")  # fmt: skip
    taken_s = time.perf_counter() - started
    click.echo(f"{failed} seeds failed; {events} events, {lives} lives, {taken_s:.1f} s")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
