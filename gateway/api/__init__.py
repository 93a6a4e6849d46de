"""The API of the control plane, under /api on the public port: what exists, how it fares, and how to change it.

application.py   the web application: the gate before every path, errors in one form, headers of every answer
parts.py         what the resources are given
requests.py      a request's body, query and If-Match, each fault with its field; answers as JSON
openapi.py       /api/openapi.json, made from the routes themselves
public_paths.py  the paths of the doors as that page describes them
errors.py        what ends a request with an answer

destinations.py  /api/destinations: which there are, what they are doing, connecting and changing them;
                 destination_records.py, trying.py
routes.py        /api/sites/SITE/routes: the draft of a site's routes, its versions, publishing; route_records.py
dry_runs.py      /api/sites/SITE/dry-run: what routes would do
platforms.py     /api/platforms: which platforms there are, with their settings
events.py        /api/events, /api/orders: whole stories
deliveries.py    /api/deliveries: what is on its way and what became of it, page by page
conversions.py   /api/conversions: each with its credit, page by page
attribution.py   /api/attribution: what conversions are credited to
traffic.py       /api/traffic: counters by hour; periods.py reads since when and of which site
replays.py       /api/replays: jobs that send deliveries again
privacy.py       /api/privacy: exports and erasures, receipts
"""
