"""What a visitor does in a shop, in a real browser, and what of it reaches the platform: no less, no more, no twice."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from build_hook import sdk
from tests.e2e.shop_server import Shop, serving_shop
from tests.gateway.sources.shopify_hooks import SOURCE, deliver
from tests.support.running import META, Running, running_gateway, running_simulator, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
VISITOR = "0123456789abcdef0123456789abcdef"
FBP = "fb.1.1795168512000.1098115397"
CLICKED = "/?utm_source=google&gclid=Cj0ExampleClick&fbclid=IwAR2exampleClick_aB-9"


class World:
    def __init__(self, shop: Shop, gateway: Running, context: BrowserContext) -> None:
        self.shop, self.gateway, self.context = shop, gateway, context
        self._before = len(gateway.accepted("meta"))
        self.asked: list[str] = []
        self.faults: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.goto(self.shop.origin + path)
        page.wait_for_function("!!window.gw.visitor_id")
        return page

    def posts(self) -> list[str]:
        return [url for url in self.asked if "/i" in url.removeprefix(self.gateway.url) and "/sdk" not in url]

    def events(self) -> list[Any]:
        return [taken["event"] for taken in self.gateway.accepted("meta")[self._before :]]

    def names(self) -> list[str]:
        return sorted(event["event_name"] for event in self.events())

    def wait_names(self, *expected: str) -> None:
        wait_until(lambda: self.names() == sorted(expected), what=f"{self.names()} is {sorted(expected)}")

    def event(self, name: str) -> Any:
        return next(event for event in self.events() if event["event_name"] == name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Running]]:
    sdk.make()
    folder = tmp_path_factory.mktemp("shop")
    site = 'consent_default = "denied"\npurchase_hold_s = 0'
    with (
        running_simulator(folder) as simulator,
        serving_shop() as shop,
        running_gateway(folder, destinations=META, site=site, origin=shop.origin, simulator=simulator) as gateway,
    ):
        shop.gateway = gateway.url
        yield shop, gateway


@pytest.fixture
def world(served: tuple[Shop, Running], browser: Any) -> Iterator[World]:
    """A visitor with a browser of their own."""
    context = browser.new_context()
    yield World(*served, context)
    context.close()


def test_a_visitor_lands_browses_adds_and_buys(world: World) -> None:
    page = world.open(CLICKED)
    page.click("#deny")
    page.wait_for_timeout(300)
    assert world.posts() == [], "nothing leaves the browser before consent"
    assert (page.evaluate("localStorage.length"), world.context.cookies()) == (0, [])
    page.click("#accept")
    page.click("#oolong")
    page.wait_for_function("!!window.gw.visitor_id")
    page.click("#add")
    added = page.evaluate("window.added")
    page.click("#buy")
    world.wait_names("PageView", "PageView", "ViewContent", "AddToCart", "Purchase")
    assert world.event("AddToCart")["event_id"] == added
    assert world.event("AddToCart")["custom_data"]["value"] == 50
    assert world.event("Purchase")["custom_data"]["value"] == 54.9
    assert world.event("PageView")["user_data"]["fbc"].endswith(".IwAR2exampleClick_aB-9"), "where they landed"
    assert world.faults == []


def test_the_visitor_cookie_is_the_servers_for_400_days_on_the_shops_own_host(world: World) -> None:
    page = world.open("/")
    page.click("#accept")
    world.wait_names("PageView")
    [cookie] = wait_until(world.context.cookies)
    assert (cookie["name"], cookie["domain"], cookie["httpOnly"]) == ("_gw_vid", "127.0.0.1", True)
    assert 399 * 86_400 < cookie["expires"] - page.evaluate("Date.now() / 1000") <= 400 * 86_400
    assert page.evaluate("gw.visitor_id()") == cookie["value"]


def test_what_waits_for_an_answer_goes_out_with_the_grant(world: World) -> None:
    page = world.open(CLICKED)
    page.evaluate("gw.track('Quiz finished')")
    page.wait_for_timeout(300)
    assert world.posts() == []
    page.click("#accept")
    world.wait_names("PageView", "Quiz finished")
    assert world.event("PageView")["user_data"]["fbc"].endswith(".IwAR2exampleClick_aB-9")


def test_navigations_of_a_single_page_application_are_page_views(world: World) -> None:
    page = world.open("/")
    page.click("#accept")
    page.click("#spa")
    page.evaluate("history.replaceState({}, '', location.href)")
    world.wait_names("PageView", "PageView")
    assert world.events()[1]["event_source_url"] == f"{world.shop.origin}/collections/green"


def test_what_happens_offline_is_sent_when_the_network_is_back(world: World) -> None:
    page = world.open("/oolong.html")
    page.click("#accept")
    world.wait_names("PageView", "ViewContent")
    world.context.set_offline(True)
    page.click("#add")
    page.wait_for_timeout(2_300)
    assert world.names() == ["PageView", "ViewContent"]
    world.context.set_offline(False)
    world.wait_names("PageView", "ViewContent", "AddToCart")
    assert world.event("AddToCart")["event_id"] == page.evaluate("window.added")
    assert world.faults == []


def test_a_tab_closed_before_anything_was_sent_loses_nothing(world: World) -> None:
    page = world.open("/oolong.html")
    page.click("#accept")
    page.click("#add")
    page.close(run_before_unload=False)
    world.wait_names("PageView", "ViewContent", "AddToCart")


def test_what_a_refused_beacon_left_behind_is_sent_by_the_next_page_once(world: World) -> None:
    page = world.open("/oolong.html")
    page.evaluate("navigator.sendBeacon = () => false")
    page.click("#accept")
    page.click("#add")
    page.close()
    world.open("/")
    world.wait_names("PageView", "ViewContent", "AddToCart", "PageView")
    assert len({event["event_id"] for event in world.events()}) == 4


def test_the_gateway_may_be_away_and_come_back(world: World) -> None:
    page = world.open("/oolong.html")
    page.route("**/i?*", lambda route: route.fulfill(status=503, headers={"retry-after": "0"}))
    page.click("#accept")
    page.wait_for_timeout(2_500)
    page.unroute("**/i?*")
    world.wait_names("PageView", "ViewContent")
    assert page.evaluate("Object.keys(localStorage).filter(name => /e[0-9a-z]{8,}$/.test(name)).length") == 0


def test_another_visitor_begins_with_a_reset(world: World) -> None:
    page = world.open("/")
    page.click("#accept")
    world.wait_names("PageView")
    before = page.evaluate("gw.visitor_id()")
    page.evaluate("gw.reset(); gw.product_viewed({id: 'TEA-250'})")
    after = page.evaluate("gw.visitor_id()")
    world.wait_names("PageView", "ViewContent")
    wait_until(lambda: [one["value"] for one in world.context.cookies()] == [after], what="the new visitor's cookie")
    assert before != after


def test_a_browser_that_forgets_what_scripts_stored_knows_its_visitor_by_the_cookie(world: World) -> None:
    page = world.open("/")
    page.click("#accept")
    world.wait_names("PageView")
    [cookie] = wait_until(world.context.cookies)
    page.evaluate("localStorage.clear()")
    page = world.open("/oolong.html")
    page.click("#accept")
    world.wait_names("PageView", "PageView", "ViewContent")
    page.wait_for_function("id => gw.visitor_id() === id", arg=cookie["value"])


def test_a_withdrawal_is_told_and_nothing_follows_it(world: World) -> None:
    page = world.open("/")
    page.click("#accept")
    world.wait_names("PageView")
    with page.expect_response("**/i/identify?*") as told:
        page.click("#deny")
    assert told.value.ok
    page.evaluate("gw.product_viewed({id: 'TEA-250'})")
    page.wait_for_timeout(300)
    assert (world.names(), page.evaluate("localStorage.length")) == (["PageView"], 0)


# --- the SDK is blocked, the shop's webhook arrives ---


@pytest.fixture(scope="module")
def shopify(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Running]]:
    """A shop where nobody need be asked, so that a webhook, which carries no consent, goes out."""
    folder = tmp_path_factory.mktemp("shopify")
    with (
        running_simulator(folder) as simulator,
        serving_shop() as shop,
        running_gateway(
            folder, destinations=META, site="purchase_hold_s = 0\n" + SOURCE, origin=shop.origin, simulator=simulator
        ) as gateway,
    ):
        shop.gateway = gateway.url
        yield shop, gateway


def test_an_order_reaches_the_platform_by_its_webhook_alone_where_the_sdk_is_blocked(
    shopify: tuple[Shop, Running], browser: Any
) -> None:
    shop, gateway = shopify
    context = browser.new_context()
    world = World(shop, gateway, context)
    context.route("**/sdk.js", lambda route: route.abort())
    page = context.new_page()
    for path in (CLICKED, "/oolong.html", "/thanks.html"):
        page.goto(shop.origin + path)
        page.wait_for_load_state()
    assert (world.posts(), world.faults) == ([], []), "the page works on without it"
    context.close()
    order = {
        "id": 1001,
        "checkout_token": "t1001",
        "created_at": datetime.now(UTC).isoformat(),
        "total_price": "54.90",
        "currency": "EUR",
        "landing_site": CLICKED,
        "note_attributes": [{"name": "gw_anonymous_id", "value": VISITOR}, {"name": "gw_fbp", "value": FBP}],
        "line_items": [{"variant_id": 7, "quantity": 2, "price": "25.00"}],
    }
    assert deliver(gateway, "orders/create", order).status_code == 200
    world.wait_names("Purchase")
    [sent] = world.events()
    assert (sent["event_id"], sent["custom_data"]["value"]) == ("purchase.t1001", 54.9)
    told = sent["user_data"]
    assert told["fbc"].endswith(".IwAR2exampleClick_aB-9"), "by the page where they landed"
    assert (told["fbp"], sha256(VISITOR.encode()).hexdigest() in told["external_id"]) == (FBP, True)


# --- a browser that caps what scripts store ---


def test_a_visitor_stays_the_same_when_a_browser_drops_script_storage_after_a_week(world: World) -> None:
    """As Safari does: what scripts stored is gone after 7 days, a cookie of the server lives."""
    page = world.open(CLICKED)
    page.evaluate("document.cookie = '_fbp=fb.1.1795168512000.1; max-age=604800; path=/'")
    page.click("#accept")
    world.wait_names("PageView")
    [own] = wait_until(lambda: [one for one in world.context.cookies() if one["name"] == "_gw_vid"])
    week_s = page.evaluate("Date.now() / 1000") + 7 * 86_400
    kept = [one for one in world.context.cookies() if one["httpOnly"] and one["expires"] > week_s]
    assert [one["name"] for one in kept] == ["_gw_vid"]
    page.close()
    _forget_scripts(world)
    page = world.open("/oolong.html")
    page.click("#accept")
    page.click("#add")
    world.wait_names("PageView", "PageView", "ViewContent", "AddToCart")
    people = {tuple(event["user_data"]["external_id"]) for event in world.events()}
    assert people == {(sha256(own["value"].encode()).hexdigest(),)}


def _forget_scripts(world: World) -> None:
    """All that scripts stored, cookies too; what the server set stays."""
    kept = [one for one in world.context.cookies() if one["httpOnly"]]
    page = world.context.new_page()
    page.route("**/*", lambda route: route.fulfill(body="a page without the SDK"))
    page.goto(world.shop.origin)
    page.evaluate("localStorage.clear()")
    page.close()
    world.context.clear_cookies()
    world.context.add_cookies([{"name": one["name"], "value": one["value"], "url": world.gateway.url} for one in kept])
