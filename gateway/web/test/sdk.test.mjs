// What the SDK promises the page, on time that the test moves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DENIED, GRANTED, load, Page, pass } from "./page.mjs";

const it = (name, run) =>
  test(name, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_795_168_512_345 });
    await run(t);
  });

it("nothing is stored or sent before consent, and what waited goes out with it", async (t) => {
  const page = new Page();
  const gateway = page.start();
  const id = gateway.track("product_viewed");
  await pass(t, 10_000);
  assert.deepEqual([page.requests, page.rows, gateway.visitor_id()], [[], {}, undefined]);
  gateway.consent(GRANTED);
  await pass(t, 500);
  assert.deepEqual(page.events.map((event) => [event.event_id, event.consent]), [[id, GRANTED]]); // prettier-ignore
  assert.equal(page.events[0].occurred_at, "2026-11-20T09:55:12.345Z");
});

it("what was recorded while it was denied is gone", async (t) => {
  const page = new Page();
  const gateway = page.start();
  gateway.track("held");
  gateway.consent(DENIED);
  gateway.track("denied");
  gateway.consent(GRANTED);
  gateway.track("granted");
  await pass(t, 3_000);
  assert.deepEqual(page.events.map((event) => event.event_name), ["granted"]); // prettier-ignore
});

it("a batch leaves after two seconds, or at twenty events", async (t) => {
  const page = new Page();
  const gateway = page.start({ consent: GRANTED });
  gateway.track("one");
  gateway.track("two");
  await pass(t, 1_500);
  assert.equal(page.requests.length, 0);
  await pass(t, 1_000);
  assert.deepEqual(page.requests.map(({ body }) => body.events.length), [2]); // prettier-ignore
  for (let number = 0; number < 20; number++) gateway.track("many");
  await pass(t, 1);
  assert.equal(page.requests[1].body.events.length, 20);
});

it("a failed batch comes again later and later, under the same ids, and is forgotten when it was answered", async (t) => {
  const page = new Page();
  page.answer = (number) => ({ status: number < 4 ? 503 : 200, body: {} });
  const id = page.start({ consent: GRANTED }).track("kept");
  await pass(t, 60_000);
  assert.deepEqual(page.events.map((event) => event.event_id), [id, id, id, id]); // prettier-ignore
  assert.deepEqual(page.kept, []);
});

it("Retry-After is kept to", async (t) => {
  const page = new Page();
  page.answer = () => ({ status: 429, headers: { "retry-after": "30" } });
  page.start({ consent: GRANTED }).track("kept");
  await pass(t, 31_000);
  assert.equal(page.requests.length, 1);
  await pass(t, 3_000);
  assert.equal(page.requests.length, 2);
});

it("a refusal that is final is not repeated", async (t) => {
  const page = new Page();
  page.answer = () => ({ status: 400 });
  page.start({ consent: GRANTED }).track("bad");
  await pass(t, 60_000);
  assert.deepEqual([page.requests.length, page.kept], [1, []]);
});

it("a request that throws is a failure like any other", async (t) => {
  const page = new Page();
  page.fetch = () => Promise.reject(new TypeError("network"));
  page.start({ consent: GRANTED }).track("kept");
  await pass(t, 10_000);
  assert.equal(page.kept.length, 1);
});

it("the newest hundred are kept", async (t) => {
  const page = new Page();
  page.navigator.onLine = false;
  const gateway = page.start({ consent: GRANTED });
  const ids = Array.from({ length: 130 }, () => gateway.track("offline"));
  assert.equal(page.kept.length, 100);
  page.navigator.onLine = true;
  page.dispatch("online");
  await pass(t, 20_000);
  assert.deepEqual(page.events.map((event) => event.event_id), ids.slice(30)); // prettier-ignore
});

