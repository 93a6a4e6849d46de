/** The tag loader: the SDK with the site's browser tags, each loaded when its purposes are granted, each told of the
 *  events under the ids that the gateway has them under. */

import type { Recorded, Watch } from "./sdk.js";
import { gtags, gtm, type GtagData, type GtmData } from "./tag-google.js";
import { metaPixel, type MetaData } from "./tag-meta.js";
import { aliased, type Part, type TagPage } from "./tag-part.js";
import { snippet, type SnippetData } from "./tag-snippet.js";
import type { Consent } from "./types.js";

const MOST_HELD = 100; // events that wait for a tag's consent; past it the oldest goes

/** What the gateway writes above the script. */
export interface TagData {
  /** Folded name -> canonical name, as the gateway reads names. */
  aliases: Record<string, string>;
  meta?: MetaData;
  gtag?: GtagData;
  gtm?: GtmData;
  snippets: SnippetData[];
}

export function createTag(w: TagPage, data: TagData, nonce: string | undefined): Watch {
  const parts = partsOf(w, data, nonce).map(watched);
  return {
    event: (event) => {
      const named = { ...event, event_name: aliased(event.event_name, data.aliases) };
      if (named.event_name !== "identify") parts.forEach((part) => part.event(named));
    },
    consent: (state) => parts.forEach((part) => part.consent(state)),
  };
}

function partsOf(w: TagPage, data: TagData, nonce: string | undefined): Part[] {
  return [
    ...(data.meta ? [metaPixel(w, data.meta, nonce)] : []),
    ...(data.gtag ? gtags(w, data.gtag, nonce) : []),
    ...(data.gtm ? [gtm(w, data.gtm, nonce)] : []),
    ...data.snippets.map((one) => snippet(w, one, nonce)),
  ];
}

/** Loads a part with its grant, never before. Events wait while nobody has answered, and go with a refusal. */
function watched(part: Part): Watch {
  let state: Consent = {};
  let told = ""; // the state that the part was told last
  let is_loaded = false;
  let held: Recorded[] = [];
  // `sale_of_data` is an opt-out: only its denial counts.
  const isGranted = (): boolean =>
    part.needs.every((purpose) => (purpose === "sale_of_data" ? state[purpose] !== "denied" : state[purpose] === "granted"));
  const isDenied = (): boolean => part.needs.some((purpose) => state[purpose] === "denied");
  const safe = (action: () => void): void => {
    try {
      action();
    } catch {
      // one tag's trouble is no other's, and never the page's
    }
  };
  return {
    event(event) {
      if (is_loaded && isGranted()) safe(() => part.event(event));
      else if (!isDenied() && held.push(event) > MOST_HELD) held.shift();
    },
    consent(now) {
      state = now;
      const is_granted = isGranted();
      if (!is_loaded && is_granted) {
        is_loaded = true;
        told = JSON.stringify(state);
        safe(() => part.load(state));
      } else if (is_loaded && told !== (told = JSON.stringify(state))) safe(() => part.consent(state, is_granted));
      const waited = held;
      if (is_granted || isDenied()) held = [];
      if (is_granted) waited.forEach((event) => safe(() => part.event(event)));
    },
  };
}
