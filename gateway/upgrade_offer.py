"""An offer to go on in HTTP/2, as Java's HttpClient and `curl --http2` make it in the clear.

A server may ignore it (RFC 9110 section 7.8). It is taken out of the head, so that nothing behind hears of it.
"""

OF_OFFER = frozenset({b"upgrade", b"http2-settings"})  # fields, and options of Connection (RFC 7540 section 3.2)


def is_only_http2(upgrade: str) -> bool:
    """Whether nothing else is offered: who asks for a WebSocket cannot be served without."""
    return all(protocol.strip(" \t").lower() == "h2c" for protocol in upgrade.split(","))


def without_offer(raw: bytes) -> bytes:
    """A well-formed head without it."""
    start, *fields = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [field for field in map(_kept, fields) if field]
    return b"\r\n".join([start, *kept, b"", b""])


def _kept(field: bytes) -> bytes:
    """The field, or what is left of it; empty where nothing is."""
    name, _, value = field.partition(b":")
    if name.lower() in OF_OFFER:
        return b""
    if name.lower() != b"connection":
        return field
    options = [option for option in value.split(b",") if option.strip(b" \t").lower() not in OF_OFFER]
    return name + b":" + b",".join(options) if options else b""
