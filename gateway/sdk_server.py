"""`GET /sdk.js`, `/sdk/{version}/sdk.js`, `/sdk.json`: the browser SDK as it was built, and how to pin it; and
`/sdk/shopify-pixel.js`, Shopify's custom pixel, to be pasted.

The path that pages name is cached for an hour and asked again by its ETag; a pinned version never changes.
"""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from quart import Blueprint, Response, request

from gateway.answers import JSON, error_answer
from gateway.call import Answer
from gateway.script_answer import FOR_EVER, SHARED, Script, script_answer
from gateway.web import response_of

DIST: Final = Path(__file__).parent / "web" / "dist"
FOR_AN_HOUR: Final = "public, max-age=3600, stale-while-revalidate=86400"


class _Manifest(Struct, frozen=True, kw_only=True):
    version: str
    integrity: str
    bytes: int
    gzip_bytes: int


class Bundle(Struct, frozen=True, kw_only=True):
    """The SDK: `script` as it is, `packed` by gzip."""

    manifest: _Manifest
    script: bytes
    packed: bytes
    pixel: bytes

    @property
    def pinned(self) -> str:
        """The path at which these bytes are for ever."""
        return f"/sdk/{self.manifest.version}/sdk.js"


class _Told(Struct, frozen=True, kw_only=True):
    version: str
    path: str
    pinned_path: str
    integrity: str
    bytes: int
    gzip_bytes: int


def read_bundle(folder: Path = DIST) -> Bundle | None:
    """None where the gateway runs from a checkout in which the SDK was not built."""
    try:
        manifest = msgspec.json.decode((folder / "sdk.json").read_bytes(), type=_Manifest)
        script, packed, pixel = ((folder / name).read_bytes() for name in ("sdk.js", "sdk.js.gz", "shopify-pixel.js"))
    except OSError:
        return None
    return Bundle(manifest=manifest, script=script, packed=packed, pixel=pixel)


def sdk_pages(path: str, bundle: Bundle | None) -> Blueprint:
    """`path`: where pages find the script; empty: nowhere."""
    pages = Blueprint("sdk", __name__)

    async def script() -> Response:
        return response_of(_script(bundle, FOR_AN_HOUR))

    async def pinned(version: str) -> Response:
        if bundle is not None and version != bundle.manifest.version:
            message = f"this gateway has version {bundle.manifest.version} of the SDK"
            return response_of(error_answer(404, "not_found", message, *SHARED))
        return response_of(_script(bundle, FOR_EVER))

    async def pixel() -> Response:
        return response_of(_unbuilt() if bundle is None else _text(bundle.pixel))

    async def manifest() -> Response:
        return response_of(_manifest(bundle, path))

    if path:
        pages.add_url_rule(path, "script", script)
        pages.add_url_rule("/sdk/<version>/sdk.js", "pinned", pinned)
        pages.add_url_rule("/sdk/shopify-pixel.js", "pixel", pixel)
        pages.add_url_rule("/sdk.json", "manifest", manifest)
    return pages


def _script(bundle: Bundle | None, cached: str) -> Answer:
    if bundle is None:
        return _unbuilt()
    made = bundle.manifest
    script = Script(version=made.version, integrity=made.integrity, script=bundle.script, packed=bundle.packed)
    asked = request.headers
    return script_answer(script, cached, asked.get("accept-encoding", ""), asked.get("if-none-match", ""))


def _text(source: bytes) -> Answer:
    headers = (("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-cache"), *SHARED)
    return Answer(status=200, headers=headers, body=source)


def _manifest(bundle: Bundle | None, path: str) -> Answer:
    if bundle is None:
        return _unbuilt()
    made = bundle.manifest
    told = _Told(
        version=made.version,
        path=path,
        pinned_path=bundle.pinned,
        integrity=made.integrity,
        bytes=made.bytes,
        gzip_bytes=made.gzip_bytes,
    )
    return Answer(status=200, headers=(JSON, ("cache-control", "no-cache"), *SHARED), body=msgspec.json.encode(told))


def _unbuilt() -> Answer:
    return error_answer(404, "not_found", "the SDK was not built here; `pip install .` builds it")
