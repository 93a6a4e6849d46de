"""`gateway routes edit`: changes the draft of a site's routes, in an editor or from a file."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.commands.controlling import done
from gateway.commands.reading import end, json_option, site_option, store_options, visible
from gateway.commands.routes_page import heading
from gateway.commands.routes_parts import LINE_CHARS, author_option, named, opened, revision_option, warn
from gateway.errors import SettingsError, VersionConflict
from gateway.routes_compare import lines_of
from gateway.routes_control import RoutesControl
from gateway.routes_text import TEXT_BYTES, as_toml, read_text


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.File("rb"))
@revision_option
@author_option
@site_option
@json_option
@store_options
def edit(
    file: Any,
    revision: int | None,
    author: str | None,
    site: str | None,
    as_json: bool,
    config_path: Path | None,
    data_dir: Path | None,
) -> None:
    """Change the draft: in $EDITOR, or from FILE (TOML or JSON; - reads standard input).

    Whatever is wrong is told with its place, and the draft stays as it was. A draft that somebody changed meanwhile is
    not overwritten; from a FILE an open one is replaced only with --if-revision.

    \b
    Examples:
      gateway routes edit
      gateway routes edit routes.toml --if-revision 3
    """
    with opened(config_path, data_dir, site) as (control, place):
        before = control.draft(place)
        if file is None:
            _edit(control, place, named(author), as_json=as_json)
            return
        if revision is None and before.is_open:
            told = f"{place} has a draft already, revision {before.revision} by {before.author or 'nobody'}"
            end(f"{told}: gateway routes show --draft; --if-revision {before.revision} replaces it")
        text = file.read(TEXT_BYTES + 1)
        _save(control, place, text, named(author), before.revision if revision is None else revision, as_json=as_json)


def _edit(control: RoutesControl, site: str, author: str, *, as_json: bool) -> None:
    """In the editor, again and again until it is right or given up."""
    draft = control.draft(site)
    text: str | None = f"{heading(draft)}\n{as_toml(draft.routes)}"
    while True:
        text = click.edit(text, extension=".toml")
        if text is None:
            end("nothing was saved in the editor: the draft is as it was")
        try:
            _save(control, site, text.encode(), author, draft.revision, as_json=as_json)
            return
        except (SettingsError, VersionConflict) as error:
            click.echo(str(error), err=True)
        if not sys.stdin.isatty() or not click.confirm("edit it again?", default=True, err=True):
            end(f"the draft is as it was; your text is in {_kept(text)}")


def _kept(text: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".toml", prefix="routes-", delete=False) as file:
        file.write(text)
    return file.name


def _save(control: RoutesControl, site: str, text: bytes, author: str, revision: int, *, as_json: bool) -> None:
    tables = read_text(text)
    draft = done(lambda: control.save(site, tables, author=author, revision=revision))
    if as_json:
        click.echo(msgspec.json.encode(draft))
        return
    click.echo(f"saved the draft of {site}, revision {draft.revision}")
    for line in lines_of(draft.changes):
        click.echo(visible(line, LINE_CHARS))
    if not draft.is_open:
        click.echo("it is as what is live")
    warn(draft.warnings)
