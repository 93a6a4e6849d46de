"""Access tokens on virtual time: when they are fetched, by whom, and what a refusal is told as."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from actors.destinations.base import Pause, Request, Response, Retry
from actors.destinations.google_ads import GoogleAds
from actors.dialing import Failure
from actors.secret import Secret
from actors.tokens import AccessToken

ADS = GoogleAds(
    id="ads",
    customer_id="1234567890",
    conversion_actions={"purchase_placed": "1"},
    client_id="shop",
    client_secret=Secret("s"),
    refresh_token=Secret("r"),
)
HOUR_S = 3_600
GONE = Response(status=400, body=b'{"error":"invalid_grant","error_description":"Token has been revoked."}')


def given(number: int, life_s: int = HOUR_S) -> Response:
    return Response(status=200, body=b'{"access_token":"t%d","expires_in":%d}' % (number, life_s))


class Endpoint:
    """A token endpoint: its n-th answer is `play(n)`, each after `takes_s`."""

    def __init__(self, play: Callable[[int], Response | Failure] = given, takes_s: float = 1.0) -> None:
        self.asked = 0
        self._play, self._takes_s = play, takes_s

    async def send(self, request: Request) -> Response | Failure:
        self.asked += 1
        number = self.asked
        await trio.sleep(self._takes_s)
        return self._play(number)

    async def close_idle(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def token_of(endpoint: Endpoint, destination: GoogleAds = ADS) -> AccessToken:
    return AccessToken(destination, endpoint, lambda: 0)


async def all_of(token: AccessToken, number: int) -> list[object]:
    """What so many who ask at once get."""
    got: list[object] = []

    async def ask() -> None:
        got.append(await token.get())

    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(ask)
    return got


async def test_one_refresh_serves_all_who_wait(autojump_clock: MockClock) -> None:
    endpoint = Endpoint()
    assert await all_of(token_of(endpoint), 50) == ["t1"] * 50
    assert endpoint.asked == 1


async def test_a_token_is_used_until_shortly_before_its_end_and_then_replaced(autojump_clock: MockClock) -> None:
    endpoint = Endpoint(takes_s=0)
    token = token_of(endpoint)
    got = []
    for _ in range(4):
        got.append(await token.get())
        await trio.sleep(HOUR_S / 2 - 60)  # the fourth is asked for 180 s before the second's end
    assert got == ["t1", "t1", "t2", "t2"]
    assert endpoint.asked == 2


async def test_no_token_is_given_out_that_has_ended(autojump_clock: MockClock) -> None:
    token = token_of(Endpoint(takes_s=0))
    assert await token.get() == "t1"
    await trio.sleep(HOUR_S - 119)
    assert await token.get() == "t2"


async def test_a_short_life_is_used_to_its_half(autojump_clock: MockClock) -> None:
    endpoint = Endpoint(lambda number: given(number, life_s=60), takes_s=0)
    token = token_of(endpoint)
    for _ in range(60):
        await token.get()
        await trio.sleep(1)
    assert endpoint.asked == 2


async def test_a_refusal_is_told_to_all_who_wait_in_the_endpoints_words(autojump_clock: MockClock) -> None:
    endpoint = Endpoint(lambda number: GONE)
    refused = await all_of(token_of(endpoint), 8)
    assert refused == [Pause("token refused: invalid_grant: Token has been revoked.")] * 8
    assert endpoint.asked == 1


@pytest.mark.parametrize(
    "trouble", [Failure(kind="timeout", message="no answer"), Response(status=500), Response(status=200)]
)
async def test_trouble_is_shared_by_those_who_wait_and_tried_anew_by_the_next(
    trouble: Response | Failure, autojump_clock: MockClock
) -> None:
    endpoint = Endpoint(lambda number: trouble if number == 1 else given(number), takes_s=15)
    token = token_of(endpoint)
    began = trio.current_time()
    assert {type(one) for one in await all_of(token, 8)} == {Retry}
    assert trio.current_time() - began == pytest.approx(15)  # not eight times as long
    assert await token.get() == "t2"


async def test_who_fetches_may_be_cancelled_and_another_goes_on(autojump_clock: MockClock) -> None:
    endpoint = Endpoint(takes_s=10)
    token = token_of(endpoint)

    async def gives_up() -> None:
        with trio.move_on_after(1):
            await token.get()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(gives_up)
        await trio.testing.wait_all_tasks_blocked()
        assert await all_of(token, 3) == ["t2"] * 3


async def test_a_token_that_the_platform_calls_old_is_replaced_once(autojump_clock: MockClock) -> None:
    endpoint = Endpoint()
    token = token_of(endpoint)
    assert await token.get() == "t1"
    token.forget("t1")
    token.forget("t0")
    assert await token.get() == "t2"
    token.forget("t1")  # told late, by a request that was under way
    assert await token.get() == "t2"


async def test_a_destination_without_tokens_asks_for_none() -> None:
    endpoint = Endpoint()
    fixed = GoogleAds(id="ads", customer_id="1", conversion_actions={"x": "1"}, access_token=Secret("fixed"))
    assert await token_of(endpoint, fixed).get() is None
    assert endpoint.asked == 0
