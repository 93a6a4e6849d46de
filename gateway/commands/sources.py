"""`gateway sources`: which sources of webhooks there are, the file's and the connected ones, and their paths."""

from pathlib import Path

import click
import msgspec
from rich.table import Table

from gateway.commands.controlling import open_control
from gateway.commands.reading import console, json_option, store_options
from gateway.source_control import SourceControl


@click.command()
@json_option
@store_options
def sources(as_json: bool, config_path: Path | None, data_dir: Path | None) -> None:
    """List the sources of webhooks, the file's and the connected ones, each with the path its sender posts to.

    \b
    Examples:
      gateway sources
      gateway sources --json
    """
    with open_control(config_path, data_dir, is_readonly=True) as control:
        views = SourceControl(control).sources()
    if as_json:
        for view in views:
            click.echo(msgspec.json.encode(view))
        return
    table = Table("source", "type", "from", "path", box=None, pad_edge=False, header_style="dim")
    for view in views:
        table.add_row(f"{view.site}/{view.id}", view.type, view.origin, view.path)
    console().print(table if views else "no source of webhooks is declared or connected")
