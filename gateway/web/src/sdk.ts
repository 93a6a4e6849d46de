/** The SDK: the page's calls, what each event carries, and when it may go. It never throws at the page.
 *
 *  Until consent allows it nothing is stored and nothing is requested; what is recorded meanwhile waits in memory. */

import { cookiesOf, hasClicks, withoutClicks } from "./clicks.js";
import { filled, NAMES } from "./commerce.js";
import { allows, combined, refuses, type Signal } from "./consent.js";
import { createQueue, type Entry, type Sent } from "./queue.js";
import { listen, type Platforms } from "./signals.js";
import { openStorage } from "./storage.js";
import type { Consent, CustomData, Gateway, Given, Options, Page, Purpose, UserData } from "./types.js";

const MOST_HELD = 100; // that wait for consent; past it the oldest goes
const SETTLE_MS = 50; // after a navigation, until the page has its title

type W = Window & typeof globalThis & Platforms;

/** An event before anything is known of consent: what happened, when, where. */
export interface Recorded {
  event_name: string;
  event_id: string;
  occurred_at: string;
  page: Page;
  custom_data?: CustomData;
  user_data?: UserData;
}

/** Who is told what happens here: of each event that consent does not refuse, and of consent whenever it was decided. */
export interface Watch {
  event(event: Recorded): void;
  consent(state: Consent): void;
}

