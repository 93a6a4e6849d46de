// What the tag loader does with the site's browser tags: when it loads them, and what it hands them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DENIED, GRANTED, load, Page } from "./page.mjs";

const { createGateway } = await load("index");
const { createTag } = await load("tag");
const NAMES = { page_viewed: "PageView", purchase_placed: "Purchase", cart_item_added: "AddToCart", order_refunded: null };
const GOOGLE = { names: { purchase_placed: "purchase", cart_item_added: "add_to_cart" }, separators: "[ -]+" };
const ORDER = { order_id: "1001", value: 54.9, currency: "eur", items: [{ id: "TEA-250", price: 25, quantity: 2 }] };

class TagPage extends Page {
  inserted = []; // scripts, oldest first
  CustomEvent = CustomEvent;

  constructor(data, nonce = "n0nce") {
    super();
    this.document.createElement = () => ({});
    this.document.head = { appendChild: (script) => this.inserted.push(script) };
    const watch = createTag(this, { aliases: { ordercompleted: "purchase_placed" }, snippets: [], ...data }, nonce);
    this.gw = createGateway(this, { key: "pk", endpoint: "https://events.example.com", pages: false }, {}, watch);
  }

  dispatchEvent(event) {
    this.dispatch(event.type, event);
  }

  removeEventListener(name, listener) {
    this.listeners[name] = this.listeners[name].filter((one) => one !== listener);
  }

  /** What Meta's pixel was told, of events only. */
  get tracked() {
    return this.fbq.queue.filter(([call]) => call.startsWith("track"));
  }
}

/** A layer's commands and objects, as they were pushed. */
const plain = (layer) => layer.map((entry) => (entry.length === undefined ? entry : Array.from(entry)));

test("a tag is loaded with its grant, with the loader's nonce, and hears what waited under the ids it has here", () => {
  const page = new TagPage({ meta: { id: "123456", names: NAMES } });
  const id = page.gw.purchase_placed(ORDER);
  page.gw.consent({ analytics: "granted" });
  assert.deepEqual(page.inserted, []);
  page.gw.consent({ marketing: "granted" });
  assert.deepEqual(page.inserted.map(({ src, nonce }) => [src, nonce]), [
    ["https://connect.facebook.net/en_US/fbevents.js", "n0nce"],
  ]); // prettier-ignore
  assert.deepEqual(page.tracked, [
    ["trackSingle", "123456", "Purchase", {
      value: 54.9, currency: "EUR", order_id: "1001", content_type: "product", content_ids: ["TEA-250"],
      contents: [{ id: "TEA-250", quantity: 2, item_price: 25 }],
    }, { eventID: id }],
  ]); // prettier-ignore
});

test("nothing is loaded after a denial, and what was recorded before it reaches no tag with a later grant", () => {
  const page = new TagPage({ meta: { id: "123456", names: NAMES }, snippets: [{ id: "own", needs: ["marketing"], script: "1" }] });
  page.gw.track("held");
  page.gw.consent(DENIED);
  page.gw.track("denied");
  assert.deepEqual([page.inserted, page.fbq], [[], undefined]);
  page.gw.consent(GRANTED);
  assert.deepEqual(page.tracked, []);
});

test("a withdrawal is told to the tag, which hears nothing more until a grant", () => {
  const page = new TagPage({ meta: { id: "123456", names: NAMES } });
  page.gw.consent(GRANTED);
  page.gw.consent({ marketing: "denied" });
  page.gw.purchase_placed(ORDER);
  assert.deepEqual([page.fbq.queue.at(-1), page.tracked], [["consent", "revoke"], []]);
  page.gw.consent({ marketing: "granted" });
  page.gw.track("again");
  assert.deepEqual(page.tracked.map((call) => call.slice(0, 3)), [["trackSingleCustom", "123456", "again"]]); // prettier-ignore
  assert.equal(page.inserted.length, 1);
});

test("another system's name for an event is read as the gateway reads it, and what a platform has no event for stays", () => {
  const page = new TagPage({ meta: { id: "123456", names: NAMES } });
  page.gw.consent(GRANTED);
  page.gw.track("Order Completed", ORDER);
  page.gw.track("order_refunded");
  page.gw.track("constructor");
  page.gw.identify("cust_7");
  assert.deepEqual(page.tracked.map((call) => call[2]), ["Purchase", "constructor"]); // prettier-ignore
});

