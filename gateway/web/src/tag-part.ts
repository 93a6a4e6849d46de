/** What a browser tag of the loader is, and what all of them use. */

import type { Recorded } from "./sdk.js";
import type { Platforms } from "./signals.js";
import type { Consent, CustomData, Item, Purpose } from "./types.js";

export type TagPage = Window & typeof globalThis & Platforms & Record<string, any>;

/** Canonical name -> the platform's own; null: it has none. A name that is not in it goes as it is. */
export type Names = Record<string, string | null>;

export interface Part {
  needs: Purpose[];
  /** Once, with the first grant. */
  load(state: Consent): void;
  /** Only while it is granted. */
  event(event: Recorded): void;
  /** Once it is loaded, with each change. */
  consent(state: Consent, is_granted: boolean): void;
}

/** The canonical name, by the gateway's own table; a custom event keeps its name, trimmed. */
export function aliased(name: string, aliases: Record<string, string>): string {
  const trimmed = name.trim();
  return found(aliases, trimmed.toLowerCase().replace(/[_ -]/g, "")) ?? trimmed;
}

export function nameOf(names: Names, name: string): string | null {
  const own = found(names, name);
  return own === undefined ? name : own;
}

/** A page may say any name, `constructor` too. */
const found = <T>(table: Record<string, T>, name: string): T | undefined =>
  Object.prototype.hasOwnProperty.call(table, name) ? table[name] : undefined;

/** Loads a tag's script; under a content security policy with the loader's own nonce. */
export function insert(w: TagPage, nonce: string | undefined, filled: { src: string } | { text: string }): void {
  const script = w.document.createElement("script");
  Object.assign(script, filled);
  if ("src" in filled) script.async = true;
  if (nonce) script.nonce = nonce;
  (w.document.head ?? w.document.documentElement).appendChild(script);
}

export const itemsOf = (data: CustomData | undefined): Item[] => (Array.isArray(data?.items) ? data.items : []);

/** The number that a text or number is; nothing where it is none. */
export function amount(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() ? Number(value) : value;
  return typeof number === "number" && isFinite(number) ? number : undefined;
}

export const text = (value: unknown): string | undefined =>
  value === undefined || value === null || value === "" ? undefined : String(value).trim();

/** Without what is not there. */
export function present<T extends object>(fields: T): Partial<T> {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined && !(Array.isArray(value) && !value.length));
  return Object.fromEntries(kept) as Partial<T>;
}
