"""`gateway demo`: the gateway, the simulated platforms and a storefront's traffic, in one command, shown as it happens.

Two things go wrong on the way, for real: the receiver of the webhook answers 500 until the breaker opens, and Meta
refuses its access token until an operator's SIGHUP brings a new one. With `--once` it ends by itself and compares what
the platforms took with what the storefront was promised.
"""

import signal
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import click
import httpx
import trio
from rich.console import Console

from bench.simulator import Fault
from gateway import exit_codes
from gateway.commands.demo_numbers import DestinationNumbers, read_numbers
from gateway.commands.demo_promises import Promise, judge, show
from gateway.commands.demo_traffic import Storefront
from gateway.commands.demo_view import PLATFORM_OF, Scene
from gateway.commands.demo_world import WRITE_KEY, DemoFailed, World, open_world
from gateway.commands.reading import console, end

SHOPPERS: Final = 56  # of `--once`
ARRIVE_S: Final = 0.22  # between two of them
PACE_S: Final = 0.35  # between two steps of one
OUTAGE_S: Final = 3.0  # how long a platform stays down after the gateway has noticed
NOTICE_S: Final = 20.0
DRAIN_S: Final = 25.0
GAUGES_S: Final = 2.5  # the gateway looks at its depths every 2 s
BETWEEN_S: Final = 40.0  # between two outages, where the demo goes on
LOOK_S: Final = 0.25


@click.command()
@click.option("--once", is_flag=True, help="End by itself (in about 30 s); exit 0 only if every promise was kept.")
def demo(once: bool) -> None:
    """See the whole gateway at work: nothing to set up, nothing left behind.

    Starts the gateway on a store in a temporary directory, simulated Meta, GA4, Google Ads and a webhook's receiver,
    and a storefront's traffic, all over HTTP on 127.0.0.1. Ctrl-C ends it.

    \b
    Examples:
      gateway demo
      gateway demo --once
    """
    demonstration = _Demo(console(), is_once=once)
    try:
        trio.run(demonstration.run)
    except* (DemoFailed, OSError) as group:
        end(str(_first(group)))
    if demonstration.was_interrupted:
        click.echo("ended by a signal; nothing is left running or on disk", err=True)
    click.get_current_context().exit(demonstration.code)


