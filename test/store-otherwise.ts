import type { Store, TransactionEntry } from '../server/core/index.ts';

/** A store of which some calls behave otherwise. */
export const otherwise = (store: Store, changes: Partial<Store>): Store =>
  new Proxy(store, {
    get(target, name) {
      const changed = Reflect.get(changes, name);
      if (changed !== undefined) return changed;
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });

/** A store that refuses these transactions; it is asked before each. */
export const refusing = (store: Store, isRefused: (entries: readonly TransactionEntry[]) => boolean): Store =>
  otherwise(store, {
    transaction: async (entries) =>
      isRefused(entries) ? { ok: false, code: 'unavailable' } : store.transaction(entries),
  });
