/** The start on a page: reads the script's own tag, takes the stub's place, replays what the stub queued. */

import { createGateway, type Watch } from "./sdk.js";
import type { Consent, Gateway, State } from "./types.js";

type Call = [method: string, given: ArrayLike<unknown>, event_id: string];
type Callable = Record<string, (...given: unknown[]) => unknown>;

const WITHOUT_ID = ["identify", "consent", "reset", "ready"];

/** `watching`: who is to be told what happens; given the nonce of the script's tag. It never throws. */
export function start(watching?: (nonce: string | undefined) => Watch): void {
  try {
    begin(watching);
  } catch {
    // never at the page
  }
}

function begin(watching?: (nonce: string | undefined) => Watch): void {
  const script = (document.currentScript ?? document.querySelector("script[data-key]")) as HTMLScriptElement | null;
  if (!script?.src) return;
  const { origin, searchParams } = new URL(script.src);
  const told = script.dataset;
  const key = told.key ?? searchParams.get("k");
  const page = window as unknown as Record<string, ({ q?: Call[] } & Partial<Gateway>) | undefined>;
  const name = told.name ?? "gw";
  const stub = page[name];
  if (!key || (stub && !stub.q)) return; // no key, or loaded twice
  const early = stub?.q ?? [];
  const said: Consent = {};
  for (const [method, given] of early) if (method === "consent") Object.assign(said, given[0]);
  const preset = told.consent as State | undefined;
  const options = {
    key,
    endpoint: told.endpoint ?? origin,
    pages: told.pages !== "off",
    consent: preset ? { analytics: preset, marketing: preset, preferences: preset } : {},
  };
  const gateway = createGateway(window, options, said, watching?.(script.nonce));
  page[name] = gateway;
  for (const call of early) replay(gateway as unknown as Callable, ...call);
}

/** With the event id that the stub has given out. */
function replay(gateway: Callable, method: string, called: ArrayLike<unknown>, event_id: string): void {
  const given = Array.from(called);
  const at = method === "track" ? 2 : 1;
  if (!WITHOUT_ID.includes(method)) given[at] = { event_id, ...(given[at] as object) };
  if (method !== "consent") gateway[method]?.(...given);
}
