"""Trying credentials: what each platform says of right and wrong ones, and that nothing is counted anywhere."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.destinations import (
    AnyDestination,
    Awin,
    Criteo,
    Ga4,
    GoogleAds,
    Klaviyo,
    LinkedIn,
    Meta,
    Pinterest,
    Reddit,
    Snapchat,
    Taboola,
    TikTok,
    Webhook,
)
from actors.destinations.base import Attempt, Destination, Request, Response
from actors.dialing import Failure
from actors.secret import Secret
from bench.simulator import (
    AwinSim,
    CriteoSim,
    Fault,
    Ga4Sim,
    GoogleAdsSim,
    KlaviyoSim,
    LinkedInSim,
    MetaSim,
    PinterestSim,
    Platform,
    RedditSim,
    Simulator,
    SnapchatSim,
    TaboolaSim,
    TikTokSim,
    WebhookSim,
)
from bench.simulator.google_answers import Account
from bench.simulator.webhook import SECRET as WEBHOOK_SECRET
from gateway.credentials import CheckFailed, CheckPassed, CheckUnsure, CredentialCheck, try_credentials, try_over
from tests.actors.destinations.test_conformance import CASES
from tests.support.service_accounts import EMAIL, make_account

DOCS = Path(__file__).parents[2] / "docs" / "destinations"
AT_MS = 1_795_000_000_000
GOOD, BAD = Secret("canary-good-token"), Secret("canary-wrong-token")
OAUTH: dict[str, Any] = {"client_id": "shop", "client_secret": Secret("canary-client"), "access_token": None}
ACTIONS: dict[str, Any] = {"customer_id": "1234567890", "conversion_actions": {"purchase_placed": "987654321"}}

META = Meta(id="d", pixel_id="1234567890123456", access_token=GOOD)
DATA_MANAGER = GoogleAds(id="d", access_token=GOOD, **ACTIONS)
GOOGLE_ADS_API = GoogleAds(id="d", access_token=GOOD, via="google_ads_api", **ACTIONS)
TIKTOK = TikTok(id="d", event_source_id="C0EXAMPLEPIXELCODE00", access_token=GOOD)
GA4 = Ga4(id="d", measurement_id="G-ABCDE12345", api_secret=GOOD)
KLAVIYO = Klaviyo(id="d", api_key=GOOD)
PINTEREST = Pinterest(id="d", ad_account_id="549700000123", access_token=GOOD)
SNAPCHAT = Snapchat(id="d", pixel_id="3f2b8c1e-0d57-4c3a", access_token=GOOD)
LINKEDIN = LinkedIn(id="d", conversion_rules={"purchase_placed": "12345678"}, access_token=GOOD)
REDDIT = Reddit(id="d", pixel_id="a2_abc", access_token=GOOD)
AWIN = Awin(id="d", advertiser_id="12345", api_key=GOOD)

TELLING: tuple[AnyDestination, ...] = (
    META, DATA_MANAGER, GOOGLE_ADS_API, KLAVIYO, PINTEREST, SNAPCHAT, LINKEDIN, REDDIT, AWIN,
)  # fmt: skip
SILENT: tuple[AnyDestination, ...] = (
    Webhook(id="d", url="https://hooks.example.com/in", secret=Secret(WEBHOOK_SECRET)),
    Criteo(id="d", partner_id="98765", caller_id="4321"),
    Taboola(id="d", account_id="1234567"),
    Awin(id="d", advertiser_id="12345", via="sread"),
)
REFRESHED = [
    (DATA_MANAGER, "/token", "Token has been expired or revoked"),
    (LINKEDIN, "/oauth/v2/accessToken", "refresh token is invalid, expired or revoked"),
]
OTHER_ACCOUNT: tuple[AnyDestination, ...] = (
    msgspec.structs.replace(META, pixel_id="99"),
    msgspec.structs.replace(PINTEREST, ad_account_id="99"),
    msgspec.structs.replace(SNAPCHAT, pixel_id="99"),
    msgspec.structs.replace(REDDIT, pixel_id="a2_other"),
    msgspec.structs.replace(AWIN, advertiser_id="99"),
    msgspec.structs.replace(LINKEDIN, conversion_rules={"purchase_placed": "99"}),
)


@asynccontextmanager
async def platforms() -> AsyncIterator[Simulator]:
    """Each knows one account and one token."""
    token = GOOD.reveal()
    known = Account(access_tokens=frozenset({token}), refresh_tokens=frozenset({token}))
    sims: list[Platform] = [
        MetaSim(pixel_id=META.pixel_id, access_token=token),
        Ga4Sim(),
        GoogleAdsSim(known),
        WebhookSim(),
        LinkedInSim(access_token=token, rules={"12345678": "ok"}, refresh_token=token),
        RedditSim(pixel_id=REDDIT.pixel_id, access_token=token),
        CriteoSim(),
        TikTokSim(event_source_id=TIKTOK.event_source_id, access_token=token),
        PinterestSim(ad_account_id=PINTEREST.ad_account_id, access_token=token),
        SnapchatSim(asset_id=SNAPCHAT.pixel_id, access_token=token),
        KlaviyoSim(api_key=token),
        AwinSim(api_key=token, advertiser_id=AWIN.advertiser_id),
        TaboolaSim(),
    ]
    async with Simulator(sims).running() as simulator:
        yield simulator
        assert [name for name in simulator.names() if simulator.accepted(name)] == []  # nothing was counted


def at(simulator: Simulator, destination: AnyDestination) -> AnyDestination:
    base_url = simulator.url(destination.platform)
    return msgspec.structs.replace(destination, base_url=base_url, allow_private=True)


async def tried(simulator: Simulator, destination: AnyDestination) -> CredentialCheck:
    return await try_credentials(at(simulator, destination))


def named(destination: Destination) -> str:
    return f"{destination.platform}-{getattr(destination, 'via', '')}".rstrip("-")


@pytest.mark.parametrize("destination", TELLING, ids=named)
async def test_right_credentials_pass(destination: AnyDestination) -> None:
    async with platforms() as simulator:
        assert isinstance(await tried(simulator, destination), CheckPassed)


@pytest.mark.parametrize("destination", [*TELLING, TIKTOK], ids=named)
async def test_a_wrong_token_fails_in_the_platforms_words_without_the_token(destination: AnyDestination) -> None:
    field = "api_key" if hasattr(destination, "api_key") else "access_token"
    async with platforms() as simulator:
        found = await tried(simulator, msgspec.structs.replace(destination, **{field: BAD}))
    assert isinstance(found, CheckFailed)
    assert found.words
    assert BAD.reveal() not in found.words


@pytest.mark.parametrize("destination", OTHER_ACCOUNT, ids=named)
async def test_an_account_that_is_not_the_tokens_fails(destination: AnyDestination) -> None:
    async with platforms() as simulator:
        assert isinstance(await tried(simulator, destination), CheckFailed)


async def test_what_a_platform_does_not_check_is_not_claimed() -> None:
    async with platforms() as simulator:
        ga4 = await tried(simulator, GA4)
        tiktok = await tried(simulator, TIKTOK)
    assert isinstance(ga4, CheckPassed)
    assert "neither api_secret nor measurement_id" in ga4.words
    assert isinstance(tiktok, CheckPassed)
    assert "shows with the first event" in tiktok.words


@pytest.mark.parametrize("destination", SILENT, ids=named)
async def test_a_platform_without_a_check_is_asked_nothing(destination: AnyDestination) -> None:
    async with platforms() as simulator:
        found = await tried(simulator, destination)
        assert isinstance(found, CheckUnsure)
        assert simulator.requests(destination.platform) == 0


@pytest.mark.parametrize(("destination", "path", "words"), REFRESHED, ids=["google_ads", "linkedin"])
async def test_a_refused_refresh_token_fails_in_the_token_endpoints_words(
    destination: AnyDestination, path: str, words: str
) -> None:
    async with platforms() as simulator:
        token_url = simulator.url(destination.platform) + path
        wrong = msgspec.structs.replace(destination, refresh_token=BAD, token_url=token_url, **OAUTH)
        right = msgspec.structs.replace(wrong, refresh_token=GOOD)
        assert isinstance(await tried(simulator, right), CheckPassed)
        found = await tried(simulator, wrong)
    assert isinstance(found, CheckFailed)
    assert words in found.words


async def test_a_service_account_is_tried_by_the_token_that_it_gets() -> None:
    account, stranger = make_account(), make_account()
    known = Account(access_tokens=frozenset(), service_accounts={EMAIL: account.public_key})
    async with Simulator([GoogleAdsSim(known)]).running() as simulator:
        token_url = simulator.url("google_ads") + "/token"
        right = GoogleAds(id="d", service_account=Secret(account.key_file), token_url=token_url, **ACTIONS)
        wrong = msgspec.structs.replace(right, service_account=Secret(stranger.key_file))
        assert isinstance(await tried(simulator, right), CheckPassed)
        assert await tried(simulator, wrong) == CheckFailed("token refused: invalid_grant: Invalid JWT Signature.")


@pytest.mark.parametrize("kind", ["status", "rate_limit", "garbage", "reset", "redirect", "endless", "gzip_bomb"])
async def test_a_platform_in_trouble_leaves_it_open(kind: Any) -> None:
    async with platforms() as simulator:
        for destination in TELLING:
            simulator.fail(destination.platform, Fault(kind=kind))
            assert isinstance(await tried(simulator, destination), CheckUnsure), (kind, named(destination))


async def test_a_platform_that_is_not_there_leaves_it_open() -> None:
    gone = msgspec.structs.replace(META, base_url="http://127.0.0.1:9", allow_private=True)
    found = await try_credentials(gone)
    assert isinstance(found, CheckUnsure)
    assert "127.0.0.1 port 9: Connection refused" in found.words


async def test_an_address_inside_is_refused_before_anything_is_sent() -> None:
    async with platforms() as simulator:
        inside = msgspec.structs.replace(META, base_url=simulator.url("meta"))
        assert isinstance(await try_credentials(inside), CheckUnsure)
        assert simulator.requests("meta") == 0


ODD = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b'{"error":[]}',
    b'{"error":{"code":{}}}',
    b"\xff\xfe",
    b"<html>",
    b"[" * 9_000,
)


class Answering:
    """A platform that gives one answer to everything."""

    def __init__(self, answer: Response) -> None:
        self._answer = answer

    async def send(self, request: Request) -> Response | Failure:
        return self._answer

    async def close_idle(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("destination", [*TELLING, TIKTOK, *SILENT], ids=named)
async def test_no_answer_whatever_raises(destination: AnyDestination) -> None:
    for status in (200, 202, 206, 302, 400, 401, 403, 404, 410, 413, 422, 429, 500):
        for body in ODD:
            found = await try_over(destination, Answering(Response(status=status, body=body)), at_ms=AT_MS)
            assert isinstance(found, CheckPassed | CheckFailed | CheckUnsure)


@pytest.mark.parametrize("destination", CASES, ids=named)
def test_a_check_is_pure_and_goes_by_https(destination: Destination) -> None:
    attempt = Attempt(at_ms=AT_MS, access_token="minted")
    request = destination.credential_check(attempt)
    assert request == destination.credential_check(attempt)
    if request is not None:
        assert request.url.startswith("https://")
        assert msgspec.json.decode(request.body)


NAMES = st.sampled_from(["error", "code", "message", "status", "events", "errors", "details", "event_logs", "elements"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(status=st.integers(100, 599), body=ANYTHING)
@settings(max_examples=150, deadline=None)
def test_no_json_whatever_raises(status: int, body: Any) -> None:
    answer = Response(status=status, body=json.dumps(body).encode())
    for destination in (*TELLING, TIKTOK, GA4):
        assert isinstance(destination.judge_check(answer), CheckPassed | CheckFailed | CheckUnsure)


ODD_TOKEN = Secret("canary/with+odd=signs")


@pytest.mark.parametrize("destination", [*TELLING, TIKTOK], ids=named)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
async def test_a_token_that_the_platform_repeats_is_not_told(destination: AnyDestination, status: int) -> None:
    field = "api_key" if hasattr(destination, "api_key") else "access_token"
    mine = msgspec.structs.replace(destination, **{field: ODD_TOKEN})
    forms = (ODD_TOKEN.reveal(), quote(ODD_TOKEN.reveal(), safe=""))
    words = " ".join(f"{form} is odd;" for form in forms)
    for body in (words.encode(), msgspec.json.encode({"error": {"code": 190, "message": words}, "message": words})):
        found = await try_over(mine, Answering(Response(status=status, body=body)), at_ms=AT_MS)
        assert not [form for form in forms if form in found.words]


@pytest.mark.parametrize("platform", sorted({one.platform for one in (*TELLING, TIKTOK, *SILENT)} | {"ga4"}))
def test_each_page_says_what_connecting_checks(platform: str) -> None:
    assert "What connecting checks" in (DOCS / f"{platform}.md").read_text()
