"""One HTTP/1.1 request head, from bytes to its parts or to the answer that refuses it.

Strict on purpose: what two readers could understand differently (two lengths, length beside coding, folded lines,
bare line feeds, two hosts) is refused here, before anything behind this module sees it (RFC 9112 sections 2.2, 3.2,
5.2, 6.1, 6.3).
"""

import re
from collections.abc import Mapping

import httptools
from msgspec import Struct

from gateway.answers import error_answer
from gateway.call import BODY_BYTES, Answer, Call
from gateway.door import COOKIE_BYTES, HEAD_BYTES, HEAD_FIELDS, TARGET_BYTES
from gateway.upgrade_offer import is_only_http2, without_offer

END = b"\r\n\r\n"
START_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/([0-9]\.[0-9])\r\n")
HOST = re.compile(r"(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE)
TEXT = bytes(byte for byte in range(256) if byte in b"\t\r\n" or (byte >= 0x20 and byte != 0x7F))
HOT_METHODS = frozenset({"GET", "POST", "OPTIONS"})


class Head(Struct, frozen=True, kw_only=True):
    """A well-formed head. `raw` is what the other door is handed; its target is in origin form."""

    method: str
    path: str  # not percent-decoded
    query: str
    headers: Mapping[str, str]  # as in Call
    content_length: int
    is_hot: bool  # the fast lane may take it
    keep_alive: bool
    raw: bytes

    def call(self, peer: str, body: bytes = b"") -> Call:
        return Call(method=self.method, path=self.path, query=self.query, headers=self.headers, body=body, peer=peer)


def parse_head(raw: bytes) -> Head | Answer:
    """`raw` ends with the empty line. Never raises."""
    start = START_LINE.match(raw)
    if start is None:
        return _bad_start_line(raw)
    method, target, version = start.groups()
    if version not in (b"1.1", b"1.0"):
        return error_answer(505, "http_version", "only HTTP/1.1 is spoken here")
    if len(target) > TARGET_BYTES:
        return error_answer(414, "target_too_long", f"the target is longer than {TARGET_BYTES} bytes")
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserInvalidMethodError:
        return error_answer(501, "unknown_method", "this method is not known here")
    except httptools.HttpParserUpgrade:
        if method == b"CONNECT":
            return _no_upgrade()
    except httptools.HttpParserError:
        return _bad("the request head is not well-formed HTTP/1.1")
    upgrade = fields.headers.get("upgrade")
    if upgrade is not None:
        return parse_head(without_offer(raw)) if is_only_http2(upgrade) else _no_upgrade()
    return _refuse_fields(fields, version) or _head(raw, method, target, version, fields, parser.should_keep_alive())


def refuse_start(data: bytes) -> Answer | None:
    """What is wrong already, although the head has not ended: so that garbage need not be waited for."""
    if data.count(b"\n") != data.count(b"\r\n") or data.translate(None, TEXT):
        return _bad("the request head is not well-formed HTTP/1.1")
    if len(data) <= HEAD_BYTES:
        return None
    if b"\r\n" not in data[: TARGET_BYTES + 64]:
        return error_answer(414, "target_too_long", f"the target is longer than {TARGET_BYTES} bytes")
    return _head_too_large()


def merge_field(headers: dict[str, str], name: str, value: str) -> None:
    """A repeated header is one list (RFC 9110 section 5.3), but cookies are joined as cookies are."""
    known = headers.get(name)
    if known is None:
        headers[name] = value
    else:
        headers[name] = f"{known}{'; ' if name == 'cookie' else ', '}{value}"


def is_host(value: str) -> bool:
    return HOST.fullmatch(value) is not None


class _Fields:
    """What httptools calls for each header of one head."""

    __slots__ = ("count", "has_two_hosts", "headers", "is_complete")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.count = 0
        self.has_two_hosts = False
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self.count += 1
        if key in self.headers:
            self.has_two_hosts |= key == "host"
            merge_field(self.headers, key, value.decode("latin-1").strip(" \t"))
        else:
            self.headers[key] = value.decode("latin-1").strip(" \t")

    def on_headers_complete(self) -> None:
        self.is_complete = True


def _refuse_fields(fields: _Fields, version: bytes) -> Answer | None:
    headers = fields.headers
    if not fields.is_complete:
        return _bad("the request head is not well-formed HTTP/1.1")
    if fields.count > HEAD_FIELDS or len(headers.get("cookie", "")) > COOKIE_BYTES:
        return _head_too_large()
    host = headers.get("host")
    if fields.has_two_hosts or (host is None and version == b"1.1") or (host is not None and not is_host(host)):
        return _bad("one valid Host header is needed")
    if "transfer-encoding" in headers and (headers["transfer-encoding"].lower() != "chunked" or version == b"1.0"):
        return _bad("the only transfer coding taken is chunked, in HTTP/1.1")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        return error_answer(417, "expectation_failed", "the only expectation met is 100-continue")
    return None


def _head(raw: bytes, method: bytes, target: bytes, version: bytes, fields: _Fields, keep_alive: bool) -> Head | Answer:
    if not target.startswith(b"/"):
        rewritten = _origin_form(method, target, fields.headers.get("host", ""))
        if rewritten is None:
            return _bad("the target is no path of this server")
        raw = raw.replace(target, rewritten, 1)
        target = rewritten
    if b"#" in target:
        return _bad("a target has no fragment")
    path, _, query = target.decode("ascii").partition("?")
    method_name = method.decode("ascii")
    headers = fields.headers
    is_hot = path in BODY_BYTES and method_name in HOT_METHODS and "transfer-encoding" not in headers
    return Head(
        method=method_name,
        path=path,
        query=query,
        headers=headers,
        content_length=int(headers.get("content-length", "0")),
        is_hot=is_hot and version == b"1.1",
        keep_alive=keep_alive,
        raw=raw,
    )


def _origin_form(method: bytes, target: bytes, host: str) -> bytes | None:
    """The absolute form has to be understood (RFC 9112 section 3.2.2); its host may not differ from the Host header."""
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None or absolute[1].decode("ascii").lower() != host.lower():
        return None
    rest = absolute[2]
    return rest if rest.startswith(b"/") else b"/" + rest


def _bad_start_line(raw: bytes) -> Answer:
    line, _, _ = raw.partition(b"\r\n")
    if len(line) > TARGET_BYTES:
        return error_answer(414, "target_too_long", f"the target is longer than {TARGET_BYTES} bytes")
    return _bad("the request line is not well-formed HTTP/1.1")


def _bad(message: str) -> Answer:
    return error_answer(400, "bad_request", message)


def _no_upgrade() -> Answer:
    return _bad("no tunnel and no upgrade to another protocol (WebSocket) is offered; speak plain HTTP/1.1")


def _head_too_large() -> Answer:
    message = f"a head has at most {HEAD_BYTES} bytes and {HEAD_FIELDS} headers, {COOKIE_BYTES} bytes of them cookies"
    return error_answer(431, "headers_too_large", message)
