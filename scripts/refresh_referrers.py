"""Makes actors/attribution/referrers.json anew: `python scripts/refresh_referrers.py MATOMO_FOLDER GA4_CSV`.

MATOMO_FOLDER is a checkout of github.com/matomo-org/searchengine-and-social-list (CC0-1.0), GA4_CSV the file
seeds/ga4_source_categories.csv of github.com/Velir/dbt-ga4 (Apache-2.0). What says nothing more is left out: a host
that another entry of its name covers by its suffix, an entry for a path of a host that is there anyway, and of GA4's
list a name's `.com` beside the name. A search engine's host that is a network's too is the network's (why:
referrers.py).
"""

import csv
import datetime
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLACE = Path(__file__).parent.parent / "actors/attribution/referrers.json"
MATOMO = "https://github.com/matomo-org/searchengine-and-social-list"
GA4 = "https://github.com/Velir/dbt-ga4, seeds/ga4_source_categories.csv: what Google Analytics publishes"
WIDTH = 112


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__)
        return 2
    PLACE.write_text(written(Path(arguments[0]), Path(arguments[1]), datetime.date.today()), "utf-8")
    return 0


def written(folder: Path, categories: Path, today: datetime.date) -> str:
    read = today.isoformat()
    social = entries(folder / "Socials.yml")
    hosts = {host for some in social.values() for host in some}
    search = {
        name: kept
        for name, some in entries(folder / "SearchEngines.yml").items()
        if (kept := [host for host in some if host not in hosts])
    }
    matomo = {"source": MATOMO, "licence": "CC0-1.0", "read": read, "ai": entries(folder / "AIAssistants.yml")}
    ga4 = {"source": GA4, "licence": "Apache-2.0", "read": read, **_categories(categories)}
    return _json({"matomo": {**matomo, "search": search, "social": social}, "ga4": ga4})


def entries(path: Path) -> dict[str, list[str]]:
    """Name in lower case -> hosts, of one of Matomo's lists; only as much of YAML is read as they use."""
    found: dict[str, list[str]] = {}
    name, is_host = "", True
    for line in path.read_text("utf-8").splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            name, is_host = _text(line.rstrip()[:-1]).replace("%2B", "+").lower(), True
            found.setdefault(name, [])
        elif field := re.fullmatch(r"\s+(?:- )?([a-z]+):.*", line):
            is_host = field[1] == "urls"
        elif is_host and (item := re.fullmatch(r"\s+- (\S.*)", line)):
            found[name].append(_host(_text(item[1].strip())))
    return {name: kept for name, hosts in found.items() if (kept := _leading(hosts))}


def _text(raw: str) -> str:
    return raw[1:-1] if raw[:1] in ("'", '"') and raw[-1:] == raw[:1] else raw


def _host(text: str) -> str:
    return text.removeprefix("android-app://").removeprefix("www.").removeprefix("{}.")


def _leading(hosts: list[str]) -> list[str]:
    """Without those that another one covers."""
    known = list(dict.fromkeys(hosts))
    return [one for one in known if not any(_covers(other, one) for other in known if other != one)]


def _covers(other: str, one: str) -> bool:
    host = one.partition("/")[0]
    return "/" not in other and (host == other or host.endswith(f".{other}"))


def _categories(path: Path) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {"shopping": set(), "video": set(), "search": set(), "social": set()}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["source_category"].removeprefix("SOURCE_CATEGORY_").lower()].add(row["source"].lower())
    return {kind: sorted(one for one in names if not _is_told(one, names)) for kind, names in found.items()}


def _is_told(name: str, names: set[str]) -> bool:
    """Whether a shorter name of the list says the same: `facebook` says `m.facebook.com`."""
    labels = name.split(".")
    suffixes = [".".join(labels[start:]) for start in range(len(labels))]
    shorter = {*suffixes[1:], *(one.removesuffix(".com") for one in suffixes if one.endswith(".com"))}
    return bool((shorter - {name, "com"}) & names)


def _json(document: dict[str, Any]) -> str:
    return (
        "{\n" + ",\n".join(f" {json.dumps(name)}: {{\n{_body(part)}\n }}" for name, part in document.items()) + "\n}\n"
    )


def _body(part: dict[str, Any]) -> str:
    return ",\n".join(f"  {json.dumps(key)}: {_value(value)}" for key, value in part.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{\n" + ",\n".join(_lines(value)) + "\n  }"
    text = textwrap.wrap(", ".join(map(json.dumps, value)), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "[\n" + "\n".join(f"   {line}" for line in text) + "\n  ]"


def _lines(table: dict[str, list[str]]) -> Iterator[str]:
    for name, hosts in table.items():
        yield f"   {json.dumps(name, ensure_ascii=False)}: {json.dumps(hosts)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
