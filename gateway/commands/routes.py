"""`gateway routes`: which events go to which destination: the draft of that, its versions, publishing, rolling back."""

from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.commands.controlling import done
from gateway.commands.reading import json_option, site_option, store_options, visible
from gateway.commands.routes_edit import edit
from gateway.commands.routes_page import heading, history_lines
from gateway.commands.routes_parts import LINE_CHARS, author_option, named, opened, revision_option, warn
from gateway.routes_compare import lines_of
from gateway.routes_control import DRAFT, LIVE, Saved
from gateway.routes_text import as_toml


@click.group()
def routes() -> None:
    """Show and change which events of a site go to which destination, under which conditions and in what form.

    A draft is edited, then published as a numbered version, which is in force in a running gateway within a second.
    Without any route a destination gets what its platform knows. Routes that the configuration file declares are
    changed there only.

    \b
    Examples:
      gateway routes show > routes.toml
      gateway routes edit routes.toml
      gateway routes diff
      gateway dry-run --draft --last 24h
      gateway routes publish --note "no refunds to Meta"
      gateway routes rollback 12
    """


@routes.command()
@click.option("--draft", "is_draft", is_flag=True, help="The draft instead of what is live.")
@click.option("--version", "number", type=click.IntRange(1), help="That version instead.")
@site_option
@json_option
@store_options
def show(
    is_draft: bool,
    number: int | None,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Show the routes of a site as TOML, which gateway routes edit takes.

    \b
    Examples:
      gateway routes show
      gateway routes show --draft --json
      gateway routes show --version 7 | gateway routes edit -
    """
    if is_draft and number is not None:
        raise click.UsageError("--draft and --version name two different things; give one")
    with opened(config_path, data_dir, site, is_readonly=True) as (control, place):
        found: Any
        if number is not None:
            found = control.version(place, number)
        else:
            found = control.draft(place) if is_draft else control.live(place)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    click.echo(heading(found))
    click.echo(as_toml(found.routes), nl=False)


@routes.command()
@click.option("--from", "before", default=LIVE, show_default=True, help="A version's number, live or draft.")
@click.option("--to", "after", default=DRAFT, show_default=True, help="A version's number, live or draft.")
@site_option
@json_option
@store_options
def diff(
    before: str, after: str, site: str | None, as_json: bool, config_path: Path | None, data_dir: Path | None
) -> None:
    """Show what differs between two versions, route by route.

    \b
    Examples:
      gateway routes diff
      gateway routes diff --from 7 --to live --json
    """
    with opened(config_path, data_dir, site, is_readonly=True) as (control, place):
        found = control.compare(place, before, after)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for line in lines_of(found.changes):
        click.echo(visible(line, LINE_CHARS))
    if not found.changes:
        click.echo(f"{before} and {after} are alike")


@routes.command()
@click.option("--note", default="", help="Why, for the history.")
@revision_option
@author_option
@site_option
@json_option
@store_options
def publish(
    note: str,
    revision: int | None,
    author: str | None,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Put the draft in force, as a version with the next number.

    The numbers are those of the stored configuration: connecting a destination takes one too. Exit code 1: there is
    nothing to publish, or what is live changed since the draft was saved.

    \b
    Examples:
      gateway routes publish --note "no refunds to Meta"
      gateway routes publish --if-revision 4 --author ann
    """
    with opened(config_path, data_dir, site) as (control, place):
        name = named(author)
        saved = done(lambda: control.publish(place, author=name, note=note, revision=revision))
    _show_saved(saved, as_json=as_json)


@routes.command()
@click.argument("version", type=click.IntRange(1))
@click.option("--note", default="", help="Why, for the history.")
@author_option
@site_option
@json_option
@store_options
def rollback(
    version: int,
    note: str,
    author: str | None,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Publish the content of an older version as a new one. The draft stays; so do secrets and credentials.

    \b
    Examples:
      gateway routes rollback 12 --note "orders were lost"
    """
    with opened(config_path, data_dir, site) as (control, place):
        name = named(author)
        saved = done(lambda: control.rollback(place, version, author=name, note=note))
    _show_saved(saved, as_json=as_json)


@routes.command()
@site_option
@json_option
@store_options
def history(site: str | None, as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """List the versions, the newest first: when, by whom, why. `config` is the configuration file.

    \b
    Examples:
      gateway routes history
      gateway routes history --json
    """
    with opened(config_path, data_dir, site, is_readonly=True) as (control, place):
        found = control.history(place)
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one))
        return
    for line in history_lines(found):
        click.echo(line)


@routes.command()
@revision_option
@author_option
@site_option
@json_option
@store_options
def discard(
    revision: int | None,
    author: str | None,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Throw the draft away: the next one begins with what is live.

    \b
    Examples:
      gateway routes discard --if-revision 4
    """
    with opened(config_path, data_dir, site) as (control, place):
        name = named(author)
        draft = done(lambda: control.discard(place, author=name, revision=revision))
    if as_json:
        click.echo(msgspec.json.encode(draft))
    else:
        click.echo(f"the draft of {place} is as what is live, revision {draft.revision}")


def _show_saved(saved: Saved, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(saved))
        return
    version = saved.version
    of = f", with the content of version {version.of}" if version.of else ""
    click.echo(f"published version {version.version} of the routes of {version.site}{of}")
    warn(saved.warnings)


routes.add_command(edit)