/** `said`: the site's own word on consent, where it came before the SDK did. */
export function createGateway(w: W, options: Options, said: Consent = {}, watch?: Watch): Gateway {
  const storage = openStorage(() => w.localStorage, `gw.${options.key}.`);
  const signals: Record<string, Signal> = {};
  let own: Consent = { ...parsed(storage.get("c")), ...said };
  let state: Consent = {};
  let held: Recorded[] = [];
  let visitor = storage.get("v") ?? "";
  let answers = storage.get("n") ?? ""; // "": none yet, "1": none for a visitor that reset() made, "0": it knows
  let last_path = "";
  let referrer = w.document.referrer;

  const queue = createQueue(
    w,
    storage,
    { may_send: () => allows(state), bodyOf, answered },
    options.endpoint.replace(/\/+$/, "") + "/i",
    "?k=" + encodeURIComponent(options.key),
  );

  // --- consent ---

  function decide(): void {
    const before = state;
    const preset = options.consent ?? {};
    const is_opted_out = (w.navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true;
    state = combined(own, Object.values(signals), preset, is_opted_out);
    if (refuses(state)) {
      held = [];
      queue.clear();
    }
    const is_taken_back =
      (refuses(state) && !refuses(before)) || // also where an earlier page was allowed what this one is not
      Object.keys(before).some((name) => before[name as Purpose] === "granted" && state[name as Purpose] === "denied");
    if (visitor && is_taken_back) queue.add({ e: sent(recorded("identify")), n: Date.now(), i: true, w: true });
    if (allows(state)) release();
    else if (refuses(state)) ["v", "n", "c"].forEach((name) => storage.remove(name));
    watch?.consent(state);
  }

  function release(): void {
    if (Object.keys(own).length) storage.set("c", JSON.stringify(own));
    remember(visitor || uuid(), answers);
    queue.adopt();
    const waited = held;
    held = [];
    waited.forEach(enqueue);
    queue.wake(waited.length ? 0 : 2_000);
  }

  function bodyOf(events: Sent[], is_alone: boolean): string {
    const cookies = cookiesOf(w.document.cookie, state.analytics === "granted", state.marketing === "granted");
    const allowed = events.map(restrict);
    return JSON.stringify({ ...(is_alone ? allowed[0] : { events: allowed }), ...(cookies && { cookies }) });
  }

  /** As consent is now: it may have been taken back since the event was made. */
  function restrict(event: Sent): Sent {
    const consent: Consent = { ...(event.consent as Consent) };
    for (const purpose of Object.keys(state) as Purpose[]) {
      if (state[purpose] === "denied" || !consent[purpose]) consent[purpose] = state[purpose];
    }
    if (consent.marketing === "granted") return { ...event, consent };
    const page = { ...(event.page as Page) };
    for (const name of ["url", "referrer"] as const) if (page[name]) page[name] = withoutClicks(page[name]);
    return { ...event, consent, page, landing_url: undefined };
  }

  // --- the visitor ---

  function remember(id: string, answered_so: string): void {
    storage.set("v", (visitor = id));
    storage.set("n", (answers = answered_so));
  }

  /** The cookie, which the page cannot read, goes before what the page made up. */
  function answered(entry: Entry, visitor_id: string): void {
    const is_ours = entry.e.user_data.anonymous_id === visitor;
    if (is_ours && allows(state) && (answers !== "1" || visitor_id === visitor)) remember(visitor_id, "0");
  }

  function uuid(): string {
    const bytes = w.crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // --- events ---

  function recorded(event_name: string, custom_data?: CustomData, given: Given = {}): Recorded {
    const { href, pathname } = w.location;
    const page = { url: href, path: pathname, referrer, title: w.document.title, ...given.page };
    const event = {
      event_name,
      event_id: given.event_id || uuid(),
      occurred_at: new Date().toISOString(),
      page,
      custom_data,
      user_data: given.user_data,
    };
    return JSON.parse(JSON.stringify(event)); // as it is now; what is no JSON ends here, and spoils no batch
  }

  function record(event: Recorded): string {
    if (allows(state)) enqueue(event);
    else if (!refuses(state)) {
      held.push(event);
      if (held.length > MOST_HELD) held.shift();
    }
    if (!refuses(state)) watch?.event(event);
    return event.event_id;
  }

  function enqueue(event: Recorded): void {
    queue.add({ e: sent(event), n: Date.now(), i: event.event_name === "identify", r: answers === "1" });
  }

  /** With the visitor and the consent of now. Who had to answer for consent first may be a page further than they
   *  landed: that page is the referrer then. */
  function sent(event: Recorded): Sent {
    const { url = "", referrer: from = "" } = event.page;
    const is_landed_before = answers !== "0" && from.startsWith(w.location.origin + "/") && hasClicks(from) && !hasClicks(url);
    return {
      ...event,
      ...(is_landed_before && { landing_url: from }),
      user_data: { ...event.user_data, anonymous_id: visitor },
      consent: state,
    };
  }

  // --- page views ---

  function pageView(): void {
    const path = w.location.pathname + w.location.search;
    if (path === last_path) return;
    const before = last_path && w.location.origin + last_path;
    if (before) referrer = before;
    last_path = path;
    record(recorded("page_viewed"));
  }

  function watchPages(): void {
    let timer: number | undefined;
    const soon = safe(() => {
      w.clearTimeout(timer);
      timer = w.setTimeout(safe(pageView), SETTLE_MS);
    });
    for (const name of ["pushState", "replaceState"] as const) {
      const change = w.history[name];
      w.history[name] = function (...moved: Parameters<typeof change>) {
        change.apply(this, moved);
        soon();
      };
    }
    w.addEventListener("popstate", soon);
    w.addEventListener("pageshow", (event) => {
      if (event.persisted) last_path = "";
      if (event.persisted) soon();
    });
    if ((w.document as { prerendering?: boolean }).prerendering)
      w.document.addEventListener("prerenderingchange", safe(pageView));
    else pageView();
  }

  // --- the page's calls ---

  function safe<A extends unknown[]>(action: (...a: A) => void): (...a: A) => void {
    return (...given) => {
      try {
        action(...given);
      } catch {
        // never at the page
      }
    };
  }

  function track(name: string, data?: CustomData, given?: Given): string {
    try {
      return record(recorded(name, data && filled(name, data), given));
    } catch {
      return given?.event_id ?? "";
    }
  }

  const gateway = {
    track,
    page: (data?: CustomData, given?: Given) => track("page_viewed", data, given),
    identify: (user: string | number | UserData) =>
      track("identify", undefined, { user_data: typeof user === "object" ? user : { external_id: user } }),
    consent: safe((said: Consent) => {
      own = { ...own, ...said };
      decide();
    }),
    reset: safe(() => {
      held = [];
      if (allows(state)) remember(uuid(), "1");
    }),
    ready: safe((callback: (gateway: Gateway) => void) => callback(gateway)),
    visitor_id: () => (allows(state) ? visitor : undefined),
  } as Gateway;
  for (const name of NAMES) (gateway as unknown as Record<string, unknown>)[name] ??= track.bind(null, name);

  let is_heard = false; // all that was on the page before: only then is anything decided
  listen(w, (source, signal) => {
    signals[source] = signal;
    if (is_heard) safe(decide)();
  });
  is_heard = true;
  safe(decide)();
  w.addEventListener("pagehide", safe(() => queue.leave()));
  w.addEventListener("online", safe(() => queue.retry()));
  w.addEventListener("pageshow", safe((event) => event.persisted && queue.retry()));
  w.document.addEventListener("visibilitychange", safe(() => w.document.visibilityState === "hidden" && queue.flush()));
  if (options.pages !== false) watchPages();
  return gateway;
}

function parsed(text: string | null): Consent {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
}
