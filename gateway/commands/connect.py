"""`gateway connect PLATFORM`: stores a destination, its credentials tried first; a running gateway has it at once."""

from typing import Any, Final

import click
import msgspec

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.secret import Secret
from gateway import exit_codes
from gateway.commands.connect_options import (
    ASK,
    full_names,
    option_name,
    secret_settings,
    setting_options,
    settings_given,
)
from gateway.commands.connect_source import SOURCES, source_command
from gateway.commands.controlling import asked_secret, done, only_site, open_control, secret_of_stdin
from gateway.commands.reading import end, json_option, store_options, visible
from gateway.commands.trying import NOTE_CHARS, tried
from gateway.config_reader import members
from gateway.errors import SettingsError
from gateway.stored_destinations import kind_of

EXAMPLES: Final = {
    "meta": "--pixel 123456789 --token $META_TOKEN",
    "ga4": "--measurement-id G-TRACK --secret $GA4_SECRET",
    "webhook": "--url https://hooks.example.com/events --secret $WEBHOOK_SECRET --headers X-Shop=demo",
}
EPILOG: Final = (
    "An option may be shortened to whole words of its beginning or end where only one has them: --token for "
    "--access-token. A secret's option without a value asks for it without echo; - reads it from standard input. "
    "docs/destinations says more of each setting."
)


class PlatformCommand(click.Command):
    """One platform; its options may be shortened."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = [name for one in self.params for name in (*one.opts, *one.secondary_opts)]
        return super().parse_args(ctx, full_names(args, [*names, "--help"]))


class Platforms(click.Group):
    """A command for each adapter that is registered, and for each source of webhooks that can be connected."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(str(kind.__struct_config__.tag) for kind in members(AnyDestination)), *SOURCES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        kind = kind_of(cmd_name)
        if kind is None and cmd_name in SOURCES:
            return source_command(cmd_name)
        return _command(kind, cmd_name) if kind is not None else None


@click.group("connect", cls=Platforms)
def connect() -> None:
    """Connect a platform, or a sender of webhooks: gateway connect PLATFORM --help lists its settings.

    The settings are checked, the credentials tried against the platform where it has a way that counts nothing, secrets
    stored encrypted. A running gateway has the destination within a second. Exit code 1: the platform refused the
    credentials, or the id is taken; 2: a setting is wrong.

    \b
    Examples:
      gateway connect meta --pixel 123456789 --token $META_TOKEN
      gateway connect ga4 --measurement-id G-TRACK --secret $GA4_SECRET
      gateway connect klaviyo --site shop
      gateway connect shopify --shop example.myshopify.com --secret $SHOPIFY_SECRET --wait
    """


def _command(kind: type[Destination], platform: str) -> click.Command:
    needed = [one.opts[0] for one in setting_options(kind) if (one.help or "").startswith("Needed")]
    example = EXAMPLES.get(platform) or " ".join(f"{name} …" for name in needed)

    def run(**values: Any) -> None:
        _connect(kind, platform, values)

    command = PlatformCommand(
        platform,
        callback=run,
        params=[*setting_options(kind)],
        help=f"Connect {platform}.\n\n\b\nExample:\n  gateway connect {platform} {example}".rstrip(),
        short_help=f"docs/destinations/{platform}.md",
        epilog=EPILOG,
    )
    for option in (
        click.option("--site", "own_site", help="The site. Default: the only one there is."),
        click.option("--id", "own_id", help="Its id. Default: the platform's name, then with -2, -3 …"),
        click.option("--no-check", "is_unchecked", is_flag=True, help="Store it without trying the credentials."),
        click.option("--replace", "is_replaced", is_flag=True, help="In place of the stored one that has this id."),
        json_option,
        store_options,
    ):
        option(command)
    return command


def _connect(kind: type[Destination], platform: str, values: dict[str, Any]) -> None:
    table = {"type": platform, **settings_given(kind, _asked(kind, values))}
    if values["own_id"] is not None:
        table["id"] = values["own_id"]
    with open_control(values["config_path"], values["data_dir"]) as control:
        site = only_site(control, values["own_site"])
        try:
            note = "" if values["is_unchecked"] else tried(control.read(site, table))
            view = done(lambda: control.connect(site, table, replace=values["is_replaced"]))
        except SettingsError as error:
            end("\n".join(_by_option(platform, *fault) for fault in error.fields), exit_codes.USAGE)
    if values["as_json"]:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(view), "check": note}))
        return
    if note:
        click.echo(visible(note, NOTE_CHARS), err=True)
    click.echo(f"connected {view.site}/{view.id} ({view.type}), version {view.version}")


def _by_option(platform: str, field: str, text: str) -> str:
    """The fault, by the option that has it."""
    if field in ("", "type"):  # of the destination as a whole
        return f"{platform}: {text}"
    inner = field.removeprefix(field.partition("[")[0].partition(".")[0])
    return f"{option_name(field)}{inner}: {text}"


def _asked(kind: type[Destination], values: dict[str, Any]) -> dict[str, Any]:
    """The values, with the secrets that are to be asked for: those that are needed, and those given without one."""
    found = dict(values)
    for field in msgspec.structs.fields(kind):
        given = values.get(field.name)
        if given == ASK or (given is None and field.name in secret_settings(kind)):
            found[field.name] = asked_secret(option_name(field.name))
        elif given == "-" and _is_secret(field.type):
            found[field.name] = secret_of_stdin()
    return found


def _is_secret(kind: Any) -> bool:
    return kind is Secret or Secret in getattr(kind, "__args__", ())
