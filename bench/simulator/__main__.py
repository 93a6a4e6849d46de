"""Serves all simulated platforms until stopped: python -m bench.simulator --port 0."""

import signal

import click
import trio

from bench.simulator import Simulator, all_platforms
from bench.simulator.server import KEEP


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65_535))
@click.option(
    "--keep", default=KEEP, show_default=True, type=click.IntRange(0), help="Accepted events kept a platform."
)
def main(host: str, port: int, keep: int) -> None:
    """Plays the platforms and prints its address; each is at that address and its name, such as …/meta."""
    trio.run(_serve, Simulator(all_platforms(), keep=keep), host, port)


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            await nursery.start(simulator.serve, port, host)
            print(simulator.address, flush=True)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                return


if __name__ == "__main__":
    main()
