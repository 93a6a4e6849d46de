"""Click ids and identity cookies: from the page's url and the request's cookies into the event's identifiers.

What the sender said beats the url, the url beats the cookies. A malformed value is ignored, the event is kept.

Source: contracts/click_ids.md, read 2026-11-20. One thing differs from its table: Klaviyo's exchange id goes to `kx`,
since contracts/README.md gives it a field of its own beside `klaviyo_id`, the profile id.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from urllib.parse import unquote, unquote_plus

import msgspec
from msgspec import Struct

from actors.event import Page, UserData
from actors.identity import PLACEHOLDERS

VALUE_CHARS = 1024  # longer values are ignored (section 1)
COOKIE_HEADER_CHARS = 16_384  # what both doors let through at most; longer headers are not read

UTM_NAMES: tuple[str, ...] = (
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "utm_id",
    "utm_source_platform",
    "utm_creative_format",
    "utm_marketing_tactic",
)
_OTHER_CLICKS = ("dclid", "gad_source", "gad_campaignid", "srsltid", "twclid")
_PROPERTIES = frozenset((*UTM_NAMES, *_OTHER_CLICKS))

# Parameter names in lower case: senders write `ScCid` and `sccid`.
_PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "gclid": "gclid",
        "gbraid": "gbraid",
        "wbraid": "wbraid",
        "ttclid": "ttclid",
        "epik": "epik",
        "sccid": "sc_click_id",
        "li_fat_id": "li_fat_id",
        "rdt_cid": "rdt_cid",
        "awc": "awc",
        "tblci": "tblci",
        "msclkid": "msclkid",
        "_kx": "kx",
    }
)

_CLICKS = frozenset((*_PARAMETERS, *_OTHER_CLICKS, "fbclid", "gclsrc", "_gl"))

_BAD_VALUE = re.compile(r"[\s\x00-\x20\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FBP = re.compile(r"fb\.[0-9]\.[0-9]{13}\.[0-9]+(?:\.[A-Za-z0-9_-]{2,8})?")
_FBC = re.compile(r"fb\.[0-9]\.[0-9]{13}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]{2,8})?")
_FBCLID = re.compile(r"[A-Za-z0-9_-]+")
_EXCHANGE_ID = re.compile(r"[^.]+\.[A-Za-z0-9]{6}")
_SESSION = re.compile(r"s?([0-9]+)")


class _KlaviyoCookie(Struct, frozen=True, kw_only=True):
    exchange_id: str | None = msgspec.field(name="$exchange_id", default=None)


def is_click_parameter(name: str) -> bool:
    """Whether a parameter of that name, in lower case, holds a click id: opaque, not to be changed by a byte."""
    return name in _CLICKS


def is_usable(value: str) -> bool:
    """Whether an opaque value is one: no spaces, no control characters, not too long, no word for "none"."""
    return 0 < len(value) <= VALUE_CHARS and not _BAD_VALUE.search(value) and value.lower() not in PLACEHOLDERS


def clean_click_id(field: str, value: str) -> str | None:
    """The value as it is kept, or None where the field cannot hold it. Never lower-cased, trimmed or cut."""
    if not is_usable(value):
        return None
    if field == "fbp":
        return value if _FBP.fullmatch(value) else None
    if field == "fbc":
        return value if _FBC.fullmatch(value) else None
    if field == "msclkid":
        return _microsoft_id(value)
    return value


def is_exchange_id(value: str) -> bool:
    """Klaviyo's `_kx` has a dot and six characters at its end, a profile id has no dot (section 5)."""
    return _EXCHANGE_ID.fullmatch(value) is not None


def google_click_id(value: str) -> str | None:
    """The id in a value of Google's cookies: `GCL.<s>.<id>`, `2.1.k<id>$i<s>` or `1.<s>.<id>`."""
    if value.startswith("2.1.k"):
        return value[5:].partition("$")[0]
    parts = value.split(".", 2)
    return parts[2] if len(parts) == 3 and parts[0] in ("GCL", "1") else None


def fill_click_ids(
    user_data: UserData,
    page: Page,
    cookies: str | None,
    received_at_ms: int,
    ga_measurement_id: str | None = None,
) -> tuple[UserData, dict[str, str]]:
    """The identifiers with those that the sender left out, and the campaign parameters of the url by their names.

    `cookies`: the request's `Cookie` header. `received_at_ms` becomes the time at which a new `fbclid` was first seen.
    """
    has_query = page.url is not None and "?" in page.url
    if not has_query and not cookies:
        return user_data, {}
    found = _from_cookies(cookies, ga_measurement_id) if cookies else {}
    properties: dict[str, str] = {}
    if has_query:
        _read_query(page.url or "", found, properties, received_at_ms)
    new = {field: value for field, value in found.items() if getattr(user_data, field) is None}
    return (msgspec.structs.replace(user_data, **new) if new else user_data), properties


def _read_query(url: str, found: dict[str, str], properties: dict[str, str], received_at_ms: int) -> None:
    """Adds what the url names; its click ids replace those of the cookies (last click)."""
    seen: set[str] = set()
    for name, value in _parameters(url):
        if name in seen:
            continue
        if name in _PROPERTIES:
            text = unquote_plus(value)
            if 0 < len(text) <= VALUE_CHARS and not _CONTROL.search(text):
                seen.add(name)
                properties[name] = text
        elif name == "fbclid":
            seen.add(name)
            _put(found, "fbc", _fbc(unquote(value), found.get("fbc"), received_at_ms))
        elif field := _PARAMETERS.get(name):
            seen.add(name)
            _put(found, field, clean_click_id(field, unquote(value)))


