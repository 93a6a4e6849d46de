// A page without a browser: a window, its storage, a gateway that answers as it is told. Time is node:test's.
import { build } from "esbuild";

export async function load(name) {
  const entryPoints = [new URL(`../src/${name}.ts`, import.meta.url).pathname];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: "esm", target: "es2021", write: false });
  return import("data:text/javascript;base64," + Buffer.from(outputFiles[0].contents).toString("base64"));
}

const { createGateway } = await load("index");

class Target {
  listeners = {};
  addEventListener(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }
  dispatch(name, event = {}) {
    for (const listener of this.listeners[name] ?? []) listener(event);
  }
}

export class Page extends Target {
  requests = []; // {url, body}
  beacons = [];
  answer = () => ({ status: 200, body: { visitor_id: "f".repeat(32) } });

  constructor({ url = "https://shop.example.com/", referrer = "", cookie = "", rows = {}, gpc = undefined } = {}) {
    super();
    const page = this;
    this.rows = rows;
    this.document = Object.assign(new Target(), { referrer, cookie, title: "Teas", visibilityState: "visible" });
    this.go(url);
    this.history = { pushState: (_, __, to) => page.go(new URL(to, page.location.href).href), replaceState() {} };
    this.navigator = {
      onLine: true,
      globalPrivacyControl: gpc,
      sendBeacon: (to, body) => (page.beacons.push({ url: to, body: JSON.parse(body) }), true),
    };
    this.crypto = crypto;
    this.setTimeout = (...given) => setTimeout(...given);
    this.clearTimeout = (timer) => clearTimeout(timer);
    this.fetch = async (to, { body }) => {
      page.requests.push({ url: to, body: JSON.parse(body) });
      const { status, headers = {}, body: told = {} } = page.answer(page.requests.length);
      return { status, ok: status < 300, headers: { get: (name) => headers[name] ?? null }, json: async () => told };
    };
  }

  get localStorage() {
    const { rows } = this;
    const storage = {
      getItem: (name) => rows[name] ?? null,
      setItem: (name, value) => void (rows[name] = value),
      removeItem: (name) => void delete rows[name],
    };
    return new Proxy(storage, {
      ownKeys: () => Object.keys(rows),
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    });
  }

  go(url) {
    const { href, pathname, search, origin } = new URL(url);
    this.location = { href, pathname, search, origin };
  }

  start(options = {}) {
    return createGateway(this, { key: "pk", endpoint: "https://events.example.com/", pages: false, ...options });
  }

  /** All events of all requests, oldest first. */
  get events() {
    return this.requests.flatMap(({ body }) => body.events ?? [body]);
  }

  /** The rows of events that wait. */
  get kept() {
    return Object.keys(this.rows).filter((name) => name.startsWith("gw.pk.e"));
  }
}

/** Lets so much time pass, and what waits for it happen. */
export async function pass(test, ms) {
  for (let left = ms; left > 0; left -= 500) {
    test.mock.timers.tick(Math.min(left, 500));
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
}

export const GRANTED = { analytics: "granted", marketing: "granted" };
export const DENIED = { analytics: "denied", marketing: "denied" };