class _Demo:
    def __init__(self, console: Console, *, is_once: bool) -> None:
        self._console = console
        self._is_once = is_once
        self._scene = Scene(console)
        self.code = exit_codes.FAILED if is_once else exit_codes.OK  # until it came to its end
        self.was_interrupted = True

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(_end_on_signal, nursery.cancel_scope)
            await self._play()
            self.was_interrupted = False
            nursery.cancel_scope.cancel()

    async def _play(self) -> None:
        with self._scene as scene:
            scene.say("starting the simulated platforms and the gateway")
            async with open_world() as world:
                storefront = Storefront(world.gateway.url, Random(2026), scene.sell)
                scene.say(f"the gateway is ready at {world.gateway.url}; its store is {world.data_dir}")
                try:
                    await self._traffic(world, storefront)
                finally:
                    await storefront.aclose()
                if not self._is_once:
                    return
                scene.stage = "stopping the gateway"
                scene.say("the gateway gets SIGTERM")
                await world.stop()
                scene.stage = "comparing what the platforms took with what was promised"
                promises = await trio.to_thread.run_sync(judge, world, storefront)
                scene.stage = "done"
                scene.refresh()
                self._end(promises)

    def _end(self, promises: list[Promise]) -> None:
        self.code = exit_codes.OK if all(one.is_kept for one in promises) else exit_codes.FAILED
        self._scene.close()
        show(promises, self._console)

    async def _traffic(self, world: World, storefront: Storefront) -> None:
        """Ends with the last delivery that is not left for later; without `--once` only with Ctrl-C."""
        async with trio.open_nursery() as watchers:
            watchers.start_soon(self._watch, world)
            if not self._is_once:
                self._scene.hints = _hints(world)
                if not self._console.is_terminal:
                    for hint in self._scene.hints:
                        self._scene.say(hint)
            self._scene.stage = "the shop is open"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._shoppers, storefront)
                nursery.start_soon(self._act, 1.0, storefront.bad_batch)
                nursery.start_soon(self._act, 2.0, lambda: self._receiver_fails(world))
                nursery.start_soon(self._act, 4.0, lambda: self._token_is_refused(world))
            self._scene.stage = "the shop is closed; what waits goes out"
            await self._drain()
            watchers.cancel_scope.cancel()

    async def _shoppers(self, storefront: Storefront) -> None:
        pace_s = PACE_S if self._is_once else PACE_S * 3
        async with trio.open_nursery() as nursery:
            while not self._is_once or storefront.shoppers < SHOPPERS:
                nursery.start_soon(storefront.visit, storefront.new_shopper(), pace_s)
                await trio.sleep(ARRIVE_S if self._is_once else ARRIVE_S * 3)

    async def _act(self, after_s: float, act: Callable[[], Awaitable[None]]) -> None:
        await trio.sleep(after_s)
        await act()
        while not self._is_once:
            await trio.sleep(BETWEEN_S)
            await act()

    # --- what goes wrong ---

    async def _receiver_fails(self, world: World) -> None:
        scene, name = self._scene, "own-backend"
        scene.say(f"{name}: the receiver answers 500 from now on")
        world.simulator.fail("webhook", Fault(kind="status", status=500))
        await self._wait(world, name, lambda one: one.breaker != "closed")
        tried = scene.numbers.of(name).to_retry
        scene.say(
            f"{name}: {tried} deliveries were refused and wait 150 s for their second attempt; the breaker is open"
        )
        await trio.sleep(OUTAGE_S)
        world.simulator.heal("webhook")
        scene.say(f"{name}: the receiver is well again; what was not tried yet goes out after the breaker's next probe")
        await self._wait(world, name, lambda one: one.breaker == "closed")
        scene.say(f"{name}: the probe was answered; the breaker is closed and the queue goes out")

    async def _token_is_refused(self, world: World) -> None:
        scene, name = self._scene, "meta-main"
        scene.say(f"{name}: Meta refuses the access token from now on")
        world.revoke_meta_token()
        await self._wait(world, name, lambda one: one.is_paused)
        scene.say(f"{name}: paused; deliveries wait and use up no attempt")
        await trio.sleep(OUTAGE_S)
        await world.replace_meta_token()
        scene.say(f"{name}: the new token is in its file, SIGHUP was sent and the configuration published")
        await self._wait(world, name, lambda one: not one.is_paused)

    async def _wait(self, world: World, name: str, is_so: Callable[[DestinationNumbers], bool]) -> None:
        """Raises DemoFailed where the gateway does not say so in time."""
        with trio.move_on_after(NOTICE_S):
            while not is_so(self._scene.numbers.of(name)):  # noqa: ASYNC110 - another process tells, when it is asked
                await trio.sleep(LOOK_S)
            return
        told = f"{name} did not come to what was expected within {NOTICE_S:.0f} s: {self._scene.numbers.of(name)}"
        raise DemoFailed(world.gateway.with_lines(told))

    # --- watching ---

    async def _watch(self, world: World) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            while True:
                numbers = await read_numbers(client, world.gateway.metrics_url)
                if numbers is not None:
                    self._scene.numbers = numbers
                for destination, platform in PLATFORM_OF.items():
                    self._scene.platforms_took[destination] = world.simulator.counts(platform).accepted
                self._scene.refresh()
                await trio.sleep(LOOK_S)

    async def _drain(self) -> None:
        """Until only what waits for its second attempt is left."""
        with trio.move_on_after(DRAIN_S):
            await trio.sleep(GAUGES_S)
            while not self._is_drained():  # noqa: ASYNC110 - another process tells, when it is asked
                await trio.sleep(LOOK_S)
            return
        self._scene.say(f"the queues did not empty within {DRAIN_S:.0f} s")

    def _is_drained(self) -> bool:
        numbers = self._scene.numbers
        return numbers.mailbox == 0 and all(one.waiting <= one.to_retry for one in numbers.destinations)


def _hints(world: World) -> list[str]:
    config, url = world.config_path, world.gateway.url
    event = '{"event_name": "purchase_placed", "event_id": "mine-1", "custom_data": {"order_id": "M-1", '
    event += '"value": "19.90", "currency": "EUR"}, "user_data": {"email": "me@example.com"}}'
    return [
        f"curl {url}/v1/events -H 'Authorization: Bearer {WRITE_KEY}' -d '{event}'",
        f"gateway explain --config {config} --order M-1",
        f"gateway stream --config {config} --tail",
        f"gateway deliveries --config {config} --status failed",
        f"gateway check-store --config {config}",
        f"curl {world.gateway.metrics_url}",
    ]


async def _end_on_signal(
    scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        task_status.started()
        async for _ in received:
            scope.cancel()
            return


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
