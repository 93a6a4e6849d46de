// What each signal says: the tables of contracts/consent.md, section 2.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./page.mjs";

const { combined, fromGoogle, fromGpp, fromShopify, fromTcf } = await load("consent");

const google = [
  ["an update decides", {}, { analytics_storage: "granted" }, { analytics: "granted" }],
  ["a default of denied waits", { analytics_storage: "denied" }, {}, { analytics: "" }],
  ["a default of granted counts", { analytics_storage: "granted" }, {}, { analytics: "granted" }],
  ["one of marketing's two is not enough", {}, { ad_storage: "granted" }, {}],
  ["both are", {}, { ad_storage: "granted", ad_user_data: "granted" }, { marketing: "granted" }],
  ["either denies", {}, { ad_storage: "granted", ad_user_data: "denied" }, { marketing: "denied" }],
  ["personalisation denied is the sale denied", {}, { ad_personalization: "denied" }, { sale_of_data: "denied" }],
  ["personalisation granted says nothing", {}, { ad_personalization: "granted" }, {}],
];
for (const [name, defaults, updates, expected] of google)
  test(`Google: ${name}`, () => assert.deepEqual(fromGoogle(defaults, updates), expected));

const consents = (...purposes) => Object.fromEntries(purposes.map((purpose) => [purpose, true]));
const tcf = [
  ["before the choice it says nothing", { eventStatus: "cmpuishown" }, undefined],
  ["outside its reach others decide", { gdprApplies: false }, {}],
  ["1, 7 is marketing without the sale", { eventStatus: "tcloaded", purpose: { consents: consents(1, 7) } },
    { analytics: "denied", marketing: "granted", preferences: "denied", sale_of_data: "denied" }],
  ["all is all", { eventStatus: "useractioncomplete", purpose: { consents: consents(1, 3, 4, 7, 8, 9, 11) } },
    { analytics: "granted", marketing: "granted", preferences: "granted" }],
]; // prettier-ignore
for (const [name, data, expected] of tcf) test(`TCF: ${name}`, () => assert.deepEqual(fromTcf(data), expected));

const gpp = [
  ["a section's opt-out", { usca: [{ SaleOptOut: 1, SharingOptOut: 2 }] }, { sale_of_data: "denied" }],
  ["none opted out", { usnat: { SaleOptOut: 2, TargetedAdvertisingOptOut: 0 } }, { sale_of_data: "granted" }],
  ["not applicable", { usva: { SaleOptOut: 0 } }, {}],
  ["its global privacy control", { usca: [{ SaleOptOut: 2 }, { Gpc: true }] }, { sale_of_data: "denied" }],
  ["US privacy", { uspv1: "1YYN" }, { sale_of_data: "denied" }],
  ["US privacy, not applicable", { uspv1: "1---" }, {}],
];
for (const [name, sections, expected] of gpp) test(`GPP: ${name}`, () => assert.deepEqual(fromGpp(sections), expected));

test("Shopify: the choice goes before what the region allows, and no choice where one is needed waits", () => {
  const privacy = {
    currentVisitorConsent: () => ({ analytics: "yes", marketing: "", preferences: "no", sale_of_data: "" }),
    analyticsProcessingAllowed: () => true,
    marketingAllowed: () => false,
    preferencesProcessingAllowed: () => false,
    saleOfDataAllowed: () => false,
  };
  const expected = { analytics: "granted", marketing: "", preferences: "denied", sale_of_data: "denied" };
  assert.deepEqual(fromShopify(privacy), expected);
});

test("Shopify: a sale that is merely allowed is no grant, one that was chosen is", () => {
  const saleOfDataAllowed = () => true;
  assert.equal(fromShopify({ saleOfDataAllowed }).sale_of_data, undefined);
  const currentVisitorConsent = () => ({ sale_of_data: "yes" });
  assert.equal(fromShopify({ saleOfDataAllowed, currentVisitorConsent }).sale_of_data, "granted");
});

test("the site's own word goes first, then the stricter signal, then the preset; a browser's opt-out stays", () => {
  const signals = [{ analytics: "granted", marketing: "" }, { analytics: "denied", sale_of_data: "granted" }];
  const preset = { marketing: "granted", preferences: "granted" };
  assert.deepEqual(combined({}, signals, preset, true), {
    analytics: "denied", preferences: "granted", sale_of_data: "denied",
  }); // prettier-ignore
  assert.equal(combined({ analytics: "granted" }, signals, preset, false).analytics, "granted");
});

test("what is neither granted nor denied is not said", () => {
  assert.deepEqual(combined({ analytics: true, marketing: "yes" }, [], { preferences: "granted" }, false), {
    preferences: "granted",
  }); // prettier-ignore
});
