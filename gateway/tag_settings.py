"""What a site's tag loader loads in browsers: `[sites.tag]`, read and checked. Every visitor can see all of it."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from actors.event import Purpose
from gateway.config_reader import Reader

SNIPPETS: Final = 20
SCRIPT_CHARS: Final = 32_768
NO_PURPOSE: Final = "names no purpose, and nothing is loaded without one; give at least one"

Platform = Literal[
    "awin", "criteo", "ga4", "klaviyo", "linkedin", "meta", "pinterest", "reddit", "snapchat", "taboola", "tiktok"
]
GtmContainer = Annotated[str, Meta(pattern=r"^GTM-[A-Z0-9]{4,12}$", description="a container's id as 'GTM-ABC1234'")]
MetaPixel = Annotated[str, Meta(pattern=r"^[0-9]{6,20}$", description="a pixel's id, digits as '1234567890'")]
GtagId = Annotated[
    str,
    Meta(
        pattern=r"^(G|GT)-[A-Z0-9]{4,20}$|^(AW|DC)-[0-9]{4,20}$",
        description="a Google tag's id as 'G-ABCDE12345', 'GT-ABC1234', 'AW-123456789' or 'DC-1234567'",
    ),
]
SnippetId = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="1 to 63 characters: a-z, 0-9, _ and -")
]
ScriptText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SCRIPT_CHARS,
        description=f'JavaScript of at most {SCRIPT_CHARS} characters, or {{ file = "path" }}',
    ),
]


class Snippet(Struct, frozen=True, kw_only=True):
    id: SnippetId
    script: ScriptText  # JavaScript without <script> around it
    consent: tuple[Purpose, ...] = ("marketing",)  # all must be granted; of sale_of_data only a denial counts
    platform: Platform | None = None  # whose event names it is told


class TagSettings(Struct, frozen=True, kw_only=True):
    gtm_container: GtmContainer | None = None  # of Google Tag Manager
    gtm_consent: tuple[Purpose, ...] = ("analytics", "marketing")  # what it waits for
    meta_pixel_id: MetaPixel | None = None  # waits for marketing
    gtag_ids: tuple[GtagId, ...] = ()  # G- waits for analytics, AW- and DC- for marketing, GT- for both
    snippets: tuple[Snippet, ...] = ()  # scripts of the site's own


def read_tag(table: dict[str, Any], site_path: str, reader: Reader) -> TagSettings | None:
    """The site's, or None where it has none, or where it has faults; those are the reader's."""
    if "tag" not in table:
        return None
    path, given = f"{site_path}.tag", table["tag"]
    declared = given.get("snippets", []) if isinstance(given, dict) else []
    snippets = [reader.record(Snippet, one, place) for one, place in reader.tables(declared, f"{path}.snippets")]
    tag = reader.record(
        TagSettings, given, path, apart=("snippets",), snippets=tuple(one for one in snippets if one is not None)
    )
    for field, text in _problems(tag) if tag is not None else ():
        reader.fault(f"{path}.{field}", text)
    return tag


def _problems(tag: TagSettings) -> Iterator[tuple[str, str]]:
    """Field, what is wrong and what would be right."""
    if len(tag.snippets) > SNIPPETS:
        yield "snippets", f"has {len(tag.snippets)}; give at most {SNIPPETS}"
    if not tag.gtm_consent:
        yield "gtm_consent", NO_PURPOSE
    ids = [snippet.id for snippet in tag.snippets]
    for index, snippet in enumerate(tag.snippets):
        if not snippet.consent:
            yield f"snippets[{index}].consent", NO_PURPOSE
        if snippet.id in ids[:index]:
            yield f"snippets[{index}].id", f"another snippet has the id {snippet.id!r}; give each its own"
        if "<script" in snippet.script.lower():
            yield f"snippets[{index}].script", "holds a <script> tag; give the JavaScript within it alone"
    for index, one in enumerate(tag.gtag_ids):
        if one in tag.gtag_ids[:index]:
            yield f"gtag_ids[{index}]", f"{one!r} is there already; leave one"
