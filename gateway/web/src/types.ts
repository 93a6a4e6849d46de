/** What a page sees of the SDK: its calls, and the records it is given. Field names are those of the gateway's events. */

export type State = "granted" | "denied";
export type Purpose = "analytics" | "marketing" | "preferences" | "sale_of_data";
export type Consent = Partial<Record<Purpose, State>>;

export interface Item {
  id?: string | number;
  name?: string;
  /** One unit's price after its own discount. */
  price?: number | string;
  quantity?: number;
  brand?: string;
  category?: string;
  variant?: string;
  discount?: number | string;
}

export interface CustomData {
  /** What the buyer pays for the whole order, tax and shipping included. */
  value?: number | string;
  /** ISO 4217. */
  currency?: string;
  order_id?: string | number;
  checkout_token?: string;
  items?: Item[];
  num_items?: number;
  shipping?: number | string;
  tax?: number | string;
  discount?: number | string;
  coupon?: string;
  search_term?: string;
  customer_type?: "new" | "returning";
  /** Any further property, as JSON. */
  [property: string]: unknown;
}

export interface UserData {
  email?: string;
  phone?: string;
  first_name?: string;
  last_name?: string;
  street?: string;
  city?: string;
  region?: string;
  postal_code?: string;
  country?: string;
  date_of_birth?: string;
  gender?: string;
  /** The shop's own id of the customer. */
  external_id?: string | number;
  [identifier: string]: unknown;
}

export interface Page {
  url?: string;
  path?: string;
  referrer?: string;
  title?: string;
}

/** What the SDK would make by itself. */
export interface Given {
  event_id?: string;
  page?: Page;
  user_data?: UserData;
}

export interface Options {
  /** The site's public key. */
  key: string;
  /** The gateway's address; `https://events.shop.example.com`. */
  endpoint: string;
  /** Automatic page views: the first, and one with each navigation of a single-page application. Default true. */
  pages?: boolean;
  /** What a purpose counts as that nobody and nothing has answered. Default: unknown, so that all waits. */
  consent?: Consent;
}

export type BrowserName =
  | "page_viewed" | "collection_viewed" | "product_viewed" | "search_performed" | "product_customized"
  | "promotion_clicked" | "wishlist_item_added" | "cart_viewed" | "cart_item_added" | "cart_item_removed"
  | "checkout_started" | "contact_info_added" | "shipping_info_added" | "payment_info_added" | "purchase_placed"
  | "subscription_started" | "subscription_cancelled" | "trial_started" | "lead_submitted" | "contact_requested" | "registration_completed"
  | "login_completed" | "newsletter_subscribed" | "appointment_scheduled" | "application_submitted"
  | "donation_made" | "store_located" | "message_clicked";

/** One call for each canonical name that a browser tells of: `purchase_placed({order_id, value, currency, items})`. A lone item's fields may
 *  stand beside each other; a cart's `value` and `num_items` are made of its items. */
export type Helpers = Record<BrowserName, (data?: CustomData & Item, given?: Given) => string>;

export interface Gateway extends Helpers {
  /** Records an event. Gives its `event_id`, to be shared with a browser pixel. */
  track(name: string, data?: CustomData, given?: Given): string;
  /** Records a page view; for pages that switched the automatic ones off. */
  page(data?: CustomData, given?: Given): string;
  /** Says who the visitor is: the shop's customer id, or identifiers. They become digests in the gateway. */
  identify(user: string | number | UserData): string;
  /** The site's own word on consent. Purposes that are not named stay. It goes before every other signal. */
  consent(state: Consent): void;
  /** After a logout: another visitor from here on. */
  reset(): void;
  /** Calls back with the SDK once it runs. */
  ready(callback: (gateway: Gateway) => void): void;
  /** The visitor's id where consent allows one; for cart attributes. */
  visitor_id(): string | undefined;
}
