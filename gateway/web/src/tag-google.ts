/** Google's tags: gtag.js and a Tag Manager container. Both take GA4's names, and consent as Consent Mode has it
 *  (contracts/consent.md, section 2.1). GA4 knows no event id: it counts a purchase once by its `transaction_id`, and
 *  anything else that browser and server both send twice (contracts/ga4.md, section 8). */

import type { Recorded } from "./sdk.js";
import { amount, insert, itemsOf, type Names, nameOf, type Part, present, type TagPage, text } from "./tag-part.js";
import type { Consent, CustomData, Purpose, State } from "./types.js";

const HOST = "https://www.googletagmanager.com";
const LAYER = "gwLayer"; // of its own: a container takes the commands of the common layer for its own events
const ID_CHARS = 100; // of a parameter

/** `separators`: what becomes `_` in a custom name, a pattern. */
interface GoogleNames {
  names: Names;
  separators: string;
}

export interface GtagData extends GoogleNames {
  tags: GtagId[];
}

/** `once`: the gateway sends this property its events too, so that only what GA4 counts once may go. `value`: whether an
 *  event is worth its items or what is paid, as the gateway's copy has it. */
export interface GtagId {
  id: string;
  needs: Purpose[];
  once: boolean;
  value: "items" | "order";
}

export interface GtmData extends GoogleNames {
  id: string;
  needs: Purpose[];
}

/** One part for each id; the script is loaded with the first. */
export function gtags(w: TagPage, data: GtagData, nonce: string | undefined): Part[] {
  let is_begun = false;
  const command = commandOf((w[LAYER] ??= []) as unknown[]);
  return data.tags.map((tag) => ({
    needs: tag.needs,
    load(state) {
      command("consent", "update", modesOf(state));
      if (!is_begun) command("js", new Date());
      command("config", tag.id, { send_page_view: false });
      if (!is_begun) insert(w, nonce, { src: `${HOST}/gtag/js?id=${tag.id}&l=${LAYER}` });
      is_begun = true;
    },
    event(event) {
      const name = googleName(data, event.event_name);
      if (name === null || (tag.once && name !== "purchase")) return;
      command("event", name, { ...parametersOf(event, name, tag.value), event_id: event.event_id, send_to: tag.id });
    },
    consent: (state) => command("consent", "update", modesOf(state)),
  }));
}

/** A container hears the events in the common layer, in the form of GA4's e-commerce. */
export function gtm(w: TagPage, data: GtmData, nonce: string | undefined): Part {
  const layer = (w.dataLayer ??= []) as unknown[];
  const command = commandOf(layer);
  return {
    needs: data.needs,
    load(state) {
      command("consent", "update", modesOf(state));
      layer.push({ "gtm.start": Date.now(), event: "gtm.js" });
      insert(w, nonce, { src: `${HOST}/gtm.js?id=${data.id}` });
    },
    event(event) {
      const name = googleName(data, event.event_name);
      if (name === null) return;
      layer.push({ ecommerce: null }); // a container adds to what was pushed before
      layer.push({ event: name, event_id: event.event_id, ecommerce: parametersOf(event, name, "order") });
    },
    consent: (state) => command("consent", "update", modesOf(state)),
  };
}

/** `gtag()`, which puts its arguments on a layer; marked, so that the SDK does not hear its own state as a signal. */
function commandOf(layer: unknown[]): (...given: unknown[]) => void {
  return function () {
    const said = arguments; // Google tells commands from events by this very object
    (said as unknown as { gw: boolean }).gw = true;
    layer.push(said);
  };
}

/** What nobody has allowed is denied: without a word Google takes all for granted. */
function modesOf(state: Consent): Record<string, State> {
  const is = (truth: boolean): State => (truth ? "granted" : "denied");
  const marketing = state.marketing === "granted";
  const preferences = is(state.preferences === "granted");
  return {
    analytics_storage: is(state.analytics === "granted"),
    ad_storage: is(marketing),
    ad_user_data: is(marketing),
    ad_personalization: is(marketing && state.sale_of_data !== "denied"),
    functionality_storage: preferences,
    personalization_storage: preferences,
  };
}

function googleName({ names, separators }: GoogleNames, name: string): string | null {
  const known = nameOf(names, name);
  return known === null ? null : known.replace(new RegExp(separators, "g"), "_");
}

function parametersOf({ event_id, custom_data: data = {} }: Recorded, name: string, worth: "items" | "order"): object {
  const currency = text(data.currency)?.toUpperCase();
  const value = (worth === "items" && name !== "refund" ? itemsValue(data) : undefined) ?? amount(data.value);
  const is_purchase = name === "purchase";
  return present({
    transaction_id: text(data.order_id) ?? (is_purchase && event_id.length <= ID_CHARS ? event_id : undefined),
    ...(currency && { currency, value, shipping: amount(data.shipping), tax: amount(data.tax) }),
    coupon: text(data.coupon),
    search_term: text(data.search_term),
    item_list_name: name === "view_item_list" ? text(data.content_name) : undefined,
    items: itemsOf(data).map((item) =>
      present({
        item_id: text(item.id),
        item_name: text(item.name),
        item_brand: text(item.brand),
        item_category: text(item.category),
        item_variant: text(item.variant),
        price: amount(item.price),
        discount: amount(item.discount),
        quantity: item.quantity,
      }),
    ),
  });
}

/** The items' revenue after the order's discount; nothing where an item has no price or nothing has a value. */
function itemsValue(data: CustomData): number | undefined {
  const items = itemsOf(data);
  if (!items.length || amount(data.value) === undefined) return undefined;
  let total = -(amount(data.discount) ?? 0);
  for (const item of items) total += (amount(item.price) ?? NaN) * (item.quantity ?? 1);
  return total >= 0 ? Math.round(total * 1e6) / 1e6 : undefined;
}
