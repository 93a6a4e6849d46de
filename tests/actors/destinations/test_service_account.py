"""Google service accounts: the signed assertion, and what is no key."""

import json
from typing import Any

import pytest

from actors.destinations.base import Pause, Response, Token
from actors.destinations.google_ads import GoogleAds
from actors.destinations.service_account import key_fault
from actors.secret import Secret
from bench.simulator import GoogleAdsSim, SimRequest
from bench.simulator.google_answers import Account
from tests.actors.destinations.cases import AT_MS
from tests.support.service_accounts import EMAIL, ServiceAccount, make_account


@pytest.fixture(scope="module")
def account() -> ServiceAccount:
    return make_account()


def ads(account: ServiceAccount, **settings: Any) -> GoogleAds:
    actions = {"purchase_placed": "987654321"}
    key = Secret(account.key_file)
    return GoogleAds(id="ads", customer_id="1234567890", conversion_actions=actions, service_account=key, **settings)


def asked(destination: GoogleAds, sim: GoogleAdsSim, late_s: int = 0) -> object:
    """What the destination makes of the token endpoint's answer."""
    oauth = destination.oauth(AT_MS)
    assert oauth is not None
    made = oauth.request
    at_ms = AT_MS + late_s * 1_000
    headers = dict(made.headers)
    answer = sim.answer(
        SimRequest(method=made.method, path="/token", query={}, headers=headers, body=made.body, at_ms=at_ms)
    )
    return destination.read_token(Response(status=answer.status, body=answer.body))


@pytest.mark.parametrize("via", ["data_manager", "google_ads_api"])
def test_a_signed_assertion_is_exchanged_for_a_token(account: ServiceAccount, via: str) -> None:
    sim = GoogleAdsSim(Account(service_accounts={EMAIL: account.public_key}))
    destination = ads(account, via=via)
    assert list(destination.problems()) == []
    assert isinstance(asked(destination, sim), Token)


def test_a_key_that_google_does_not_know_pauses_in_its_words(account: ServiceAccount) -> None:
    stranger = GoogleAdsSim(Account(service_accounts={EMAIL: make_account().public_key}))
    assert asked(ads(account), stranger) == Pause("token refused: invalid_grant: Invalid JWT Signature.")
    gone = GoogleAdsSim(Account(service_accounts={}))
    assert asked(ads(account), gone) == Pause("token refused: invalid_grant: Invalid grant: account not found")


def test_an_assertion_lives_for_a_short_time(account: ServiceAccount) -> None:
    assert isinstance(asked(ads(account), GoogleAdsSim(), late_s=600), Pause)


def test_the_request_is_the_same_for_the_same_time(account: ServiceAccount) -> None:
    assert ads(account).oauth(AT_MS) == ads(account).oauth(AT_MS)
    assert ads(account).oauth(AT_MS) != ads(account).oauth(AT_MS + 1_000)


@pytest.mark.parametrize(
    "change",
    [{"private_key": "canary"}, {"private_key": 7}, {"client_email": None}, {"type": "authorized_user"}],
)
def test_what_is_no_key_is_a_fault_that_holds_nothing_of_it(account: ServiceAccount, change: dict[str, Any]) -> None:
    fault = key_fault(Secret(json.dumps(json.loads(account.key_file) | change)))
    assert fault is not None
    assert "JSON key file" in fault
    assert "canary" not in fault


@pytest.mark.parametrize("text", ["", "canary", "[]", "{}", "\ud800"])
def test_any_other_text_is_a_fault_too(text: str) -> None:
    assert "canary" not in (key_fault(Secret(text)) or "canary")
