"""Live and the draft as snapshots, for a dry run: what is in force, and the same with the draft's routes."""

import msgspec

from actors.snapshot import Snapshot
from gateway.dry_runs import Side
from gateway.errors import SettingsError
from gateway.routes_check import check_routes
from gateway.routes_control import RoutesControl


def sides_of(live: Snapshot, routes: RoutesControl, site: str, *, has_live: bool, has_draft: bool) -> list[Side]:
    """`live`: what is in force. Raises NotFound; SettingsError where the draft has faults."""
    number = routes.live(site).version
    sides = [Side(name="live", snapshot=live, number=number)] if has_live else []
    if not has_draft:
        return sides
    draft = routes.draft(site)
    if draft.faults:
        raise SettingsError([("", fault) for fault in draft.faults])
    read = check_routes(draft.routes, ()).routes
    found = live.sites.get(site)
    sites = {**live.sites, site: msgspec.structs.replace(found, routes=read)} if found is not None else live.sites
    return [*sides, Side(name="draft", snapshot=msgspec.structs.replace(live, sites=sites), number=draft.base)]
