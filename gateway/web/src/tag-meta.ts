/** Meta's pixel. Its copy of an event has the gateway's name and event id, by which Meta counts the two once
 *  (contracts/meta.md, section 8). */

import type { Recorded } from "./sdk.js";
import { amount, insert, itemsOf, type Names, nameOf, type Part, present, type TagPage, text } from "./tag-part.js";
import type { Consent } from "./types.js";

const SCRIPT = "https://connect.facebook.net/en_US/fbevents.js";

export interface MetaData {
  id: string;
  names: Names;
}

export function metaPixel(w: TagPage, { id, names }: MetaData, nonce: string | undefined): Part {
  const call = (...given: unknown[]): void => w.fbq(...given);
  const limit = (state: Consent): void =>
    state.sale_of_data === "denied" ? call("dataProcessingOptions", ["LDU"], 0, 0) : call("dataProcessingOptions", []);
  return {
    needs: ["marketing"],
    load(state) {
      if (!w.fbq) begin(w, nonce);
      limit(state); // before `init`, which would count already
      call("set", "autoConfig", false, id); // what a visitor clicks and types is nobody's
      call("init", id);
    },
    event(event) {
      const name = nameOf(names, event.event_name);
      if (name === null) return;
      // A standard name is one that is not the gateway's own. Only to this pixel: the page may have others.
      const method = name === event.event_name ? "trackSingleCustom" : "trackSingle";
      call(method, id, name, parametersOf(event), { eventID: event.event_id });
    },
    consent(state, is_granted) {
      limit(state);
      call("consent", is_granted ? "grant" : "revoke");
    },
  };
}

/** Meta's own base code, without the parts for old browsers. */
function begin(w: TagPage, nonce: string | undefined): void {
  const fbq: any = (...given: unknown[]) => (fbq.callMethod ? fbq.callMethod(...given) : fbq.queue.push(given));
  Object.assign(fbq, { push: fbq, loaded: true, version: "2.0", queue: [] });
  fbq.disablePushState = true; // page views come from the SDK, each with its event id
  fbq.allowDuplicatePageViews = true;
  w.fbq = w._fbq = fbq;
  insert(w, nonce, { src: SCRIPT });
}

/** Those of the adapter's fields that a page tells of. */
function parametersOf({ custom_data: data = {} }: Recorded): object {
  const items = itemsOf(data).filter((item) => text(item.id));
  return present({
    value: amount(data.value),
    currency: text(data.currency)?.toUpperCase(),
    order_id: text(data.order_id),
    content_type: items.length ? "product" : undefined,
    content_ids: items.map((item) => text(item.id)),
    contents: items.map((item) => present({ id: text(item.id), quantity: item.quantity ?? 1, item_price: amount(item.price) })),
    content_name: text(data.content_name),
    content_category: text(data.content_category),
    num_items: amount(data.num_items),
    search_string: text(data.search_term),
  });
}
