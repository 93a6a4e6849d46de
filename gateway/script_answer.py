"""How a script for pages is answered: packed where the browser takes that, and asked again by its ETag."""

import base64
import gzip
import hashlib
from typing import Final

from msgspec import Struct

from gateway.call import Answer

FOR_EVER: Final = "public, max-age=31536000, immutable"
SHARED: Final = (
    ("access-control-allow-origin", "*"),  # a tag with `integrity` is fetched by CORS
    ("cross-origin-resource-policy", "cross-origin"),
    ("x-content-type-options", "nosniff"),
)


class Script(Struct, frozen=True, kw_only=True):
    """`script` as it is, `packed` by gzip. `version` and `integrity` change with every byte of it."""

    version: str
    integrity: str
    script: bytes
    packed: bytes


def script_of(script: bytes) -> Script:
    digest = hashlib.sha384(script).digest()
    return Script(
        version=digest.hex()[:16],
        integrity="sha384-" + base64.b64encode(digest).decode(),
        script=script,
        packed=gzip.compress(script, 9, mtime=0),
    )


def script_answer(script: Script, cached: str, accepts: str, if_none_match: str) -> Answer:
    """`cached`: how long. `accepts`, `if_none_match`: the request's headers."""
    is_packed = _takes_gzip(accepts)
    etag = f'"{script.version}{"-gzip" if is_packed else ""}"'
    headers = [("cache-control", cached), ("etag", etag), ("vary", "Accept-Encoding"), *SHARED]
    if script.version in if_none_match:
        return Answer(status=304, headers=tuple(headers))
    headers += [("content-encoding", "gzip")] if is_packed else []
    body = script.packed if is_packed else script.script
    return Answer(status=200, headers=(("content-type", "text/javascript; charset=utf-8"), *headers), body=body)


def _takes_gzip(accepted: str) -> bool:
    """Whether it is among what the client takes, and not with a weight of nothing."""
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