it("the next page sends what this one left behind, but no copy that the gateway could have forgotten", async (t) => {
  const first = new Page();
  first.answer = () => ({ status: 503 });
  const id = first.start({ consent: GRANTED }).track("left");
  await pass(t, 3_000);
  const rows = { ...first.rows };
  const second = new Page({ rows: { ...rows } });
  second.start({ consent: GRANTED });
  await pass(t, 3_000);
  assert.deepEqual(second.events.map((event) => event.event_id), [id]); // prettier-ignore
  t.mock.timers.setTime(Date.now() + 21 * 3_600_000);
  const late = new Page({ rows });
  late.start({ consent: GRANTED });
  await pass(t, 3_000);
  assert.deepEqual([late.requests, late.kept], [[], []]);
});

it("a page that goes hands what nobody sent to the browser, and keeps it", async (t) => {
  const page = new Page();
  const id = page.start({ consent: GRANTED }).track("last");
  page.dispatch("pagehide");
  assert.deepEqual(page.beacons.map(({ body }) => body.events[0].event_id), [id]); // prettier-ignore
  assert.equal(page.kept.length, 1);
});

it("a page that comes back from the browser's cache sends on; until then it is silent", async (t) => {
  const page = new Page();
  page.start({ consent: GRANTED }).track("last");
  page.dispatch("pagehide");
  page.document.visibilityState = "hidden";
  page.document.dispatch("visibilitychange");
  await pass(t, 3_000);
  assert.equal(page.requests.length, 0);
  page.dispatch("pageshow", { persisted: true });
  await pass(t, 500);
  assert.equal(page.requests.length, 1);
});

it("a tab that is hidden sends at once", async (t) => {
  const page = new Page();
  page.start({ consent: GRANTED }).track("seen");
  page.document.visibilityState = "hidden";
  page.document.dispatch("visibilitychange");
  await pass(t, 1);
  assert.equal(page.requests.length, 1);
});

it("a refusal takes back what an earlier page left, and is told once", async (t) => {
  const first = new Page();
  first.answer = () => ({ status: 503 });
  first.start({ consent: GRANTED }).track("left");
  await pass(t, 3_000);
  const page = new Page({ rows: { ...first.rows } });
  page.dataLayer = [["consent", "update", { analytics_storage: "denied", ad_storage: "denied", ad_user_data: "denied" }]];
  page.start({ consent: GRANTED });
  await pass(t, 10_000);
  assert.deepEqual(page.requests.map(({ url }) => new URL(url).pathname), ["/i/identify"]); // prettier-ignore
  assert.deepEqual(Object.keys(page.rows), []);
});

it("all requests of a new visitor name one visitor, until the gateway knows better", async (t) => {
  const page = new Page();
  const gateway = page.start({ consent: GRANTED });
  const made = gateway.visitor_id();
  gateway.track("one");
  page.dispatch("pagehide");
  page.dispatch("pageshow", { persisted: true });
  await pass(t, 3_000);
  assert.deepEqual([page.beacons[0].body.events[0], page.events[0]].map((one) => one.user_data.anonymous_id), [made, made]); // prettier-ignore
  assert.match(made, /^[0-9a-f]{32}$/);
  assert.equal(gateway.visitor_id(), "f".repeat(32));
});

it("a reset makes another visitor, whatever the cookie says, and shares no request with the one before", async (t) => {
  const page = new Page();
  const gateway = page.start({ consent: GRANTED });
  gateway.track("before");
  gateway.reset();
  gateway.track("after");
  page.answer = () => ({ status: 200, body: { visitor_id: gateway.visitor_id() } });
  await pass(t, 6_000);
  assert.deepEqual(page.requests.map(({ url }) => url.includes("new=1")), [false, true]); // prettier-ignore
});

it("who the visitor is goes alone, in its place among the events", async (t) => {
  const page = new Page();
  const gateway = page.start({ consent: GRANTED });
  gateway.track("one");
  gateway.identify("cust_7");
  gateway.track("two");
  await pass(t, 10_000);
  assert.deepEqual(page.requests.map(({ url }) => new URL(url).pathname), ["/i", "/i/identify", "/i"]); // prettier-ignore
  assert.equal(page.requests[1].body.user_data.external_id, "cust_7");
});

