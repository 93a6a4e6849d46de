"""`gateway explain`: one event's whole story, and nothing of a person in it."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.event import Consent, CustomData, EmailDigests, Event, UserData
from actors.routing import NotRouted
from gateway import exit_codes
from gateway.commands.reading import visible
from gateway.commands.story import Facts, tell
from store.records import EventRow
from tests.gateway.told_store import Told, nowhere
from tests.support.making import VISITOR, event, purchase, snapshot
from tests.support.platform import FakeSender, Single, answer
from tests.support.world import SHARDS, World

MakeWorld = Callable[..., World]
DIGEST = "5f1e" * 16


def server_purchase(event_id: str = "order-1", value: str = "12.50") -> Event:
    bought = purchase(event_id, "server", value=value)
    return msgspec.structs.replace(bought, user_data=UserData(email=EmailDigests(sha256=DIGEST), client_ip="81.2.69.1"))


async def merged(make_world: MakeWorld) -> Told:
    told = Told(make_world)
    await told.begin()
    await told.take(server_purchase(), purchase("px-1", value="10"))
    return told


async def test_a_purchase_of_two_copies_is_told_with_its_evidence(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    [story] = (await merged(make_world)).json("explain", "--order", "o-1")
    first, second = story["copies"]
    assert (first["event_id"], first["became"]) == ("order-1", "first")
    assert (second["event_id"], second["became"], second["met_by"]) == ("px-1", "merged", "order_id o-1")
    assert second["conflicts"] == ["value"]
    assert story["fields_from"]["user_data.email"] == "server"
    assert (story["event_id"], story["value"]) == ("px-1", "12.50")


async def test_the_id_of_a_merged_copy_leads_to_the_event_that_was_sent(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    story = (await merged(make_world)).json("explain", "order-1")
    assert (story["event_id"], story["asked_for"]) == ("px-1", "order-1")


async def test_a_later_copy_is_told_as_a_duplicate_and_leads_to_the_first(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = await merged(make_world)
    await told.take(purchase("px-2"))
    story = told.json("explain", "px-2")
    assert story["event_id"] == "px-1"
    assert [copy["became"] for copy in story["copies"]] == ["first", "merged", "duplicate"]


async def test_the_page_shows_no_personal_data(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await merged(make_world)
    for result in (told.run("explain", "px-1"), told.run("explain", "px-1", "--json")):
        assert DIGEST[:8] in result.stdout
        assert DIGEST[:9] not in result.stdout
        assert "81.2.69.1" not in result.stdout
        assert "fb.1.1.1" not in result.stdout
        assert "client_ip" in result.stdout


async def test_a_purchase_that_waits_for_its_twin_says_so(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    told.world.take(purchase("px-1"))
    await told.world.settle()
    assert "waits for its twin" in told.run("explain", "px-1").stdout


@pytest.mark.parametrize(
    ("played", "status", "why", "words"),
    [
        ("ok", "delivered", "Counted: Test took it", ""),
        ("drop", "dropped", "Not counted: Test refused it for good", "never"),
        ("retry", "failed", "attempt 1 of 5 failed; the next is at 20", "later"),
        ("pause", "queued", "refuses the credentials", "token refused"),
    ],
)
async def test_each_destination_says_why_it_counted_or_did_not(
    autojump_clock: MockClock, make_world: MakeWorld, played: str, status: str, why: str, words: str
) -> None:
    told = Told(make_world, acme=FakeSender(play=lambda _: played))
    await told.begin()
    await told.take(event("e-1"))
    [destination] = told.json("explain", "e-1")["destinations"]
    assert destination["status"] == status
    assert why in destination["why"]
    assert [attempt["words"] for attempt in destination["attempts"]] == [words]


async def test_what_consent_kept_in_says_which_purpose_was_denied(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(event("e-1", consent=Consent(marketing="denied")))
    [destination] = told.json("explain", "e-1")["destinations"]
    assert (destination["status"], destination["reason"]) == ("not_routed", "consent_denied")
    assert "denied (marketing)" in destination["why"]


async def test_consent_that_nobody_stated_is_told_apart(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    told.world.restart(snapshot(msgspec.structs.replace(told.shop, consent_default="denied")))
    await told.begin()
    told.world.store.fix_shards(SHARDS)
    await told.take(event("e-1"))
    [destination] = told.json("explain", "e-1")["destinations"]
    assert destination["why"] == "Not counted: no consent was stated, and the site counts that as denied."


@pytest.mark.parametrize("reason", get_args(NotRouted))
def test_every_reason_not_to_route_has_its_sentence(reason: str) -> None:
    row = EventRow(
        site="shop", event_id="e", event_name="n", source="server", received_at_ms=1, shard=0, sequence=1,
        status="processed", not_routed={"acme": reason}, consent={"marketing": "denied"},
    )  # fmt: skip
    [destination] = tell(Facts(row=row, event=None, first=None), {}).destinations
    assert reason not in destination.why
    assert destination.why.startswith("Not counted: ")


async def test_what_was_never_tried_is_told_as_waiting(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world)
    await told.begin()
    told.world.take(event("e-1"))
    await told.world.settle()
    [destination] = told.json("explain", "e-1")["destinations"]
    assert (destination["status"], destination["attempts"]) == ("queued", [])


async def test_an_unknown_id_ends_with_1_and_says_what_would_be_right(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = await merged(make_world)
    unknown, swapped = told.run("explain", "nobody"), told.run("explain", "o-1")
    assert (unknown.exit_code, swapped.exit_code) == (exit_codes.FAILED, exit_codes.FAILED)
    assert "gateway stream" in unknown.stderr
    assert "explain --order 'o-1'" in swapped.stderr
    assert "explain 'px-1'" in told.run("explain", "--order", "px-1").stderr


async def test_a_site_that_is_not_there_is_named(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = await merged(make_world)
    result = told.run("explain", "px-1", "--site", "other")
    assert result.exit_code == exit_codes.USAGE
    assert "there are: shop" in result.stderr


async def test_text_of_a_sender_cannot_steer_the_terminal(autojump_clock: MockClock, make_world: MakeWorld) -> None:
    told = Told(make_world, acme=FakeSender(answer(200, "retry")))
    await told.begin()
    data = CustomData(order_id="\x1b[2Jo-9", value=Decimal(1), currency="EUR")
    await told.take(event("e\x1b]0;x\x07", "cart_viewed\x1b[31m", custom_data=data))
    result = told.run("explain", "e\x1b]0;x\x07")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_visible_text_is_printable_and_bounded(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable() or shown == ""
    assert len(shown) <= 201


def test_no_store_is_an_answer(tmp_path: Path) -> None:
    result = nowhere(tmp_path, "explain", "e-1")
    assert result.exit_code == exit_codes.STORE
    assert "--data-dir" in result.stderr


async def test_a_destination_that_several_sites_have_is_asked_for_by_site(
    autojump_clock: MockClock, make_world: MakeWorld
) -> None:
    told = Told(make_world, Single(id="acme"))
    await told.begin("shop", "other")
    await told.take(event("e-1"), event("e-1", site="other", user_data=UserData(anonymous_id=VISITOR)))
    result = told.run("explain", "e-1")
    assert result.exit_code == exit_codes.USAGE
    assert "shop, other" in result.stderr
    assert told.json("explain", "e-1", "--site", "shop")["site"] == "shop"
