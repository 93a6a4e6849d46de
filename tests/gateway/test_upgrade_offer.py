"""An offer to go on in HTTP/2 is ignored: the request is served in HTTP/1.1, and the other door never hears of it."""

import shutil

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from hypothesis import given
from hypothesis import strategies as st

from gateway.request_head import Head, parse_head
from tests.gateway.doors import open_doors, request

DOORS = pytest.mark.parametrize("is_fast", [True, False], ids=["fast_lane", "other_door"])
OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
OFFERS = {
    "as clients make it": OFFER,
    "without connection": ("Upgrade: h2c",),
    "with bad settings": (*OFFER[:2], "HTTP2-Settings: \u00fc/=,"),
    "in capitals and twice": ("CONNECTION: keep-alive, UPGRADE", "UPGRADE: H2C", "upgrade: h2c , h2c"),
}
FIELDS = st.lists(
    st.sampled_from([*OFFER, "connection: keep-alive ,upgrade", "X-A: upgrade", "Accept: */*", "uPgRaDe: h2C"])
)


@DOORS
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
async def test_a_request_with_the_offer_is_served_as_without_it(offer: tuple[str, ...], is_fast: bool) -> None:
    async with open_doors(is_fast_lane_on=is_fast) as doors, await doors.connect() as client:
        for raw in (request("POST", "/i", b"abc", *offer), request("GET", "/healthz", None, *offer)):
            await client.send(raw)
            assert (await client.reply()).status == 200
        assert [call.body for call in doors.handler.calls] == [b"abc"]
        assert not {"upgrade", "http2-settings"} & set(doors.handler.calls[0].headers)


async def test_the_other_door_never_hears_of_it() -> None:
    heard: list[bytes] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        heard.extend(name for name, _ in scope["headers"])
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")], "trailers": False}
        )
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with open_doors(app=app) as doors:
        assert (await doors.ask(request("GET", "/x", None, *OFFER, "X-A: b"))).status == 200
    assert heard == [b"host", b"x-a"]


@given(FIELDS)
def test_nothing_else_is_taken_out_of_a_head(fields: list[str]) -> None:
    head = parse_head(request("GET", "/x", None, "Upgrade: h2c", *fields))
    assert isinstance(head, Head)
    assert not {"upgrade", "http2-settings"} & set(head.headers)
    kept = [field for field in fields if field in ("X-A: upgrade", "Accept: */*")]
    assert [
        line for line in head.raw.decode().split("\r\n")[2:] if line and not line.lower().startswith("connection")
    ] == kept


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl_that_offers_http2_is_answered() -> None:
    async with open_doors() as doors:
        call = ["curl", "-s", "--http2", "--noproxy", "*", "-d", "{}", "-w", "%{http_code}", "-o", "/dev/null"]
        done = await trio.run_process([*call, f"http://127.0.0.1:{doors.port}/i"], capture_stdout=True, check=False)
    assert done.stdout == b"200"
