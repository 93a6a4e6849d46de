"""`gateway stream`: events as they are committed, one line each; with `--tail` on and on, and when they settle."""

import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

import click
import msgspec

from actors.names import canonical_name
from gateway import exit_codes
from gateway.commands.facts import Place, newest_messages
from gateway.commands.reading import chosen_sites, end, json_option, open_store, site_option, store_options
from gateway.commands.stream_lines import Line, Tail, is_wanted, line_of, text_of
from store.env import Store

LOOK_S: Final = 0.5
WATCHED: Final = 2_000  # events whose deliveries are waited for; the oldest are let go
PATIENCE_LOOKS: Final = 10  # an update is shown after so many looks, though something still waits


@click.command()
@click.option("--event", "event_name", help="Events of this name only.")
@click.option("--tail", is_flag=True, help="Go on: show what is committed from now on, until Ctrl-C.")
@site_option
@click.option(
    "--limit", type=click.IntRange(0, 100_000), default=20, show_default=True, help="Begin with so many of the newest."
)
@json_option
@store_options
def stream(
    event_name: str | None,
    tail: bool,
    site: str | None,
    limit: int,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Show events as they are committed, one line each, in order of arrival.

    Time (UTC), name, source, id; whether it is new, held (waits for its twin), merged, a duplicate or dead (its turn
    failed); the names of the identifiers that are there; the status at each destination. With --tail a further line
    tells when an event's deliveries settle. With --json one object a line.

    \b
    Examples:
      gateway stream --tail
      gateway stream --event purchase_placed --limit 100 --json
    """
    with open_store(config_path, data_dir) as store:
        shards = store.shards()
        if shards is None:
            end("the store is empty: no gateway has run on it yet", exit_codes.STORE)
        follower = Tail(store, shards)
        name = canonical_name(event_name) if event_name else None
        printer = _Printer(store, chosen_sites(store, site), name, as_json)
        printer.newest(limit)
        if tail:
            _follow(follower, printer, time.sleep)


def _follow(follower: Tail, printer: "_Printer", wait: Callable[[float], None]) -> None:
    """Until Ctrl-C. Each look is a few short read transactions."""
    try:
        while True:
            for place, key, event in follower.read():
                line = line_of(printer.store, place, key, event)
                if line is not None:
                    printer.show(line, place, key)
            printer.updates()
            wait(LOOK_S)
    except KeyboardInterrupt:
        return


class _Watched(msgspec.Struct):
    """An event that is not settled: what was shown of it, and for how many looks that has not been the truth."""

    key: bytes
    shown: Line
    stale: int = 0


class _Printer:
    """Prints lines, and remembers those whose deliveries are not settled."""

    def __init__(self, store: Store, sites: list[str], event_name: str | None, as_json: bool) -> None:
        self.store = store
        self._sites = sites
        self._event_name = event_name
        self._as_json = as_json
        self._watched: OrderedDict[Place, _Watched] = OrderedDict()

    def newest(self, limit: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        messages = newest_messages(self.store, self._sites, 0, now_ms)
        lines = ((line_of(self.store, place, key), place, key) for place, key in messages)
        wanted = (one for one in lines if one[0] is not None and is_wanted(one[0], self._sites, self._event_name))
        for line, place, key in reversed(list(islice(wanted, limit))):
            assert line is not None
            self.show(line, place, key)

    def show(self, line: Line, place: Place, key: bytes | None) -> None:
        if not is_wanted(line, self._sites, self._event_name):
            return
        self._print(line)
        if key is not None and not line.is_settled:
            self._watched[place] = _Watched(key, line)
            if len(self._watched) > WATCHED:
                self._watched.popitem(last=False)

    def updates(self) -> None:
        """A line for each event that has got further: when nothing waits any more, or when it takes long."""
        for place, watched in list(self._watched.items()):
            line = line_of(self.store, place, watched.key)
            if line is None:
                del self._watched[place]
                continue
            if (line.dedup, line.destinations) == (watched.shown.dedup, watched.shown.destinations):
                continue
            watched.stale += 1
            if line.is_waiting and watched.stale < PATIENCE_LOOKS:
                continue
            self._print(msgspec.structs.replace(line, is_update=True))
            watched.shown, watched.stale = line, 0
            if line.is_settled:
                del self._watched[place]

    def _print(self, line: Line) -> None:
        click.echo(msgspec.json.encode(line) if self._as_json else text_of(line))
