"""`gateway link`: creates, lists, disables and deletes tracked links (gateway/links.py)."""

from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct
from rich.table import Table

from actors.snapshot import Site
from gateway import exit_codes
from gateway.commands.controlling import done, now_ms, only_site, open_control
from gateway.commands.reading import Moment, console, end, json_option, rfc3339, store_options, visible
from gateway.control import Control
from gateway.link_control import LinkControl, clicks_of, make_slug
from gateway.links import CHANNELS, PREFIX, Wanted, is_live
from store import links
from store.env import Store
from store.records import LinkRow

GATEWAY = "http://127.0.0.1:8080"
site_option = click.option("--site", help="The site. Default: the only one there is.")


class LinkView(Struct, frozen=True, kw_only=True):
    """As `--json` and the API show it. `path`: below the gateway's own address."""

    site: str
    slug: str
    path: str
    target: str
    source: str
    medium: str
    campaign: str
    term: str
    content: str
    channel: str
    expires_at: str | None
    enabled: bool
    live: bool
    created_at: str
    clicks: int
    last_click_at: str | None
    version: int


def view_of(row: LinkRow, store: Store, at_ms: int) -> LinkView:
    followed = clicks_of(store, row.site, row.slug)
    return LinkView(
        site=row.site,
        slug=row.slug,
        path=PREFIX + row.slug,
        target=row.target,
        source=row.source,
        medium=row.medium,
        campaign=row.campaign,
        term=row.term,
        content=row.content,
        channel=row.channel,
        expires_at=rfc3339(row.expires_at_ms) if row.expires_at_ms is not None else None,
        enabled=row.is_enabled,
        live=is_live(row, at_ms),
        created_at=rfc3339(row.created_at_ms),
        clicks=followed.clicks,
        last_click_at=rfc3339(followed.last_at_ms) if followed.clicks else None,
        version=row.version,
    )


@click.group("link")
def link() -> None:
    """Tracked links: /l/SLUG leads to a stored url and tells the campaign.

    \b
    Examples:
      gateway link create https://shop.example.com/tea --campaign autumn --source newsletter --medium email
      gateway link list
      gateway link delete spring
    """


@link.command("create")
@click.argument("url", metavar="URL")
@click.option("--campaign", default="", help="The campaign, as utm_campaign.")
@click.option("--source", default="", help="Where the link stands, as utm_source.")
@click.option("--medium", default="", help="Of which kind that is, as utm_medium.")
@click.option("--term", default="")
@click.option("--content", default="")
@click.option("--channel", type=click.Choice(CHANNELS), default=None, help="In place of what source and medium say.")
@click.option("--slug", default=None, help="Its name in the address. Default: one is made.")
@click.option("--expires", "expires", type=Moment(), default=None, help="When it ends, as 2026-12-24T00:00:00Z.")
@click.option("--other-host", "is_host_confirmed", is_flag=True, help="It may lead to a host that is not the site's.")
@click.option("--replace", "is_replaced", is_flag=True, help="In place of the link that has this slug.")
@click.option("--gateway-url", default=GATEWAY, show_default=True, help="Where people reach the gateway.")
@site_option
@json_option
@store_options
def create(url: str, **values: Any) -> None:
    """Store a link and print its address.

    Example: gateway link create https://shop.example.com/tea --campaign autumn --slug tea
    """
    if values["expires"] is not None and values["expires"] < 0:
        end("--expires: give a time to come, as 2026-12-24T00:00:00Z", exit_codes.USAGE)
    fields = {name: values[name] for name in ("campaign", "source", "medium", "term", "content")}
    wanted = Wanted(
        target=url,
        slug=values["slug"] or make_slug(),
        channel=values["channel"] or "",
        expires_at_ms=values["expires"],
        is_host_confirmed=values["is_host_confirmed"],
        **fields,
    )
    with open_control(values["config_path"], values["data_dir"]) as control:
        site = _rules(control, only_site(control, values["site"]))
        work = _links(control)
        row = done(lambda: work.replace(site, wanted) if values["is_replaced"] else work.create(site, wanted))
        view = view_of(row, control.store, now_ms())
    if values["as_json"]:
        click.echo(msgspec.json.encode(view))
    else:
        click.echo(f"{values['gateway_url'].rstrip('/')}{PREFIX}{row.slug}")


@link.command("list")
@site_option
@json_option
@store_options
def list_links(site: str | None, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """List the links, the newest first.

    Example: gateway link list --site shop --json
    """
    with open_control(config_path, data_dir, is_readonly=True) as control:
        sites = control.sites() if site is None else [only_site(control, site)]
        found = [view_of(row, control.store, now_ms()) for one in sites for row in links.of_site(control.store, one)]
    if as_json:
        for view in found:
            click.echo(msgspec.json.encode(view))
    elif found:
        _show(found)
    else:
        click.echo("there is no link; gateway link create URL makes one")


@link.command("delete")
@click.argument("slug")
@site_option
@store_options
def delete(slug: str, site: str | None, config_path: Path | None, data_dir: Path | None) -> None:
    """Take a link away; clicks on it lead to the site's home from now on.

    Example: gateway link delete spring
    """
    with open_control(config_path, data_dir) as control:
        own = only_site(control, site)
        done(lambda: _links(control).delete(own, slug))
    click.echo(f"deleted {own}/{slug}")


@link.command("disable")
@click.argument("slug")
@site_option
@store_options
def disable(slug: str, site: str | None, config_path: Path | None, data_dir: Path | None) -> None:
    """Keep a link, and lead clicks on it to the site's home.

    Example: gateway link disable spring
    """
    _switch(slug, site, config_path, data_dir, is_enabled=False)


@link.command("enable")
@click.argument("slug")
@site_option
@store_options
def enable(slug: str, site: str | None, config_path: Path | None, data_dir: Path | None) -> None:
    """Put a disabled link in force again.

    Example: gateway link enable spring
    """
    _switch(slug, site, config_path, data_dir, is_enabled=True)


def _switch(slug: str, site: str | None, config: Path | None, data_dir: Path | None, *, is_enabled: bool) -> None:
    with open_control(config, data_dir) as control:
        own = only_site(control, site)
        row = done(lambda: _links(control).enable(own, slug, is_enabled=is_enabled))
    click.echo(f"{'enabled' if is_enabled else 'disabled'} {own}/{slug}, version {row.version}")


def _links(control: Control) -> LinkControl:
    return LinkControl(store=control.store, writer=control.writer, now_ms=now_ms)


def _rules(control: Control, site: str) -> Site:
    """The site's hosts, as they are declared."""
    found = next((one for one in control.declared_sites() if one.id == site), None)
    if found is None:
        end(f"there is no site {site!r}; there are: {', '.join(control.sites()) or 'none'}", exit_codes.USAGE)
    return Site(id=site, origins=found.origins, cookie_domain=found.cookie_domain)


def _show(found: list[LinkView]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("link", "clicks", "target", "campaign", "source / medium", "state"):
        table.add_column(name, overflow="fold")
    for view in found:
        of = " / ".join(filter(None, (view.source, view.medium)))
        state = "live" if view.live else "expired" if view.enabled else "disabled"
        cells = (f"{view.site} {view.path}", str(view.clicks), view.target, view.campaign, of, state)
        table.add_row(*(visible(cell) for cell in cells))
    console().print(table)