it("without marketing consent no click id leaves, in urls or cookies", async (t) => {
  const url = "https://shop.example.com/?utm_source=google&GCLID=Cj0&fbclid=Iw#top";
  const page = new Page({ url, referrer: url, cookie: "_fbp=fb.1.1; _ga=GA1.1.1.2; session=secret" });
  page.start({ consent: { analytics: "granted" } }).page();
  await pass(t, 3_000);
  const [request] = page.requests;
  assert.equal(request.body.cookies, "_ga=GA1.1.1.2");
  assert.equal(request.body.events[0].page.url, "https://shop.example.com/?utm_source=google#top");
  assert.doesNotMatch(JSON.stringify(request), /Cj0|Iw|secret/);
});

it("a withdrawal takes back what waits, and is told", async (t) => {
  const page = new Page();
  const gateway = page.start({ consent: GRANTED });
  gateway.track("waits");
  gateway.consent(DENIED);
  await pass(t, 3_000);
  assert.deepEqual(page.requests.map(({ url, body }) => [new URL(url).pathname, body.consent]), [["/i/identify", DENIED]]); // prettier-ignore
  assert.deepEqual(Object.keys(page.rows), []);
});

it("a landing page that had to wait for consent is told by the page after it", async (t) => {
  const referrer = "https://shop.example.com/?gclid=Cj0Example";
  const page = new Page({ url: "https://shop.example.com/oolong", referrer });
  page.start({ consent: GRANTED }).page();
  await pass(t, 3_000);
  assert.equal(page.events[0].landing_url, referrer);
});

it("Google's consent mode is heard, before and after", async (t) => {
  const page = new Page();
  page.dataLayer = [["consent", "default", { ad_storage: "denied", ad_user_data: "denied", analytics_storage: "denied" }]];
  page.start().track("held");
  await pass(t, 3_000);
  assert.equal(page.requests.length, 0);
  page.dataLayer.push(["consent", "update", { analytics_storage: "granted" }]);
  await pass(t, 3_000);
  assert.deepEqual(page.events[0].consent, { analytics: "granted" });
});

it("a consent platform that has not answered yet is waited for", async (t) => {
  const page = new Page();
  let answer;
  page.__tcfapi = (_, __, heard) => (answer = heard);
  page.start({ consent: GRANTED }).track("held");
  await pass(t, 3_000);
  assert.equal(page.requests.length, 0);
  answer({ gdprApplies: false }, true);
  await pass(t, 3_000);
  assert.equal(page.events.length, 1);
});

it("a browser that opts out has denied the sale", async (t) => {
  const page = new Page({ gpc: true });
  page.start({ consent: GRANTED }).track("any");
  await pass(t, 3_000);
  assert.equal(page.events[0].consent.sale_of_data, "denied");
});

it("blocked storage, a broken consent platform and nonsense are no errors", async (t) => {
  const page = new Page();
  Object.defineProperty(page, "localStorage", { get: () => { throw new Error("blocked"); } }); // prettier-ignore
  page.__tcfapi = () => { throw new Error("broken"); }; // prettier-ignore
  const gateway = page.start({ consent: GRANTED });
  const cyclic = {};
  cyclic.self = cyclic;
  gateway.track("cyclic", cyclic);
  gateway.consent(GRANTED);
  gateway.identify(null);
  gateway.track("fine");
  await pass(t, 3_000);
  await pass(t, 6_000);
  assert.ok(page.events.some((event) => event.event_name === "fine"));
});

const { filled } = await load("commerce");
test("a lone item becomes a cart's line, and the cart's value is made of its lines", () => {
  const item = { id: "TEA-250", price: "19.99", quantity: 3 };
  assert.deepEqual(filled("cart_item_added", { ...item, currency: "EUR" }), {
    currency: "EUR", items: [item], num_items: 3, value: 59.97,
  }); // prettier-ignore
});
test("an order's value is never made up", () => {
  assert.deepEqual(filled("purchase_placed", { items: [{ id: "1", price: 5 }] }), { items: [{ id: "1", price: 5 }] });
});
test("items without prices make no value", () => {
  assert.equal(filled("cart_viewed", { items: [{ id: "1" }] }).value, undefined);
});
