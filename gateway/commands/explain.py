"""`gateway explain`: what came in, what became of it, and why it counted at each destination or did not."""

from pathlib import Path

import click
import msgspec
from rich.rule import Rule

from gateway import exit_codes
from gateway.commands.facts import facts_of, followed
from gateway.commands.reading import (
    chosen_sites,
    console,
    end,
    json_option,
    open_store,
    platforms_of,
    site_option,
    store_options,
    visible,
)
from gateway.commands.story import Story, tell
from gateway.commands.story_page import page
from store import ledger
from store.env import Store

STORIES_MOST = 20  # of one order


@click.command()
@click.argument("event_id", required=False)
@click.option("--order", "order_id", help="Every event of this order, instead of an event id.")
@site_option
@json_option
@store_options
def explain(
    event_id: str | None,
    order_id: str | None,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Tell one event's whole story: copies, merges, identity, consent, every attempt, and why it counted or did not.

    Works beside a running gateway and on the store of a stopped one. Times are UTC. Identifiers are told as present or
    by the first digits of their digest, never by their value. Exit code 1: there is no such event.

    \b
    Examples:
      gateway explain order-1001
      gateway explain --order 1001 --site demo
      gateway explain --order 1001 --json
    """
    if (event_id is None) == (order_id is None):
        raise click.UsageError("give an event id, or --order with an order id")
    with open_store(config_path, data_dir) as store:
        stories = _stories(store, site, event_id, order_id)
    if as_json:
        click.echo(msgspec.json.encode(stories if order_id is not None else stories[0]))
        return
    out = console()
    for index, story in enumerate(stories):
        if index:
            out.print(Rule(style="dim"))
        out.print(page(story))


def _stories(store: Store, site: str | None, event_id: str | None, order_id: str | None) -> list[Story]:
    """Of the one site that has it. Ends the command where none has, or several do."""
    found = {one: _keys(store, one, event_id, order_id) for one in chosen_sites(store, site)}
    hits = [one for one, keys in found.items() if keys]
    if not hits:
        end(_unknown(store, list(found), event_id, order_id))
    if len(hits) > 1:
        end(f"several sites have it: {', '.join(hits)}; name one with --site", exit_codes.USAGE)
    platforms = platforms_of(store)
    facts = [facts_of(store, key) for key in found[hits[0]]]
    return [tell(one, platforms, event_id) for one in facts if one is not None]


def _keys(store: Store, site: str, event_id: str | None, order_id: str | None) -> list[bytes]:
    """The keys of the events that stand for what was asked for, each once."""
    if event_id is not None:
        found = ledger.find_events(store, site, event_id)
    else:
        found = ledger.find_order(store, site, order_id or "")
    return list(dict.fromkeys(followed(store, one.key) for one in found))[:STORIES_MOST]


def _unknown(store: Store, sites: list[str], event_id: str | None, order_id: str | None) -> str:
    where = f"site {', '.join(sites)}" if sites else "this store"
    if event_id is not None:
        if any(_keys(store, one, None, event_id) for one in sites):
            return f"no event has the id {visible(event_id)!r}, but an order has: gateway explain --order {event_id!r}"
        told = "the answer to the event's request names its id, and `gateway stream` lists the newest"
        return f"no event with the id {visible(event_id)!r} is known at {where}; {told}"
    assert order_id is not None
    if any(_keys(store, one, order_id, None) for one in sites):
        return f"no order has the id {visible(order_id)!r}, but an event has: gateway explain {order_id!r}"
    told = "give it as the shop sends it in custom_data.order_id"
    return f"no event with the order id {visible(order_id)!r} is known at {where}; {told}"
