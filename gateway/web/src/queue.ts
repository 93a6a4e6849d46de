/** Sends what waits: in order, one request at a time, until the gateway has answered for each event.
 *
 *  An event stays in the browser's storage, under its id, until it is answered for; so what a closed tab or a lost
 *  connection left behind is sent by the next page, under the same id, and the gateway recognises a copy. */

import type { Storage } from "./storage.js";

const MOST = 100; // events that are kept; past it the oldest goes
const BATCH = 20;
const BATCH_CHARS = 15_000; // of up to four bytes: the gateway takes 64 KiB, and so does `keepalive`
const LINGER_MS = 2_000;
const BACKOFF_MS = 1_000; // doubled with each failure
const LONGEST_MS = 300_000;
const TIMEOUT_MS = 30_000;
const KEPT_MS = 7 * 86_400_000; // the gateway calls older events late
const COPY_MS = 20 * 3_600_000; // within the gateway's 24 h for copies: later a second one would count

export interface Sent {
  event_id: string;
  user_data: { anonymous_id: string; [identifier: string]: unknown };
  [field: string]: unknown;
}

/** One that waits. `n`: since when; `t`: when it was first tried; `i`: it says who the visitor is; `w`: it takes consent
 *  back, so it goes without any; `r`: its visitor is a new one, whatever the cookie says. */
export interface Entry {
  e: Sent;
  n: number;
  t?: number;
  i?: boolean;
  w?: boolean;
  r?: boolean;
}

export interface Rules {
  /** Consent allows it now. */
  may_send(): boolean;
  /** The request's body, with what consent allows now. */
  bodyOf(events: Sent[], is_alone: boolean): string;
  /** The visitor, as the gateway knows them. */
  answered(entry: Entry, visitor_id: string): void;
}

export interface Queue {
  /** Takes up what an earlier page left. */
  adopt(): void;
  add(entry: Entry): void;
  /** Consent was refused: nothing of what waits may go, or stay. */
  clear(): void;
  /** Sends within that time, or as planned before. */
  wake(ms: number): void;
  /** Sends now, whatever failed before: the network, or the page, is back. */
  retry(): void;
  flush(): Promise<void>;
  /** The page goes: what nobody has sent yet goes with the browser, which tells no outcome. It stays in storage. */
  leave(): void;
}

export function createQueue(w: Window & typeof globalThis, storage: Storage, rules: Rules, url: string, query: string): Queue {
  let waiting: Entry[] = [];
  let busy: Entry[] = [];
  let failures = 0;
  let timer: number | undefined;
  let due_ms = 0;
  let is_left = false; // the page is gone, or in the browser's cache: what waits is with the browser already

  const row = (entry: Entry): string => "e" + entry.e.event_id;
  const keep = (entry: Entry): void => storage.set(row(entry), JSON.stringify(entry));
  const underWay = (): number => waiting.filter((entry) => busy.includes(entry)).length;
  const address = (entry: Entry): string => url + (entry.i ? "/identify" : "") + query + (entry.r ? "&new=1" : "");
  const bodyOf = (batch: Entry[]): string => rules.bodyOf(batch.map((entry) => entry.e), !!batch[0]!.i); // prettier-ignore

  function isOld(entry: Entry): boolean {
    const now_ms = Date.now();
    return now_ms - entry.n > KEPT_MS || now_ms - (entry.t ?? now_ms) > COPY_MS;
  }

  function drop(entry: Entry): void {
    waiting = waiting.filter((one) => one !== entry);
    storage.remove(row(entry));
  }

  function tried(batch: Entry[]): void {
    for (const entry of batch) {
      entry.t ??= Date.now();
      keep(entry);
    }
  }

  /** The next that may share a request: of one kind, of one visitor; those that identify go alone. */
  function batchAt(start: number): Entry[] {
    const first = waiting[start];
    const batch: Entry[] = [];
    let chars = 0;
    for (const entry of waiting.slice(start, start + BATCH)) {
      if (!entry.w && !rules.may_send()) break;
      chars += JSON.stringify(entry.e).length;
      const is_alike = !first!.i && !entry.i && entry.e.user_data.anonymous_id === first!.e.user_data.anonymous_id;
      if (batch.length && (!is_alike || chars > BATCH_CHARS)) break;
      batch.push(entry);
    }
    return batch;
  }

  function plan(ms: number): void {
    w.clearTimeout(timer);
    due_ms = Date.now() + ms;
    timer = w.setTimeout(() => {
      timer = undefined;
      void flush();
    }, ms);
  }

  /** After a failure not before its pause is over. */
  function wake(ms: number): void {
    if (timer === undefined || (!failures && due_ms > Date.now() + ms)) plan(ms);
  }

  async function flush(): Promise<void> {
    if (is_left || busy.length || w.navigator.onLine === false) return;
    waiting.filter(isOld).forEach(drop);
    const batch = batchAt(0);
    if (!batch.length) return;
    busy = batch;
    tried(batch);
    const pause_ms = await send(batch).catch(() => 0);
    busy = [];
    if (pause_ms === undefined) {
      failures = 0;
      batch.forEach(drop);
      if (waiting.length) wake(waiting.length < BATCH ? LINGER_MS : 0);
    } else {
      const backoff_ms = Math.min(BACKOFF_MS * 2 ** failures++, LONGEST_MS) * (0.5 + Math.random());
      plan(Math.max(pause_ms, backoff_ms));
    }
  }

  /** Nothing where the gateway answered for all of them, else how long it wants to be left alone. */
  async function send(batch: Entry[]): Promise<number | undefined> {
    const body = bodyOf(batch);
    const answer = await w.fetch(address(batch[0]!), {
      method: "POST",
      body,
      credentials: "include",
      keepalive: body.length <= 1.3 * BATCH_CHARS,
      signal: w.AbortSignal?.timeout?.(TIMEOUT_MS),
    });
    if (answer.status === 408 || answer.status === 429 || answer.status >= 500)
      return Number(answer.headers.get("retry-after")) * 1_000 || 0;
    const told = await answer.json().catch(() => 0);
    if (told?.visitor_id) rules.answered(batch[0]!, told.visitor_id);
    return undefined; // any other refusal is final: the same bytes would be refused again
  }

  return {
    wake,
    flush,
    adopt() {
      for (const name of storage.names()) {
        if (name[0] !== "e" || waiting.some((entry) => row(entry) === name)) continue;
        try {
          const entry: Entry = JSON.parse(storage.get(name)!);
          if (!isOld(entry) && entry.e.user_data) {
            waiting.push(entry);
            continue;
          }
        } catch {
          // not ours to send
        }
        storage.remove(name);
      }
      waiting.sort((one, other) => one.n - other.n);
    },
    add(entry) {
      waiting.push(entry);
      keep(entry);
      if (waiting.length > MOST) drop(waiting[underWay()]!);
      wake(waiting.length < BATCH && !entry.w ? LINGER_MS : 0);
    },
    clear() {
      storage.names().forEach((name) => name[0] === "e" && storage.remove(name));
      waiting = [];
    },
    retry() {
      is_left = false;
      failures = 0;
      plan(0);
    },
    leave() {
      is_left = true;
      for (let at = underWay(), batch; (batch = batchAt(at)).length; at += batch.length) {
        if (w.navigator.onLine === false || !w.navigator.sendBeacon?.(address(batch[0]!), bodyOf(batch))) return;
        tried(batch);
      }
    },
  };
}
