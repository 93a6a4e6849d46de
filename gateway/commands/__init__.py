"""The commands for people, one module each; a command's module is imported when the command is.

explain.py      one event's whole story          story.py tells it, story_page.py shows it
deliveries.py   deliveries, newest first
attribution.py  what gets the credit             attribution_read.py sums it, attribution_defaults.py knows the site's
conversions.py  each conversion                  conversion_lines.py, delivery_context.py make their lines
traffic.py      counters by hour                 traffic_read.py sums them
stream.py       events as they are committed     stream_lines.py makes their lines
check_store.py  the consistency check
connect.py      stores a destination             connect_options.py makes its options of the adapter's settings
connect_source.py  stores a source               connect_steps.py says what to do at its sender; sources.py lists them
destinations.py lists them, and disconnects      pausing.py pauses and resumes; secrets.py changes and re-seals secrets
tag.py          what a site's pages paste for its tag loader
try_event.py    one event at one destination     trial.py makes its request and reads the answer
try_source.py   what a sender's body would become
link.py         tracked links                    send.py sends one test event the whole way
replay.py       deliveries sent again            replay_page.py shows jobs, dry runs, progress
routes.py       routes: versions, publishing     routes_edit.py their draft; routes_page.py, routes_parts.py
dry_run.py      what routes would do             dry_run_page.py shows it
identity.py     who is known by what; a merge undone
privacy.py      a person's data, exported or erased
demo.py         the main job in one command      demo_world.py, demo_traffic.py, demo_numbers.py, demo_view.py,
                                                 demo_promises.py
reading.py      what they share: the store opened for reading, sites, times; facts.py reads one event
trying.py       a platform's word on credentials before they are stored
controlling.py  what those share that change the configuration
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from gateway import exit_codes

ORDER: Final = (
    "run", "demo", "connect", "destinations", "sources", "tag", "disconnect", "pause", "resume", "secret", "explain",
    "deliveries", "conversions", "attribution", "traffic", "stream", "routes", "dry-run", "send", "try", "try-source",
    "link", "replay", "identity", "privacy", "check-config", "check-store",
)  # fmt: skip
MODULES: Final[Mapping[str, str]] = {
    "demo": "gateway.commands.demo:demo",
    "connect": "gateway.commands.connect:connect",
    "destinations": "gateway.commands.destinations:destinations",
    "sources": "gateway.commands.sources:sources",
    "tag": "gateway.commands.tag:tag",
    "disconnect": "gateway.commands.destinations:disconnect",
    "pause": "gateway.commands.pausing:pause",
    "resume": "gateway.commands.pausing:resume",
    "secret": "gateway.commands.secrets:secret",
    "explain": "gateway.commands.explain:explain",
    "deliveries": "gateway.commands.deliveries:deliveries",
    "conversions": "gateway.commands.conversions:conversions",
    "attribution": "gateway.commands.attribution:attribution",
    "traffic": "gateway.commands.traffic:traffic",
    "stream": "gateway.commands.stream:stream",
    "routes": "gateway.commands.routes:routes",
    "dry-run": "gateway.commands.dry_run:dry_run",
    "try": "gateway.commands.try_event:try_event",
    "try-source": "gateway.commands.try_source:try_source",
    "send": "gateway.commands.send:send",
    "link": "gateway.commands.link:link",
    "replay": "gateway.commands.replay:replay",
    "identity": "gateway.commands.identity:identity_group",
    "privacy": "gateway.commands.privacy:privacy_group",
    "check-store": "gateway.commands.check_store:check_store",
}


class Commands(click.Group):
    """Its own commands and those of `MODULES`: what serves does not load what shows."""

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C ends a command that has no end of its own for it, while it is loaded too."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(exit_codes.INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = {*super().list_commands(ctx), *MODULES}
        return [*(name for name in ORDER if name in names), *sorted(names.difference(ORDER))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = MODULES.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command
