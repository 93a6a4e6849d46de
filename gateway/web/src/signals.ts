/** Listens to the page's consent platforms, those that are there and those that come until the page has loaded. */

import { fromGoogle, fromGpp, fromShopify, fromTcf, type ShopifyPrivacy, type Signal, type TcData } from "./consent.js";

/** What consent platforms put on the page. */
export interface Platforms {
  dataLayer?: unknown[];
  __tcfapi?: (command: "addEventListener", version: 2, heard: (data: TcData, ok: boolean) => void) => void;
  __gpp?: (command: "addEventListener", heard: (event: { pingData?: Ping }, ok: boolean) => void) => void;
  Shopify?: {
    customerPrivacy?: ShopifyPrivacy;
    loadFeatures?: (features: { name: string; version: string }[], done: (error: unknown) => void) => void;
  };
}

interface Ping {
  signalStatus?: string;
  parsedSections?: unknown;
}

type Page = Window & Platforms;
type Heard = (source: string, signal: Signal) => void;

const UNANSWERED: Signal = { analytics: "", marketing: "", preferences: "" };

export function listen(page: Page, heard: Heard): void {
  const attached: Record<string, unknown> = {};
  const once = (source: string, api: unknown, attach: () => void): void => {
    if (!api || attached[source]) return;
    attached[source] = true;
    try {
      attach();
    } catch {
      // a consent platform that fails has said nothing
    }
  };
  const look = (): void => {
    once("tcf", page.__tcfapi, () => listenToTcf(page, heard));
    once("gpp", page.__gpp, () => listenToGpp(page, heard));
    once("shopify", page.Shopify, () => listenToShopify(page, heard));
  };
  listenToGoogle(page, heard);
  look();
  page.document.addEventListener("DOMContentLoaded", look);
  page.addEventListener("load", look);
}

/** `gtag("consent", "default" | "update", {…})`, which is an entry of the data layer. */
function listenToGoogle(page: Page, heard: Heard): void {
  const defaults = {};
  const updates = {};
  const layer = (page.dataLayer ??= []);
  const read = (entry: unknown): void => {
    const said = entry as (ArrayLike<unknown> & { gw?: unknown }) | undefined;
    if (said?.[0] !== "consent" || said.gw) return; // `gw`: the tag loader's own word, which is what was heard here
    if (said[1] === "default") Object.assign(defaults, said[2]);
    else if (said[1] === "update") Object.assign(updates, said[2]);
    else return;
    heard("google", fromGoogle(defaults, updates));
  };
  layer.forEach(read);
  const push = layer.push;
  layer.push = function (...entries: unknown[]): number {
    const length = push.apply(layer, entries);
    entries.forEach(read);
    return length;
  };
}

function listenToTcf(page: Page, heard: Heard): void {
  heard("tcf", UNANSWERED);
  page.__tcfapi!("addEventListener", 2, (data, ok) => {
    const signal = ok ? fromTcf(data) : undefined;
    if (signal) heard("tcf", signal);
  });
}

function listenToGpp(page: Page, heard: Heard): void {
  page.__gpp!("addEventListener", (event, ok) => {
    const ping = event?.pingData;
    if (ok && ping?.parsedSections && ping.signalStatus !== "not ready") heard("gpp", fromGpp(ping.parsedSections));
  });
}

function listenToShopify(page: Page, heard: Heard): void {
  const shop = page.Shopify!;
  const read = (): void => {
    if (shop.customerPrivacy) heard("shopify", fromShopify(shop.customerPrivacy));
  };
  heard("shopify", UNANSWERED);
  page.document.addEventListener("visitorConsentCollected", read);
  if (shop.customerPrivacy) read();
  else shop.loadFeatures?.([{ name: "consent-tracking-api", version: "0.1" }], (error) => error || read());
}
