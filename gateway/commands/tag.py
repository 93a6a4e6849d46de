"""`gateway tag`: what pages paste for their site's tag loader, following the configuration or pinned to it as it is."""

import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
from msgspec import Struct

from gateway.cli import config_option, read_config
from gateway.commands.connect_steps import GATEWAY
from gateway.commands.reading import end, json_option
from gateway.config import Config, SiteSettings
from gateway.config_beside import with_stored
from gateway.script_answer import Script
from gateway.tag_script import read_loader, tag_script
from gateway.tag_server import CACHED_S

STUB = (
    '!function(w,g){g=w.gw=w.gw||{q:[]};"track page identify consent reset ready product_viewed cart_item_added '
    'checkout_started purchase_placed".split(" ").forEach(function(m){g[m]=g[m]||function(){var i=Date.now().'
    "toString(36)+Math.random().toString(36).slice(2);g.q.push([m,arguments,i]);return i}})}(window)"
)


class TagView(Struct, frozen=True, kw_only=True):
    site: str
    url: str
    pinned_url: str
    version: str
    integrity: str
    bytes: int
    gzip_bytes: int


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--site", "own_site", help="The site. Default: the only one that has a tag."),
            click.option(
                "--gateway", "gateway_url", default=GATEWAY, help="Its address, as https://events.example.com."
            ),
            click.option("--nonce", help="The page's nonce, where it has a content security policy."),
            json_option,
            config_option,
        )
    ):
        command = option(command)
    return command


@click.command()
@options
def tag(own_site: str | None, gateway_url: str, nonce: str | None, as_json: bool, config_path: Path | None) -> None:
    """Print the tags to paste: one that follows the configuration, one pinned to what it is now.

    \b
    Examples:
      gateway tag --site shop --gateway https://events.shop.example.com
      gateway tag --site shop --json
    """
    config = with_stored(read_config(config_path), os.environ).config
    site = _site(config, own_site)
    loader = read_loader()
    if loader is None:
        end("the tag loader was not built here; `pip install .` builds it")
    assert site.tag is not None, "_site gives none without"
    script = tag_script(site, site.tag, loader)
    view = _view(config, site, gateway_url.rstrip("/"), script)
    click.echo(msgspec.json.encode(view) if as_json else _pasted(view, nonce))


def _site(config: Config, own_site: str | None) -> SiteSettings:
    if not config.server.tag_path:
        end("server.tag_path is empty: no tag loader is served; give it a path as '/tag.js'")
    found = [site for site in config.sites if (site.tag is not None if own_site is None else site.id == own_site)]
    if len(found) == 1 and found[0].tag is not None:
        return found[0]
    if len(found) == 1:
        end(f"site {own_site} has no tag loader; [sites.tag] of the configuration switches it on (docs/tag.md)")
    names = ", ".join(site.id for site in config.sites) or "none"
    if own_site is not None:
        end(f"there is no site {own_site!r}; sites are: {names}")
    end("no site has a tag loader; [sites.tag] switches it on" if not found else f"give --site, one of: {names}")


def _view(config: Config, site: SiteSettings, gateway_url: str, script: Script) -> TagView:
    url = f"{gateway_url}{config.server.tag_path}?k={quote(site.public_keys[0], safe='')}"
    return TagView(
        site=site.id,
        url=url,
        pinned_url=f"{url}&v={script.version}",
        version=script.version,
        integrity=script.integrity,
        bytes=len(script.script),
        gzip_bytes=len(script.packed),
    )


def _pasted(view: TagView, nonce: str | None) -> str:
    own = f' nonce="{escape(nonce)}"' if nonce else ""
    pinned = f'integrity="{view.integrity}" crossorigin="anonymous"'
    return f"""First on each page, a stub that keeps calls until the loader is there:

<script{own}>{STUB}</script>

Then one of the two. Following the configuration: a change shows within {CACHED_S // 60} minutes.

<script async{own} src="{escape(view.url)}"></script>

Pinned: the browser takes exactly these bytes. Paste it anew after each change of [sites.tag], of the site's GA4
destinations, and each new version of the gateway: they make another one, and this one is gone.

<script async{own} src="{escape(view.pinned_url)}" {pinned}></script>"""
