/** The browser's storage, one row for each thing, so that tabs do not overwrite each other. Where it is blocked, nothing
 *  is kept, and nothing fails. */

export interface Storage {
  get(name: string): string | null;
  set(name: string, value: string): void;
  remove(name: string): void;
  /** The names of all rows, without their common prefix. */
  names(): string[];
}

export function openStorage(open: () => globalThis.Storage, prefix: string): Storage {
  const attempt = <T>(action: (storage: globalThis.Storage) => T, otherwise: T): T => {
    try {
      return action(open());
    } catch {
      return otherwise; // blocked, full, or none
    }
  };
  return {
    get: (name) => attempt((storage) => storage.getItem(prefix + name), null),
    set: (name, value) => attempt((storage) => storage.setItem(prefix + name, value), undefined),
    remove: (name) => attempt((storage) => storage.removeItem(prefix + name), undefined),
    names: () =>
      attempt(
        (storage) =>
          Object.keys(storage)
            .filter((name) => name.startsWith(prefix))
            .map((name) => name.slice(prefix.length)),
        [],
      ),
  };
}
