"""The tag loader in a real browser: what it loads when, and that a pixel hears what the platform gets."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

from build_hook import sdk
from tests.e2e.shop_server import Shop, serving_shop
from tests.support.running import META, PUBLIC_KEY, Running, running_gateway, running_simulator, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
TAG = """
[sites.tag]
meta_pixel_id = "1234567890"

[[sites.tag.snippets]]
id = "own"
consent = ["analytics"]
script = "window.heard = []; addEventListener('gw:own', e => heard.push(e.detail.event_id)); nowhere()"

[[sites.tag.snippets]]
id = "broken"
consent = ["analytics"]
script = "this is no JavaScript"
"""
# Stands for Meta's script: what was called before it came is in the queue, what comes after it is called.
PIXEL = "window.told = fbq.queue.slice(); fbq.callMethod = (...given) => told.push(given)"
PAGE = f"""<!doctype html>
<title>Teas</title>
<script nonce="n0nce">window.errors = []; onerror = text => errors.push(text)</script>
<script async nonce="n0nce" src="{{gateway}}/tag.js?k={PUBLIC_KEY}" data-pages="off"></script>
"""
POLICY = "script-src 'nonce-n0nce'; default-src 'none'; connect-src *"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Running]]:
    sdk.make()
    folder = tmp_path_factory.mktemp("tag-page")
    with (
        running_simulator(folder) as simulator,
        serving_shop() as shop,
        running_gateway(
            folder,
            destinations=META + TAG,
            site='consent_default = "denied"\npurchase_hold_s = 0',
            origin=shop.origin,
            simulator=simulator,
        ) as gateway,
    ):
        shop.page, shop.policy = PAGE.replace("{gateway}", gateway.url), POLICY
        yield shop, gateway


class World:
    """A page under a content security policy; nothing that it asks for leaves the machine."""

    def __init__(self, shop: Shop, gateway: Running, context: BrowserContext) -> None:
        self.gateway, self.context = gateway, context
        self.pixels: list[str] = []
        self.faults: list[str] = []
        context.route(re.compile("^https://"), self._pixel)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        self.page: Page = context.new_page()
        self.page.goto(shop.origin + "/")
        self.wait("!!(window.gw && gw.visitor_id)")

    def wait(self, condition: str) -> None:
        """Playwright's own waiting evaluates text within the page, which its policy refuses."""
        wait_until(lambda: self.page.evaluate(condition), what=condition)

    def _pixel(self, route: Route) -> None:
        self.pixels.append(route.request.url)
        route.fulfill(body=PIXEL, content_type="text/javascript")


@pytest.fixture
def world(served: tuple[Shop, Running], browser: Any) -> Iterator[World]:
    context = browser.new_context()
    yield World(*served, context)
    context.close()


def test_the_pixels_copy_and_the_servers_have_one_name_and_one_id(world: World) -> None:
    page = world.page
    order = "gw.purchase_placed({order_id: '1001', value: 54.9, currency: 'EUR', items: [{id: 'TEA-250', price: 25}]})"
    event_id = page.evaluate(order)
    assert world.pixels == [], "nothing is loaded before consent"
    page.evaluate("gw.consent({analytics: 'granted', marketing: 'granted'})")
    world.wait("!!window.told")
    [tracked] = [call for call in page.evaluate("told") if call[0].startswith("track")]
    taken = wait_until(lambda: [one["event"] for one in world.gateway.accepted("meta")])
    copy = next(one for one in taken if one["event_id"] == event_id)
    assert tracked == ["trackSingle", "1234567890", copy["event_name"], tracked[3], {"eventID": event_id}]
    assert {**copy["custom_data"], **tracked[3]} == copy["custom_data"], "nothing that the server would not say"


def test_a_denial_loads_nothing_and_a_partial_grant_only_its_own(world: World) -> None:
    page = world.page
    page.evaluate("gw.consent({analytics: 'granted', marketing: 'denied'})")
    event_id = page.evaluate("gw.track('Quiz finished')")
    world.wait("!!window.heard")
    assert page.evaluate("heard") == [event_id]
    assert (world.pixels, page.evaluate("'fbq' in window")) == ([], False)


def test_what_a_snippet_raises_does_not_reach_the_page(world: World) -> None:
    page = world.page
    page.evaluate("gw.consent({analytics: 'granted', marketing: 'granted'})")
    world.wait("!!window.heard && !!window.told")
    assert (page.evaluate("errors"), world.faults) == ([], [])
