"""The sources of webhooks that a site declares, read and checked."""

import re
from collections.abc import Iterable
from typing import Any

from gateway.config_reader import Reader
from gateway.settings import ID_FORM, ID_PATTERN
from gateway.sources.base import WebhookSource
from gateway.sources.registry import KINDS, AnySource


def read_sources(table: dict[str, Any], site_path: str, reader: Reader) -> tuple[WebhookSource, ...]:
    """Those without a fault; a path leads to one of them only."""
    found: list[tuple[str, WebhookSource]] = []
    for one, path in reader.tables(table.get("sources", []), f"{site_path}.sources"):
        source = read_source(one, path, reader)
        if source is not None:
            found.append((path, source))
    refuse_shared_paths(found, reader)
    return tuple(source for _, source in found)


def read_source(table: dict[str, Any], path: str, reader: Reader) -> WebhookSource | None:
    """The source, by itself; what is wrong in it is a fault of the reader's."""
    source: WebhookSource | None = reader.one_of(AnySource, table, path, what="source")
    if source is None:
        return None
    for field, text in source.problems():
        reader.fault(f"{path}.{field}", text)
    if not re.fullmatch(ID_PATTERN, source.id):
        reader.fault(f"{path}.id", f"{source.id!r} is no id; give {ID_FORM}")
    if source.id in KINDS and source.id != source.kind:
        reader.fault(f"{path}.id", f"{source.id!r} is the name of a kind of source; give another id")
    return source


def refuse_shared_paths(found: Iterable[tuple[str, WebhookSource]], reader: Reader) -> None:
    """The sources of one site, each with its place in the configuration."""
    seen: dict[str, str] = {}
    for path, source in found:
        for name in {source.id, source.kind} if source.is_only else {source.id}:
            if (first := seen.setdefault(name, path)) != path:
                reader.fault(f"{path}.id", f"another source of this site has this path already ({first})")
                break
