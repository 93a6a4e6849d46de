"""`gateway connect shopify` and its like: stores a source of webhooks, says what to do at the sender, and waits for the
first delivery where it is asked to."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct

from gateway.commands.connect_steps import GATEWAY, STEPS
from gateway.commands.controlling import asked_secret, done, now_ms, only_site, open_control, secret_of_stdin
from gateway.commands.facts import newest_messages
from gateway.commands.reading import end, json_option, open_store, rfc3339, store_options, visible
from gateway.commands.stream_lines import line_of
from gateway.source_control import SourceControl, SourceView
from gateway.stored_sources import source_kind

LOOK_S: Final = 0.5
WAIT_S: Final = 600


class SourceCommand(Struct, frozen=True, kw_only=True):
    """`type`: of the source. `secrets`: option -> setting; the first is asked for where none is given."""

    type: str
    example: str
    secrets: Mapping[str, str]
    options: tuple[Callable[[Any], Any], ...] = ()


SECRET_HELP: Final = "Several: again. Asked for where none is given; - reads it from standard input."
SOURCES: Final[Mapping[str, SourceCommand]] = {
    "shopify": SourceCommand(
        type="shopify",
        example="--shop example.myshopify.com --secret $SHOPIFY_SECRET",
        secrets={"--secret": "secrets"},
        options=(
            click.option("--shop", required=True, help="The shop's domain, as example.myshopify.com. Needed."),
            click.option("--url", help="The storefront's origin, as https://shop.example.com."),
            click.option(
                "--item-id", type=click.Choice(["variant_id", "product_id", "sku"]), help="Which id goes out."
            ),
        ),
    ),
    "recharge": SourceCommand(
        type="recharge",
        example="--secret $RECHARGE_SECRET",
        secrets={"--secret": "secrets"},
        options=(click.option("--refunds", is_flag=True, default=None, help="Report refunds from here."),),
    ),
    "klaviyo-webhooks": SourceCommand(
        type="klaviyo",
        example="--token $KLAVIYO_FLOW_TOKEN",
        secrets={"--token": "tokens", "--secret": "secrets"},
    ),
}


def source_command(name: str) -> click.Command:
    one = SOURCES[name]

    def run(**values: Any) -> None:
        _connect(one, values)

    command = click.Command(
        name,
        callback=run,
        help=f"Connect {one.type} as a source of webhooks.\n\n\b\nExample:\n  gateway connect {name} {one.example}",
        short_help=f"docs/sources/{one.type}.md",
    )
    common = (
        *(click.option(option, multiple=True, metavar="SECRET", help=SECRET_HELP) for option in one.secrets),
        click.option("--site", "own_site", help="The site. Default: the only one there is."),
        click.option("--id", "own_id", default=one.type, show_default=True, help="Its id."),
        click.option("--gateway-url", default=GATEWAY, help="Where senders reach the gateway, for the steps."),
        click.option("--replace", "is_replaced", is_flag=True, help="In place of the stored one that has this id."),
        click.option("--wait", "wait_s", is_flag=False, flag_value=WAIT_S, type=click.IntRange(1, 86_400), metavar="S",
                     help=f"Wait for the first delivery, so many seconds; {WAIT_S} where none are given."),
        json_option,
        store_options,
    )  # fmt: skip
    for option in reversed((*one.options, *common)):
        option(command)
    return command


def _connect(one: SourceCommand, values: dict[str, Any]) -> None:
    kind = source_kind(one.type)
    assert kind is not None, "each command is of a registered source"
    table = {"type": one.type, "id": values["own_id"], **_secrets(one, values)}
    settings = [field.name for field in msgspec.structs.fields(kind) if field.name not in table]
    table |= {name: values[name] for name in settings if values.get(name) is not None}
    since_ms = now_ms()
    with open_control(values["config_path"], values["data_dir"]) as control:
        site = only_site(control, values["own_site"])
        view = done(lambda: SourceControl(control).connect(site, table, replace=values["is_replaced"]))
    url = values["gateway_url"].rstrip("/") + view.path
    if values["as_json"]:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(view), "url": url}))
    else:
        click.echo(f"connected source {view.site}/{view.id} ({view.type}), version {view.version}\n")
        click.echo(STEPS[view.type](url))
    if values["wait_s"] is not None:
        _wait(view, kind.source, since_ms, values)


def _secrets(one: SourceCommand, values: dict[str, Any]) -> dict[str, list[str]]:
    found = {
        setting: [secret_of_stdin() if value == "-" else value for value in values[option.removeprefix("--")]]
        for option, setting in one.secrets.items()
    }
    if not any(found.values()):
        option, setting = next(iter(one.secrets.items()))
        found[setting] = [asked_secret(option)]
    return {setting: given for setting, given in found.items() if given}


def _wait(view: SourceView, source: str, since_ms: int, values: dict[str, Any]) -> None:
    """Ends with 1 where nothing came. Ctrl-C ends it."""
    click.echo("\nwaiting for the first delivery …", err=True)
    ends_s = time.monotonic() + values["wait_s"]
    while time.monotonic() < ends_s:
        if (told := _first(view, source, since_ms, values["config_path"], values["data_dir"])) is not None:
            click.echo(told, err=values["as_json"])
            return
        time.sleep(LOOK_S)
    refused = f'gateway_events_rejected_total{{site="{view.site}",source="{source}"}}'
    end(f"nothing was taken within {values['wait_s']} s; were deliveries refused (401)? {refused} counts them")


def _first(view: SourceView, source: str, since_ms: int, config: Path | None, data_dir: Path | None) -> str | None:
    """The first event of this source since then."""
    with open_store(config, data_dir) as store:
        lines = [line_of(store, place, key) for place, key in newest_messages(store, [view.site], since_ms, now_ms())]
    found = [one for one in lines if one is not None and one.source == source and one.received_at >= rfc3339(since_ms)]
    if not found:
        return None
    return f"the first delivery is there: {visible(found[-1].event_name)} {visible(found[-1].event_id)}"
