// Shopify's pixel: what it forwards, and when not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./page.mjs";

const { forward } = await load("pixel");
const settled = () => new Promise((done) => setImmediate(() => setImmediate(done)));

function pixel({ privacy = { analyticsProcessingAllowed: true, marketingAllowed: true }, statuses = [200] } = {}) {
  const world = { sent: [], publish: {} };
  globalThis.fetch = async (url, { body, credentials }) => {
    world.sent.push({ url, credentials, body: JSON.parse(body) });
    return { status: statuses[world.sent.length - 1] ?? 200 };
  };
  const api = {
    analytics: { subscribe: (name, heard) => (world.publish[name] = heard) },
    browser: { cookie: { get: async (name) => ({ _fbp: "fb.1.2.3", _ga: "GA1.1.1.2" })[name] ?? "" } },
    init: { data: { shop: { myshopifyDomain: "example.myshopify.com" }, customer: { id: "7" } }, customerPrivacy: privacy },
    customerPrivacy: { subscribe: (_, heard) => (world.choose = heard) },
  };
  forward(api, { endpoint: "https://events.example.com/", key: "pk" });
  return world;
}

test("an event goes unchanged, with key, shop, consent, customer and cookies", async () => {
  const world = pixel();
  world.publish.all_standard_events({ name: "page_viewed", id: "sh-1" });
  await settled();
  assert.deepEqual(world.sent, [{
    url: "https://events.example.com/i/shopify",
    credentials: "omit",
    body: {
      key: "pk", shop: "example.myshopify.com", event: { name: "page_viewed", id: "sh-1" },
      customer_privacy: { analyticsProcessingAllowed: true, marketingAllowed: true },
      customer: { id: "7" }, cookies: { _ga: "GA1.1.1.2", _fbp: "fb.1.2.3" },
    },
  }]); // prettier-ignore
});

test("nothing goes before consent, and the newest choice counts", async () => {
  const world = pixel({ privacy: { analyticsProcessingAllowed: false, marketingAllowed: false } });
  world.publish.all_standard_events({ name: "page_viewed" });
  world.choose({ customerPrivacy: { analyticsProcessingAllowed: true, marketingAllowed: false } });
  world.publish.all_custom_events({ name: "quiz" });
  await settled();
  assert.deepEqual(world.sent.map(({ body }) => [body.event.name, body.customer, body.cookies]), [
    ["quiz", null, { _ga: "GA1.1.1.2" }],
  ]); // prettier-ignore
});

test("a choice that takes something back is told of the visitor of whom something was told, once", async () => {
  const world = pixel();
  const denied = { analyticsProcessingAllowed: false, marketingAllowed: false };
  world.publish.all_standard_events({ name: "page_viewed", clientId: "c1" });
  world.choose({ customerPrivacy: denied });
  world.choose({ customerPrivacy: denied });
  await settled();
  const { event, customer_privacy, customer, cookies } = world.sent[1].body;
  assert.deepEqual(event, { name: "visitorConsentCollected", type: "consent", clientId: "c1" });
  assert.deepEqual([customer_privacy, customer, cookies, world.sent.length], [denied, null, {}, 2]);
  const silent = pixel();
  silent.choose({ customerPrivacy: denied });
  await settled();
  assert.deepEqual(silent.sent, []);
});

test("the checkout's typed text is not listened to", () => {
  assert.deepEqual(Object.keys(pixel().publish), ["all_standard_events", "all_custom_events"]);
});

test("what could not be taken is sent again, what was refused is not", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const busy = pixel({ statuses: [503, 200] });
  busy.publish.all_standard_events({ name: "page_viewed", id: "sh-1" });
  await settled();
  t.mock.timers.tick(1_000);
  await settled();
  assert.deepEqual(busy.sent.map(({ body }) => body.event.id), ["sh-1", "sh-1"]); // prettier-ignore
  const refused = pixel({ statuses: [403] });
  refused.publish.all_standard_events({ name: "page_viewed" });
  await settled();
  t.mock.timers.tick(60_000);
  await settled();
  assert.equal(refused.sent.length, 1);
});
