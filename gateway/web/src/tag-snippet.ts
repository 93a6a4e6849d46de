/** A script of the site's own. It hears of events as `gw:<id>` on the window, and of consent as `gw-consent:<id>`. */

import { insert, type Names, nameOf, type Part, type TagPage } from "./tag-part.js";
import type { Purpose } from "./types.js";

export interface SnippetData {
  id: string;
  needs: Purpose[];
  script: string;
  /** Of its platform, where it is one that the gateway knows. */
  names?: Names;
}

export function snippet(w: TagPage, { id, needs, script, names }: SnippetData, nonce: string | undefined): Part {
  const tell = (kind: string, detail: object): void =>
    quietly(w, () => void w.dispatchEvent(new w.CustomEvent(`${kind}:${id}`, { detail })));
  return {
    needs,
    load: () => quietly(w, () => insert(w, nonce, { text: `try{\n${script}\n}catch{}` })),
    event({ event_name, event_id, custom_data }) {
      const name = names ? nameOf(names, event_name) : event_name;
      if (name !== null) tell("gw", { name, event_name, event_id, custom_data });
    },
    consent: (state, is_granted) => tell("gw-consent", { ...state, is_granted }),
  };
}

/** What listeners raise, and text that is no script, is kept from the page's handlers: its `onerror`, and all that were
 *  added after this one. */
function quietly(w: TagPage, action: () => void): void {
  const { onerror } = w;
  const swallow = (event: Event): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  w.onerror = null;
  w.addEventListener("error", swallow, true);
  try {
    action();
  } finally {
    w.removeEventListener("error", swallow, true);
    w.onerror = onerror;
  }
}