def _parameters(url: str) -> Iterator[tuple[str, str]]:
    query = url.partition("?")[2].partition("#")[0]
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        yield name.lower(), value


def _put(found: dict[str, str], field: str, value: str | None) -> None:
    if value is not None:
        found[field] = value


def _fbc(fbclid: str, cookie: str | None, received_at_ms: int) -> str | None:
    """The cookie's value where it is of the same click, with its time; else a new one (section 3). Index 1: a server
    that sets no cookie."""
    if len(fbclid) > VALUE_CHARS or not _FBCLID.fullmatch(fbclid):
        return None
    if cookie is not None and cookie.split(".")[3] == fbclid:
        return cookie
    return f"fb.1.{received_at_ms:013d}.{fbclid}"


def _from_cookies(header: str, ga_measurement_id: str | None) -> dict[str, str]:
    """Field -> value. Where several cookies hold one field, the first in its table counts."""
    ranked: dict[str, tuple[int, str]] = {}
    sessions: dict[str, str] = {}
    for name, text in _cookies(header):
        value = unquote(text) if "%" in text else text
        if name.startswith("_ga_"):
            sessions.setdefault(name[4:], value)
        elif reader := _COOKIES.get(name) or _prefixed(name):
            field, rank, read = reader
            usable = _read(field, value, read)
            if usable is not None and (field not in ranked or rank < ranked[field][0]):
                ranked[field] = (rank, usable)
    found = {field: value for field, (_, value) in ranked.items()}
    _put(found, "ga_session_id", _session_id(sessions, ga_measurement_id))
    return found


def _cookies(header: str) -> Iterator[tuple[str, str]]:
    for pair in header[:COOKIE_HEADER_CHARS].split(";"):
        name, found, value = pair.partition("=")
        if found:
            yield name.strip(), value.strip()


def _read(field: str, value: str, read: Callable[[str], str | None]) -> str | None:
    text = read(value)
    return clean_click_id(field, text) if text else None


def _as_it_is(value: str) -> str | None:
    return value


def _client_id(value: str) -> str | None:
    """`GA1.<n>.<client id>` and `FPID2.<n>.<client id>`: two numbers or one opaque text (section 4)."""
    parts = value.split(".", 2)
    return parts[2] if len(parts) == 3 and parts[0].startswith(("GA", "FPID")) else None


def _session_id(sessions: dict[str, str], ga_measurement_id: str | None) -> str | None:
    """Of the named measurement id; where none is named and there are several, none: a wrong session is worse."""
    if ga_measurement_id is not None:
        value = sessions.get(ga_measurement_id.removeprefix("G-"))
    else:
        value = next(iter(sessions.values())) if len(sessions) == 1 else None
    parts = value.split(".") if value else []
    if len(parts) < 3 or parts[0] not in ("GS1", "GS2"):
        return None
    for key in parts[2].split("$"):  # GS2: keys in no guaranteed order; GS1: the number alone
        if key.startswith("s") == (parts[0] == "GS2") and (found := _SESSION.fullmatch(key)):
            return found[1]
    return None


def _microsoft_id(value: str) -> str | None:
    """Without UET's prefix `_uet` and its suffix `-0` or `-1` (section 5)."""
    text = value.removeprefix("_uet")
    return (text[:-2] if text.endswith(("-0", "-1")) else text) or None


def _klaviyo_exchange_id(value: str) -> str | None:
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4))
        return msgspec.json.decode(text, type=_KlaviyoCookie).exchange_id
    except (binascii.Error, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


_Reader = tuple[str, int, Callable[[str], str | None]]

# Cookie -> field, rank among the cookies of that field, how the value is read (section 2).
_COOKIES: Mapping[str, _Reader] = MappingProxyType(
    {
        "_fbp": ("fbp", 0, _as_it_is),
        "_fbc": ("fbc", 0, _as_it_is),
        "_ga": ("ga_client_id", 0, _client_id),
        "FPID": ("ga_client_id", 1, _client_id),
        "_gcl_aw": ("gclid", 0, google_click_id),
        "FPGCLAW": ("gclid", 1, google_click_id),
        "_gcl_gb": ("wbraid", 0, google_click_id),
        "FPGCLGB": ("wbraid", 1, google_click_id),
        "_gcl_ag": ("gbraid", 0, google_click_id),
        "FPGCLAG": ("gbraid", 1, google_click_id),
        "ttclid": ("ttclid", 0, _as_it_is),
        "_ttp": ("ttp", 0, _as_it_is),
        "_epik": ("epik", 0, _as_it_is),
        "_derived_epik": ("epik", 1, _as_it_is),
        "_scid": ("sc_cookie1", 0, _as_it_is),
        "_scid_r": ("sc_cookie1", 1, _as_it_is),
        "li_fat_id": ("li_fat_id", 0, _as_it_is),
        "_rdt_cid": ("rdt_cid", 0, _as_it_is),
        "_rdt_uuid": ("rdt_uuid", 0, _as_it_is),
        "_uetmsclkid": ("msclkid", 0, _as_it_is),
        "crto_mapped_user_id": ("criteo_id", 0, _as_it_is),
        "__kla_id": ("kx", 0, _klaviyo_exchange_id),
    }
)
_PREFIXES: tuple[tuple[str, _Reader], ...] = (
    ("_aw_m_", ("awc", 0, _as_it_is)),
    ("_gac_", ("gclid", 2, google_click_id)),
)


def _prefixed(name: str) -> _Reader | None:
    return next((reader for prefix, reader in _PREFIXES if name.startswith(prefix)), None)
