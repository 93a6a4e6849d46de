"""What no single setting can tell: keys used twice, limits that contradict each other, addresses that are refused."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from actors.addresses import check_url, network_fault
from actors.destinations.base import Destination
from actors.names import canonical_name
from actors.redaction import secrets_of
from actors.tls import ca_file_fault
from gateway.config_reader import Reader
from gateway.config_values import Bind
from gateway.settings import ID_FORM, ID_PATTERN, ServerSettings, SiteSettings
from gateway.settings_attribution import attribution_problems

LEAST_BUDGET = 16 << 20  # below it, deleting at the limit finds too few free pages to copy to
LEAST_TOKEN_CHARS, MOST_TOKEN_CHARS = 16, 200
CONCURRENCY = 8  # connections of one client; more were measured to be slower (docs/architecture.md)
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "latency_goal_s": (0.05, 15),  # an attempt takes 15 s at most
        "pause_share": (0, 1),
        "pause_after_s": (10, 86_400),
        "pause_least": (1, 1_000_000),
    }
)
ADDRESS_SETTINGS = ("base_url", "url", "token_url")
# Their class needs what the route says (contracts/consent.md, section 3); of the others a route may only ask more.
OWN_PLATFORMS = frozenset({"webhook"})

Problem = tuple[str, str]  # field, what is wrong and what would be right
Placed = tuple[str, SiteSettings]  # the path of a site, and the site


def check_server(server: ServerSettings, reader: Reader) -> None:
    for field, text in _server_problems(server):
        reader.fault(f"server.{field}", text)


def _server_problems(server: ServerSettings) -> Iterator[Problem]:
    if server.bind == "":
        yield "bind", 'is empty; give "host:port" such as "127.0.0.1:8080"'
    if server.bind == server.metrics_bind != "" and _port(server.bind) != 0:
        yield "metrics_bind", f"{str(server.bind)!r} is bind already; give another port"
    first = _port(server.metrics_bind)
    if server.edges and first and first < _port(server.bind) <= first + server.edges:
        taken = f"{first} to {first + server.edges}"
        yield "metrics_bind", f"core and edges take the ports {taken}, and bind is one of them; give another port"
    if server.max_connections_per_address > server.max_connections:
        yield "max_connections_per_address", f"is above max_connections; give at most {server.max_connections}"
    if server.tag_path and server.tag_path == server.sdk_path:
        yield "tag_path", f"{server.tag_path!r} is sdk_path already; give another path"
    if server.admin_token is not None and (fault := _token_fault(server.admin_token.reveal())):
        yield "admin_token", fault
    if server.disk_budget < LEAST_BUDGET:
        yield "disk_budget", f'{int(server.disk_budget)} bytes hold too little; give at least "16MiB", as "64GiB"'


def _token_fault(token: str) -> str | None:
    """What is short can be guessed; headers carry visible ASCII."""
    if all(0x21 <= ord(char) <= 0x7E for char in token) and LEAST_TOKEN_CHARS <= len(token) <= MOST_TOKEN_CHARS:
        return None
    wanted = f"give {LEAST_TOKEN_CHARS} to {MOST_TOKEN_CHARS} visible ASCII characters, as `openssl rand -hex 32` makes"
    return f"is no token for the API; {wanted}"


def _port(bind: Bind) -> int:
    return bind.port if bind else 0


def check_sites(sites: Sequence[Placed], reader: Reader) -> None:
    """Each site by itself, then what two of them claim."""
    for path, site in sites:
        for field, text in _site_problems(site):
            reader.fault(f"{path}.{field}", text)
    _refuse_repeats(((f"{path}.id", site.id) for path, site in sites), reader, "another site has this id")
    _refuse_repeats(_keys(sites), reader, "this key is used already; give each site and use its own")
    _refuse_repeats(
        ((f"{path}.events_api", "") for path, site in sites if site.events_api),
        reader,
        "POST / posts to one site only; leave it true for one",
    )


def _site_problems(site: SiteSettings) -> Iterator[Problem]:
    for field in ("write_keys", "public_keys"):
        for index, key in enumerate(getattr(site, field)):
            if fault := _key_fault(key if isinstance(key, str) else key.reveal()):
                yield f"{field}[{index}]", fault
    if site.dedup_window_h > site.retention_days * 24:
        yield "dedup_window_h", f"is longer than retention_days; give at most {site.retention_days * 24}"
    yield from _tag_problems(site)
    yield from attribution_problems(site.attribution, site.retention_days)
    for rate, burst, field in (
        (site.ip_rate, site.ip_burst, "ip_burst"),
        (site.key_rate, site.key_burst, "key_burst"),
    ):
        if rate > 0 and burst is not None and burst < 1:
            yield field, "lets no event through; give at least 1, or a rate of 0 for no bound"


def _tag_problems(site: SiteSettings) -> Iterator[Problem]:
    """What the loader says is for every visitor to see."""
    if site.tag is None:
        return
    if not site.public_keys:
        yield "tag", "pages name the loader by a public key of the site; give public_keys"
    secrets = [secret.reveal() for secret in secrets_of(site)]
    for index, snippet in enumerate(site.tag.snippets):
        if any(secret in snippet.script for secret in secrets):
            yield (
                f"tag.snippets[{index}].script",
                "holds a secret of this site, and every visitor can read it; take it out",
            )


def _key_fault(key: str) -> str | None:
    """Basic authentication ends a user name at its colon; headers carry visible ASCII."""
    if all(0x21 <= ord(char) <= 0x7E and char != ":" for char in key) and 4 <= len(key) <= 200:
        return None
    return "is no key; give 4 to 200 visible ASCII characters without spaces and colons"


def _keys(sites: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    for path, site in sites:
        yield from ((f"{path}.write_keys[{index}]", key.reveal()) for index, key in enumerate(site.write_keys))
        yield from ((f"{path}.public_keys[{index}]", key) for index, key in enumerate(site.public_keys))


def _refuse_repeats(values: Iterable[tuple[str, str]], reader: Reader, text: str) -> None:
    """A fault at each value that was there before; the text names where, never the value."""
    first: dict[str, str] = {}
    for path, value in values:
        if value in first:
            reader.fault(path, f"{text} ({first[value]})")
        else:
            first[value] = path


def check_destinations(found: Sequence[tuple[str, Destination]], *, is_sealed: bool, reader: Reader) -> None:
    """The destinations of one site, each with its path."""
    for path, destination in found:
        for field, text in (*_common_problems(destination, is_sealed=is_sealed), *destination.problems()):
            reader.fault(f"{path}.{field}", text)
    _refuse_repeats(((f"{path}.id", one.id) for path, one in found), reader, "another destination has this id")


def _common_problems(destination: Destination, *, is_sealed: bool) -> Iterator[Problem]:
    if not re.fullmatch(ID_PATTERN, destination.id):
        yield "id", f"{destination.id!r} is no id; give {ID_FORM}"
    if not 1 <= destination.concurrency <= CONCURRENCY:
        yield "concurrency", f"{destination.concurrency} is out of range; give 1 to {CONCURRENCY}"
    for field, (least, most) in RANGES.items():
        if not least <= (value := getattr(destination, field)) <= most:
            yield field, f"{value:g} is out of range; give {least:g} to {most:g}"
    if destination.opens_plaintext() and not is_sealed:
        yield "type", 'it needs plaintext identifiers; give its site keep_plaintext = "sealed"'
    if destination.opens_plaintext() and destination.keep_payloads:
        yield "keep_payloads", "its requests carry plaintext identifiers, which are kept sealed only; leave it false"
    yield from _name_problems(destination)
    yield from _consent_problems(destination)
    yield from _address_problems(destination)
    yield from _network_problems(destination)


def _name_problems(destination: Destination) -> Iterator[Problem]:
    if destination.events == ():
        yield "events", 'takes nothing; give names, "*" for all, or leave it out'
    for index, name in enumerate(destination.events or ()):
        if name != "*" and canonical_name(name) != name:
            yield f"events[{index}]", f"{name!r} is another platform's name; give {canonical_name(name)!r}"


def _consent_problems(destination: Destination) -> Iterator[Problem]:
    asked = destination.needs if destination.consent is None else destination.consent
    is_less = bool(set(destination.needs) - set(asked))
    if is_less and destination.relies_on is None and destination.platform not in OWN_PLATFORMS:
        needs = ", ".join(destination.needs)
        yield (
            "consent",
            f"a {destination.platform} destination needs at least {needs}; add it, or say what it relies_on",
        )
    if destination.relies_on is not None and not is_less:
        yield "relies_on", "changes nothing: `consent` asks for all that its class needs; leave it out"
    if destination.relies_on is not None and not 3 <= len(destination.relies_on.strip()) <= 200:
        yield "relies_on", "is no reason; give 3 to 200 characters, as 'contract with the buyer, DPIA of 2026-03'"


def _address_problems(destination: Destination) -> Iterator[Problem]:
    for field in ADDRESS_SETTINGS:
        url = getattr(destination, field, None)
        if url and (fault := _url_fault(url, destination)):
            yield field, f"{fault}{_hint(fault)}"


def _url_fault(url: str, destination: Destination) -> str | None:
    networks = [network for network in destination.allow_networks if not network_fault(network)]
    return check_url(url, destination.allow_private, networks, destination.allow_http)


def _network_problems(destination: Destination) -> Iterator[Problem]:
    for index, network in enumerate(destination.allow_networks):
        if fault := network_fault(network):
            yield f"allow_networks[{index}]", fault
    if destination.ca_file is not None and (fault := ca_file_fault(destination.ca_file)):
        yield "ca_file", fault


def _hint(fault: str) -> str:
    return "" if ";" in fault or "scheme" in fault else "; give a public host, or allow_private = true"
