import type { Basic } from '@medplum/fhirtypes';
import {
  type Account,
  alertBoard,
  identifierSystem,
  type RecordKind,
  type ResourceType,
  type ServiceAccount,
  type TransactionEntry,
} from '../../server/core/index.ts';
import { createSentinel, type Sentinel } from '../../server/sentinel/index.ts';
import { CLINICAL, startWard, type Ward, type WardOptions } from '../intake/ward.ts';

/** The sentinel at its post over a ward's store, with a board of its own: what it says comes from the store alone. */
export interface Post extends AsyncDisposable {
  readonly ward: Ward;
  /** The account as it is made now; `afresh`: by a sentinel that has just started. */
  account(how?: 'afresh'): Promise<Account>;
  /** The account of the only service. */
  ofService(): Promise<ServiceAccount>;
  /** Codes that the sentinel holds up, each once. */
  alerts(): string[];
  /** Codes of the exceptions, with what is missing. */
  exceptions(): Promise<string[]>;
  /** Somebody deletes one, behind the engine's back; `which`: by the key of a record or the id of a resource. */
  remove(type: 'Task' | 'ServiceRequest' | RecordKind, which?: (name: string) => boolean): Promise<void>;
}

/** The store keeps what others refer to: whoever deletes a resource of it deletes those as well. */
async function withReferrers(ward: Ward, type: ResourceType, id: string): Promise<TransactionEntry[]> {
  const all = (await Promise.all(CLINICAL.map((one) => ward.all(one)))).flat();
  const referrers = all.filter((resource) => JSON.stringify(resource).includes(`"${type}/${id}"`));
  const entries = referrers.map((one) => ({ kind: 'delete' as const, type: one.resourceType, id: one.id }));
  return [...entries, { kind: 'delete', type, id }];
}

export const HOUR = 3_600_000;
const GAP_MS = 30 * HOUR;

export interface PostOptions extends WardOptions {
  /** How long a decision is held back on purpose. */
  readonly decisionDelayMs?: number;
}

export async function startPost({ decisionDelayMs = 0, ...options }: PostOptions = {}): Promise<Post> {
  const ward = await startWard(options);
  const board = alertBoard(() => ward.simulator.clock.now());
  const enter = (): { store: unknown; sentinel: Sentinel } => ({
    store: ward.store,
    sentinel: createSentinel({
      store: ward.store,
      clock: {
        now: () => ward.simulator.clock.now(),
        monotonicMs: () => performance.now(),
        sleep: () => new Promise((resolve) => setImmediate(resolve)),
      },
      log: { info: () => {}, warn: () => {}, error: () => {} },
      alerts: board,
      services: ward.simulator.services
        .filter(({ id }) => options.services === undefined || options.services.includes(id))
        .map(({ id, lists }) => ({ id, lists: lists.map((list) => ({ list, longestGapMs: GAP_MS })) })),
      decisionDelayMs,
      everyMs: 60_000,
    }),
  });
  let at = enter();
  const post: Post = {
    ward,
    async account(how) {
      // A restart of the ward opens the store anew.
      if (how === 'afresh' || at.store !== ward.store) {
        await at.sentinel.stop();
        at = enter();
      }
      const account = await at.sentinel.reconcile();
      if (account === undefined) throw new Error('the store could not be read');
      return account;
    },
    async ofService() {
      const [only, second] = (await post.account()).services;
      if (only === undefined || second !== undefined) throw new Error('not one service');
      return only;
    },
    alerts: () => [...new Set(board.standing().map(({ code }) => code))].toSorted(),
    exceptions: async () => (await post.account()).exceptions.map(({ code, missing }) => missing ?? code),
    async remove(type, which = () => true) {
      const isRecord = type !== 'Task' && type !== 'ServiceRequest';
      const found = await ward.all<Basic>(isRecord ? 'Basic' : type);
      const one = found.find(({ id, identifier }) => {
        const [named] = identifier ?? [];
        if (!isRecord) return which(id);
        return named?.system === identifierSystem(type) && which(named.value ?? '');
      });
      if (one === undefined) throw new Error(`there is no ${type} to be deleted`);
      const removed = await ward.store.transaction(await withReferrers(ward, isRecord ? 'Basic' : type, one.id));
      if (!removed.ok) throw new Error(removed.code);
    },
    [Symbol.asyncDispose]: () => ward[Symbol.asyncDispose](),
  };
  return post;
}
