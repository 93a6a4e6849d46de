/** The canonical names, and a cart's figures made of its items. Pure. */

import type { CustomData, Item } from "./types.js";

/** Those that a browser tells of; of the others only a server knows. */
export const NAMES = (
  "page_viewed collection_viewed product_viewed search_performed product_customized promotion_clicked " +
  "wishlist_item_added cart_viewed cart_item_added cart_item_removed checkout_started contact_info_added " +
  "shipping_info_added payment_info_added purchase_placed subscription_started subscription_cancelled trial_started " +
  "lead_submitted contact_requested registration_completed login_completed newsletter_subscribed " +
  "appointment_scheduled application_submitted donation_made store_located message_clicked"
).split(" ");

const ITEM = "id name price quantity brand category variant".split(" ");
const OF_ITEMS = /^(product|cart|wishlist|checkout)_/;

/** With what the caller left out: a lone item as `items`, their number, and a cart's value. An order's value is never
 *  made up: shipping and tax belong to it. */
export function filled(name: string, data: CustomData & Item): CustomData {
  const made: CustomData = { ...data };
  if (made.id !== undefined && !made.items) {
    const item: Record<string, unknown> = {};
    for (const field of ITEM) {
      if (made[field] !== undefined) item[field] = made[field];
      delete made[field];
    }
    made.items = [item];
  }
  const items = made.items;
  if (!items?.length || !OF_ITEMS.test(name)) return made;
  made.num_items ??= sum(items, () => 1);
  const value = sum(items, (item) => Number(item.price));
  if (made.value === undefined && value >= 0) made.value = Math.round(value * 1e6) / 1e6;
  return made;
}

const sum = (items: Item[], one: (item: Item) => number): number =>
  items.reduce((total, item) => total + one(item) * (item.quantity ?? 1), 0);
