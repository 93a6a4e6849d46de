"""A destination that is paused: for its credentials, by its errors, by its operator; and its access tokens."""

import trio
import trio.testing

from actors.destinations.base import Response
from store import keys, standing
from tests.actors.dispatching import HOUR_S, Clock, MakeWorld, batching, one, single, times
from tests.support.making import event
from tests.support.platform import failure
from tests.support.world import World


async def test_a_refused_token_pauses_and_a_new_one_sends_all_that_waited(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: "pause"))
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(10 * HOUR_S)
    assert len(times(world)) <= 2
    assert world.observer.count_of("paused") >= 1
    assert world.core.depths[keys.destination("shop", "one")] == 20
    world.senders["one"].play = lambda _: "ok"
    world.restart(single(account="2"))
    assert await world.run_for(60)
    assert {world.delivery(f"e{number}", "one").status for number in range(20)} == {"delivered"}
    rows = [found for number in range(20) if (found := world.delivery(f"e{number}", "one").row) is not None]
    assert {row.tries for row in rows} == {1}
    assert {row.attempts[0].words for row in rows} == {"token refused", ""}


async def test_a_token_is_fetched_once_and_sent_with_every_request(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(needs_token=True), one(delay_s=0.1))
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(60)
    assert world.senders["one"].tokens == 1
    assert {sent.token for sent in world.senders["one"].sent} == {"t1"}


async def test_an_old_token_is_replaced_once_whatever_was_under_way(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(
        single(needs_token=True), one(play=lambda sent: "refresh" if sent.token == "t1" else "ok", delay_s=0.1)
    )
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(60)
    assert world.senders["one"].tokens == 2
    assert {world.delivery(f"e{number}", "one").status for number in range(20)} == {"delivered"}


async def test_a_token_refused_twice_in_a_row_pauses(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(needs_token=True), one(play=lambda _: "refresh"))
    world.take(event("a"))
    assert await world.run_for(HOUR_S)
    assert world.senders["one"].tokens == 2
    assert world.dispatchers["one"].pause_reason == "token is old"
    assert world.delivery("a", "one").status == "queued"


async def test_a_token_is_replaced_before_it_ends(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(needs_token=True))
    async with world.running():
        for number in range(3):
            world.take(event(f"e{number}"))
            await trio.sleep(3_500)
    assert [sent.token for sent in world.senders["one"].sent] == ["t1", "t2", "t3"]


async def test_a_refused_refresh_pauses_in_the_endpoints_words_and_a_new_one_sends_all(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(needs_token=True), one(delay_s=0.1))
    sender = world.senders["one"]
    words = b'{"error":"invalid_grant","error_description":"Token has been expired or revoked."}'
    sender.refusal = Response(status=400, body=words)
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(10 * HOUR_S)
    reason = "token refused: invalid_grant: Token has been expired or revoked."
    assert world.dispatchers["one"].pause_reason == reason
    assert (sender.sent, sender.tokens) == ([], 1)
    sender.refusal = None
    world.restart(single(needs_token=True, account="2"))
    assert await world.run_for(60)
    assert {world.delivery(f"e{number}", "one").status for number in range(20)} == {"delivered"}


async def test_a_minted_token_that_a_platform_repeats_is_not_kept(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(needs_token=True), one(Response(status=200, body=b"Bearer token-1 is odd")))
    world.senders["one"].token = "token-"
    world.take(event("a"))
    assert await world.run_for(1)
    found = world.delivery("a", "one").row
    assert found is not None
    assert found.words == "unforeseen answer 200: Bearer [secret] is odd"


# --- errors, the operator ------------------------------------------------------------------------------------------


async def test_a_share_of_errors_pauses_keeps_the_queue_and_ends_with_a_good_probe(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    is_ill = True
    world = make_world(single(), one(play=lambda _: "drop" if is_ill else "ok"))
    async with world.running():
        for number in range(400):
            world.take(event(f"e{number:03}"))
            await trio.sleep(1)
        spent = len(times(world))
        assert 295 <= spent < 310
        assert found_standing(world)[:2] == ("paused", "error_share")
        assert "more than 25%; the last: never" in found_standing(world)[2]
        await trio.sleep(HOUR_S)
        assert len(times(world)) - spent < 25
        is_ill = False
        await trio.sleep(400)
    assert found_standing(world) == ("sending", "", "")
    assert world.core.depths[keys.destination("shop", "one")] == 0
    assert world.delivery("e399", "one").status == "delivered"
    assert [labels["2"] for name, labels in world.observer.told if name == "paused"] == [None, "error_share", None]


async def test_a_restart_sends_one_probe_to_a_destination_that_was_paused_for_its_errors(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(), one(play=lambda _: "drop"))
    async with world.running():
        for number in range(330):
            world.take(event(f"e{number}"))
            await trio.sleep(1)
    spent = len(times(world))
    world.restart()
    assert await world.run_for(2)
    assert len(times(world)) == spent + 1
    assert found_standing(world)[:2] == ("paused", "error_share")
    world.senders["one"].play = lambda _: "ok"
    world.restart(single(account="2"))
    assert await world.run_for(60)
    assert world.core.depths[keys.destination("shop", "one")] == 0


async def test_turned_off_no_share_of_errors_pauses(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(single(pause_share=0), one(play=lambda _: "drop"))
    async with world.running():
        for number in range(400):
            world.take(event(f"e{number}"))
            await trio.sleep(1)
    assert len(times(world)) == 400


async def test_an_outage_is_the_breakers_and_no_share_of_errors(make_world: MakeWorld, autojump_clock: Clock) -> None:
    world = make_world(batching(), one(play=lambda _: failure()))
    world.take(*(event(f"e{number}") for number in range(900)))
    assert await world.run_for(HOUR_S)
    assert found_standing(world) == ("probing", "breaker", "connect: nobody is there")


async def test_a_destination_its_operator_paused_sends_nothing_until_it_goes_on(
    make_world: MakeWorld, autojump_clock: Clock
) -> None:
    world = make_world(single(paused=True))
    world.take(*(event(f"e{number}") for number in range(20)))
    assert await world.run_for(10 * HOUR_S)
    assert times(world) == []
    assert found_standing(world) == ("paused", "operator", "paused by its operator")
    assert world.core.depths[keys.destination("shop", "one")] == 20
    world.restart(single())
    assert await world.run_for(60)
    assert {world.delivery(f"e{number}", "one").status for number in range(20)} == {"delivered"}


def found_standing(world: World) -> tuple[str, str, str]:
    row = standing.read(world.store, keys.destination("shop", "one"))
    assert row is not None
    return row.state, row.cause, row.words
