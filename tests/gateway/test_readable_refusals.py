"""What a door refuses by itself can be read by the script of the site's own page, and of no other."""

from functools import partial

import pytest

from actors.snapshot import Site, Snapshot, key_digest
from gateway import cors
from gateway.call import Answer, Call
from gateway.door import DoorBounds, Share
from tests.gateway.doors import LONG, SHORT, Echo, Reply, open_doors, request

ORIGIN = "https://shop.example.com"
OTHER = "https://other.example.com"
SNAPSHOT = Snapshot(
    sites={
        "shop": Site(id="shop", origins=frozenset({ORIGIN})),
        "other": Site(id="other", origins=frozenset({OTHER})),
    },
    public_keys={key_digest("pk_shop"): "shop"},
)
SHARE: Share = partial(cors.with_headers, SNAPSHOT)
DOORS = pytest.mark.parametrize("is_fast", [True, False], ids=["fast_lane", "other_door"])
PAGE = f"Origin: {ORIGIN}"
TARGET = "/i?k=pk_shop"

REFUSED = {
    "a body that is too large": (413, request("POST", TARGET, b"a" * 70_000, PAGE)),
    "a body in pieces that is too large": (413, request("POST", TARGET, b"a" * 70_000, PAGE, is_chunked=True)),
    "a body that does not arrive": (408, request("POST", TARGET, b"a", PAGE)[:-1]),
    "a head that does not arrive": (408, request("POST", TARGET, None, PAGE)[:-2]),
    "too many headers": (431, request("POST", TARGET, b"", PAGE, *["X-A: b"] * 120)),
    "a head that is too large": (431, request("POST", TARGET, b"", PAGE, f"X-A: {'b' * 17_000}")),
    "too many cookies": (431, request("POST", TARGET, b"", f"Cookie: a={'b' * 9_000}", PAGE)),
    "two hosts": (400, request("POST", TARGET, b"", PAGE, "Host: other.test")),
    "a piece without its length": (400, request("POST", TARGET, None, PAGE, "Transfer-Encoding: chunked") + b"x\r\n"),
    "an expectation of another kind": (417, request("POST", TARGET, b"", PAGE, "Expect: miracles")),
    "a handler that fails": (500, request("POST", TARGET, b"", PAGE)),
}


async def refused(raw: bytes, *, is_fast: bool = True, bounds: DoorBounds = LONG) -> Reply:
    def fail(call: Call) -> Answer:
        raise RuntimeError

    async with open_doors(bounds=bounds, handler=Echo(fail), is_fast_lane_on=is_fast, share=SHARE) as doors:
        return await doors.ask(raw)


@DOORS
@pytest.mark.parametrize(("status", "raw"), REFUSED.values(), ids=REFUSED.keys())
async def test_the_sites_own_page_may_read_why_it_was_refused(status: int, raw: bytes, is_fast: bool) -> None:
    reply = await refused(raw, is_fast=is_fast, bounds=SHORT if status == 408 else LONG)
    assert (reply.status, reply.header("access-control-allow-origin")) == (status, ORIGIN)
    assert (reply.header("access-control-allow-credentials"), reply.header("vary")) == ("true", "Origin")


@DOORS
@pytest.mark.parametrize(("status", "raw"), REFUSED.values(), ids=REFUSED.keys())
async def test_no_other_page_may_read_it(status: int, raw: bytes, is_fast: bool) -> None:
    reply = await refused(
        raw.replace(ORIGIN.encode(), OTHER.encode()), is_fast=is_fast, bounds=SHORT if status == 408 else LONG
    )
    assert (reply.status, reply.header("access-control-allow-origin")) == (status, None)


async def test_a_head_with_two_origins_tells_no_page_anything() -> None:
    reply = await refused(request("POST", TARGET, b"", PAGE, f"Origin: {OTHER}", "Host: other.test"))
    assert (reply.status, reply.header("access-control-allow-origin")) == (400, None)


async def test_what_is_no_hot_path_is_for_no_page() -> None:
    reply = await refused(request("POST", "/healthz", b"", PAGE))
    assert (reply.status, reply.header("access-control-allow-origin")) == (405, None)