test("who opted out of the sale of data is told to Meta before anything counts", () => {
  const page = new TagPage({ meta: { id: "123456", names: NAMES } });
  page.gw.consent({ ...GRANTED, sale_of_data: "denied" });
  assert.deepEqual(page.fbq.queue[0], ["dataProcessingOptions", ["LDU"], 0, 0]);
});

test("a property that the gateway sends to as well is handed only what GA4 counts once", () => {
  const tag = (id, once) => ({ id, once, needs: ["analytics"], value: "items" });
  const page = new TagPage({ gtag: { ...GOOGLE, tags: [tag("G-BOTH", true), tag("G-BROWSER", false)] } });
  page.gw.consent({ analytics: "granted" });
  page.gw.cart_item_added({ id: "TEA-250", price: 25 });
  const id = page.gw.purchase_placed(ORDER);
  const events = plain(page.gwLayer).filter(([command]) => command === "event");
  assert.deepEqual(events.map(([, name, { send_to }]) => [name, send_to]), [
    ["add_to_cart", "G-BROWSER"], ["purchase", "G-BOTH"], ["purchase", "G-BROWSER"],
  ]); // prettier-ignore
  assert.deepEqual(events[1][2], {
    transaction_id: "1001", currency: "EUR", value: 50, items: [{ item_id: "TEA-250", price: 25, quantity: 2 }],
    event_id: id, send_to: "G-BOTH",
  }); // prettier-ignore
  assert.equal(page.inserted.length, 1, "gtag.js is loaded once");
});

test("Google's tags are told the consent that is in force, and the SDK does not take that for the page's word", () => {
  const page = new TagPage({ gtm: { ...GOOGLE, id: "GTM-ABC1234", needs: ["analytics"] } });
  page.gw.consent({ analytics: "granted" });
  const said = plain(page.dataLayer)[0];
  assert.deepEqual([said[0], said[1], said[2].analytics_storage, said[2].ad_storage], ["consent", "update", "granted", "denied"]);
  page.gw.consent({ analytics: "denied" });
  page.gw.consent({ analytics: "granted" });
  assert.equal(plain(page.dataLayer).at(-1)[2].analytics_storage, "granted");
});

test("a container hears events as GA4's e-commerce, with their ids", () => {
  const page = new TagPage({ gtm: { ...GOOGLE, id: "GTM-ABC1234", needs: ["analytics"] } });
  page.gw.consent(GRANTED);
  const event_id = page.gw.purchase_placed(ORDER);
  const [cleared, pushed] = page.dataLayer.slice(-2);
  assert.deepEqual([cleared, pushed.event, pushed.event_id], [{ ecommerce: null }, "purchase", event_id]);
  assert.equal(pushed.ecommerce.transaction_id, "1001");
  page.gw.track("Quiz finished");
  assert.equal(page.dataLayer.at(-1).event, "Quiz_finished");
});

test("a snippet is run with its grant, and hears of events under its platform's names", () => {
  const script = "window.mine = 1";
  const page = new TagPage({ snippets: [{ id: "tiktok", needs: ["marketing", "sale_of_data"], script, names: NAMES }] });
  const heard = [];
  page.addEventListener("gw:tiktok", ({ detail }) => heard.push([detail.name, detail.event_id]));
  page.gw.consent(GRANTED);
  const id = page.gw.purchase_placed(ORDER);
  page.gw.track("order_refunded");
  assert.deepEqual(page.inserted, [{ text: "try{\nwindow.mine = 1\n}catch{}", nonce: "n0nce" }]);
  assert.deepEqual(heard, [["Purchase", id]]);
});

test("one tag's trouble is no other's and never the page's", () => {
  const data = { meta: { id: "123456", names: NAMES }, snippets: [{ id: "own", needs: ["analytics"], script: "1" }] };
  const page = new TagPage(data);
  page.fbq = () => {
    throw new Error("not mine");
  };
  page.gw.consent(GRANTED);
  assert.notEqual(page.gw.purchase_placed(ORDER), "");
  assert.equal(page.inserted.length, 1);
});
