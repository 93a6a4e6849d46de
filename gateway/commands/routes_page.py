"""Routes as people read them: the lines above a TOML text, and the history."""

from collections.abc import Iterator, Sequence

from gateway.commands.reading import visible
from gateway.routes_views import DraftRoutes, LiveRoutes, VersionLine, VersionText

NOTE_CHARS = 100


def heading(found: LiveRoutes | DraftRoutes | VersionText) -> str:
    """Comments of TOML, so that the text can be given to `gateway routes edit` as it is."""
    match found:
        case DraftRoutes():
            told = f"draft of {found.site}, revision {found.revision}, against version {found.base}"
            lines = [told, *(f"fault: {one}" for one in found.faults), *(f"warning: {one}" for one in found.warnings)]
        case VersionText(entry=entry):
            lines = [f"version {entry.version} of {entry.site}{_by(entry.author, entry.at)}", entry.note]
        case LiveRoutes(origin="file"):
            lines = [f"live in {found.site}: declared by the configuration file", _version(found)]
        case LiveRoutes(origin="defaults"):
            lines = [f"live in {found.site}: the defaults; each destination takes what its platform knows"]
        case LiveRoutes():
            lines = [f"live in {found.site}: {_version(found)}", found.note]
    return "\n".join(f"# {visible(part)}" for line in lines for part in line.splitlines())


def _version(found: LiveRoutes) -> str:
    return f"version {found.version}{_by(found.author, found.at)}" if found.version else "not published yet"


def _by(author: str, at: str | None) -> str:
    return f", by {author} at {at}" if author else ""


def history_lines(found: Sequence[VersionLine]) -> Iterator[str]:
    for one in found:
        live = "live" if one.is_live else "    "
        of = f" (content of {one.of})" if one.of else ""
        count = f"{one.routes} route{'s' if one.routes != 1 else ''}"
        told = f"{visible(one.author)}: {count}{of}  {visible(one.note, NOTE_CHARS)}"
        yield f"{one.version:>6}  {live}  {one.at}  {told}".rstrip()
    if not found:
        yield "no version was published yet: the defaults are live"
