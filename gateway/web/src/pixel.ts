/** Shopify's web pixel: forwards what the shop and its checkout publish, unchanged, with the consent of that moment.
 *
 *  Runs in the strict sandbox (an app's pixel) and in the lax one (a custom pixel). The gateway makes events of it, so an
 *  installed pixel need not change when the mapping does. */

type Privacy = Partial<
  Record<"analyticsProcessingAllowed" | "marketingAllowed" | "preferencesProcessingAllowed" | "saleOfDataAllowed", boolean>
>;

interface Heard {
  name: string;
  type?: string;
  clientId?: string;
}

/** What Shopify gives a pixel, as far as it is used here. */
export interface PixelApi {
  analytics: { subscribe(name: string, heard: (event: Heard) => void): unknown };
  browser: { cookie: { get(name: string): Promise<string> } };
  init: { data?: { shop?: { myshopifyDomain?: string }; customer?: unknown }; customerPrivacy?: Privacy };
  customerPrivacy?: {
    subscribe(name: "visitorConsentCollected", heard: (event: { customerPrivacy: Privacy }) => void): unknown;
  };
}

export interface PixelSettings {
  /** The gateway's address. */
  endpoint: string;
  /** The site's public key. */
  key: string;
}

const MEASURING = ["_ga"];
const MARKETING = (
  "_fbp _fbc _gcl_aw _gcl_gb _gcl_ag ttclid _ttp _epik _derived_epik _scid li_fat_id _rdt_cid _rdt_uuid _uetmsclkid " +
  "__kla_id crto_mapped_user_id"
).split(" ");
const ALLOWED = ["analyticsProcessingAllowed", "marketingAllowed", "preferencesProcessingAllowed", "saleOfDataAllowed"] as const;
const WITHDRAWAL = { name: "visitorConsentCollected", type: "consent" }; // the gateway's own type
const TRIES = 4;
const PAUSE_MS = 1_000; // doubled with each try

export function forward(api: PixelApi, settings: PixelSettings): void {
  let privacy: Privacy = api.init.customerPrivacy ?? {};
  let client_id = ""; // of the visitor of whom something was told
  let told: Promise<unknown> = Promise.resolve(); // all that is under way
  const url = settings.endpoint.replace(/\/+$/, "") + "/i/shopify";

  api.customerPrivacy?.subscribe("visitorConsentCollected", (event) => {
    const was = privacy;
    privacy = event.customerPrivacy;
    const taken_back = ALLOWED.some((one) => was[one] === true && privacy[one] === false);
    // Of a visitor of whom nothing was told there is nothing to take back.
    // It goes last: an event that says the choice of before must not come after it.
    if (client_id && taken_back) void told.then(() => tell({ ...WITHDRAWAL, clientId: client_id }, event.customerPrivacy));
  });
  for (const group of ["all_standard_events", "all_custom_events"])
    api.analytics.subscribe(group, (event) => {
      if (!privacy.analyticsProcessingAllowed && !privacy.marketingAllowed) return;
      client_id = event.clientId ?? client_id;
      told = Promise.all([told, tell(event, privacy)]);
    });

  async function tell(event: unknown, customer_privacy: Privacy): Promise<void> {
    const body = JSON.stringify({
      key: settings.key,
      shop: api.init.data?.shop?.myshopifyDomain,
      event,
      customer_privacy,
      customer: customer_privacy.marketingAllowed ? api.init.data?.customer ?? null : null,
      cookies: await cookies(customer_privacy),
    });
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (await send(body)) return;
      await new Promise((done) => setTimeout(done, PAUSE_MS * 2 ** attempt));
    }
  }

  /** Whether the gateway has answered for good. Text, so that no preflight is asked for. */
  async function send(body: string): Promise<boolean> {
    try {
      const headers = { "content-type": "text/plain" };
      const answer = await fetch(url, { method: "POST", body, headers, keepalive: body.length < 60_000, credentials: "omit" });
      return answer.status < 500 && answer.status !== 429 && answer.status !== 408;
    } catch {
      return false;
    }
  }

  /** Of the shop's page, by what the visitor allowed. */
  async function cookies(allowed: Privacy): Promise<Record<string, string>> {
    const names = [...(allowed.analyticsProcessingAllowed ? MEASURING : []), ...(allowed.marketingAllowed ? MARKETING : [])];
    const found: Record<string, string> = {};
    for (const name of names) {
      const value = await api.browser.cookie.get(name).catch(() => "");
      if (value) found[name] = value;
    }
    return found;
  }
}
