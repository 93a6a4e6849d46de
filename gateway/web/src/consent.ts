/** What each consent signal says, as the gateway's four purposes. Pure; the mappings are contracts/consent.md, section 2.
 *
 *  A signal says "granted", "denied", or "" (asked, not answered yet: wait). What it leaves out it does not speak of. */

import type { Consent, Purpose, State } from "./types.js";

export type Answer = State | "";
export type Signal = Partial<Record<Purpose, Answer>>;

type Truth = boolean | undefined;
const PURPOSES: Purpose[] = ["analytics", "marketing", "preferences", "sale_of_data"];
const state = (is_granted: Truth): State => (is_granted ? "granted" : "denied");

/** Google Consent Mode v2. A default of `denied` is no choice: the banner's update is waited for. */
export function fromGoogle(defaults: Record<string, unknown>, updates: Record<string, unknown>): Signal {
  const answer = (name: string): Answer | undefined => {
    const said = updates[name] ?? defaults[name];
    if (said === undefined) return undefined;
    return said === "granted" ? said : updates[name] ? "denied" : "";
  };
  const both = (one: string, other: string): Answer | undefined => {
    const said = [answer(one), answer(other)];
    if (said.includes("denied")) return "denied";
    if (said.includes("")) return "";
    return said[0] && said[1] ? "granted" : undefined;
  };
  const signal: Signal = {};
  put(signal, "analytics", answer("analytics_storage"));
  put(signal, "marketing", both("ad_storage", "ad_user_data"));
  put(signal, "preferences", both("functionality_storage", "personalization_storage"));
  if (answer("ad_personalization") === "denied") signal.sale_of_data = "denied";
  return signal;
}

function put(signal: Signal, purpose: Purpose, answer: Answer | undefined): void {
  if (answer !== undefined) signal[purpose] = answer;
}

export interface TcData {
  gdprApplies?: boolean;
  eventStatus?: string;
  purpose?: { consents?: Record<string, boolean> };
}

/** IAB TCF 2: used once the visitor has answered. `undefined`: this call says nothing. */
export function fromTcf(data: TcData): Signal | undefined {
  if (data.gdprApplies === false) return {};
  if (data.eventStatus !== "tcloaded" && data.eventStatus !== "useractioncomplete") return undefined;
  const consents = data.purpose?.consents ?? {};
  const all = (...purposes: number[]): State => state(purposes.every((purpose) => consents[purpose]));
  const signal: Signal = { analytics: all(1, 8, 9), marketing: all(1, 7), preferences: all(1, 11) };
  if (!consents[3] || !consents[4]) signal.sale_of_data = "denied";
  return signal;
}

/** IAB GPP, the sections as the consent platform parsed them: an opt-out of sale, of sharing or of targeted ads. */
export function fromGpp(sections: unknown): Signal {
  const said = { denied: false, granted: false };
  read(sections);
  return said.denied ? { sale_of_data: "denied" } : said.granted ? { sale_of_data: "granted" } : {};

  function read(value: unknown): void {
    if (typeof value !== "object" || !value) return;
    for (const [name, inner] of Object.entries(value)) {
      if (/^(Sale|Sharing|TargetedAdvertising)OptOut$/.test(name)) {
        said.denied ||= inner === 1;
        said.granted ||= inner === 2;
      } else if (name === "Gpc") said.denied ||= inner === true || inner === 1;
      else if (name === "uspv1") usPrivacy(typeof inner === "string" ? inner[2] : inner?.OptOutSale);
      else read(inner);
    }
  }

  function usPrivacy(flag: unknown): void {
    said.denied ||= flag === "Y";
    said.granted ||= flag === "N";
  }
}

export interface ShopifyPrivacy {
  currentVisitorConsent?(): Record<string, string>;
  analyticsProcessingAllowed?(): boolean;
  marketingAllowed?(): boolean;
  preferencesProcessingAllowed?(): boolean;
  saleOfDataAllowed?(): boolean;
}

/** Shopify's storefront: the visitor's choice, else what the shop allows in this region without one. A sale that is
 *  merely allowed is left out: it is no express grant, which alone takes back an opt-out of the browser. */
export function fromShopify(privacy: ShopifyPrivacy): Signal {
  const chosen = privacy.currentVisitorConsent?.() ?? {};
  const allowed: Record<Purpose, Truth> = {
    analytics: privacy.analyticsProcessingAllowed?.(),
    marketing: privacy.marketingAllowed?.(),
    preferences: privacy.preferencesProcessingAllowed?.(),
    sale_of_data: privacy.saleOfDataAllowed?.(),
  };
  const signal: Signal = {};
  for (const purpose of PURPOSES) {
    const choice = chosen[purpose];
    if (choice) signal[purpose] = state(choice === "yes");
    else if (purpose !== "sale_of_data") signal[purpose] = allowed[purpose] ? "granted" : "";
    else if (allowed[purpose] === false) signal[purpose] = "denied";
  }
  return signal;
}

/** The state in force. The site's own word goes first; of several signals the stricter; the default comes last; a
 *  browser that opts out (Global Privacy Control) has denied the sale whatever is said. */
export function combined(own: Consent, signals: Signal[], preset: Consent, is_opted_out: boolean): Consent {
  const result: Consent = {};
  for (const purpose of PURPOSES) {
    const said = signals.map((signal) => signal[purpose]).filter((answer) => answer !== undefined);
    const heard = said.includes("denied") ? "denied" : said.includes("") ? "" : said[0];
    const found = own[purpose] ?? heard ?? preset[purpose];
    if (found === "granted" || found === "denied") result[purpose] = found; // a page may say anything
  }
  if (is_opted_out) result.sale_of_data = "denied";
  return result;
}

/** Measuring or marketing is allowed: something may be stored and sent. */
export const allows = (consent: Consent): boolean =>
  consent.analytics === "granted" || consent.marketing === "granted";

/** Both are refused: what waited for an answer has one. */
export const refuses = (consent: Consent): boolean =>
  consent.analytics === "denied" && consent.marketing === "denied";
