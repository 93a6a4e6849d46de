"""Whose key a Segment client shows, and where: a site's write key is a server's, its public key a browser's.

There is no signature: a key names the site. `X-Write-Key` has a colon and more behind it, Basic a password; neither
counts. Where a header names a key the body's is not read: Jitsu masks it there.
"""

import base64
import binascii
from typing import Any

from msgspec import Struct

from actors.snapshot import Site, Snapshot
from gateway.call import Call
from gateway.query import in_query


class Shown(Struct, frozen=True, kw_only=True):
    """A key that is known. `is_public`: whoever reads the page's source has it."""

    site: Site
    key: str
    is_public: bool


def key_beside(call: Call) -> str | None:
    """The key of headers and query."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if own := call.headers.get("x-write-key", "").strip():
        return own.partition(":")[0] or None
    if scheme.lower() == "basic":
        return _user(value.strip())
    return in_query(call.query, "writeKey")


def key_inside(call: Call, told: Any) -> str | None:
    """The key of the body; without one, a Bearer that is no OAuth token."""
    if isinstance(told, str) and told.strip():
        return told.strip()
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def shown(snapshot: Snapshot, key: str | None) -> Shown | None:
    if key is None:
        return None
    site = snapshot.site_by_write_key(key)
    if site is not None:
        return Shown(site=site, key=key, is_public=False)
    site = snapshot.site_by_public_key(key)
    return Shown(site=site, key=key, is_public=True) if site is not None else None


def _user(value: str) -> str | None:
    """Clients that leave the colon out reach Segment too."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
    except (binascii.Error, ValueError):
        return None
