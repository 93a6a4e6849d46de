"""What can be told of a head that was refused: which path it asked for, and whose page asked.

Only for the answer that refuses it, so that the page's script may read why. Nothing here lets a request in.
"""

import re

from gateway.call import Call

TARGET = re.compile(rb"[A-Z]{1,32} (?:https?://[^/? ]+)?(/[!-~]*)(?: |\r\n|$)")
ORIGIN = re.compile(rb"\r\norigin:[ \t]*([!-~]+)[ \t]*(?=\r\n)", re.IGNORECASE)


def glimpse(raw: bytes, peer: str) -> Call | None:
    """A call without its body, from as much of a head as has arrived; None where path or page cannot be told."""
    target, origins = TARGET.match(raw), ORIGIN.findall(raw)
    if target is None or len(origins) != 1:
        return None
    path, _, query = target[1].decode("ascii").partition("?")
    origin: str = origins[0].decode("ascii")
    return Call(method="POST", path=path, query=query, headers={"origin": origin}, body=b"", peer=peer)
