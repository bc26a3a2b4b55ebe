import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEvent } from '@medplum/fhirtypes';
import {
  type Alerts,
  type Audit,
  type AuditChainRecord,
  type AuditChainsRecord,
  backoffMs,
  type Clock,
  describeError,
  type ErsCallEnd,
  type Log,
  type NotedAccess,
  type NotedStrangers,
  type Store,
  type StoreResult,
  type TransactionEntry,
} from '../core/index.ts';
import { type EngineRecord, readRecord, recordEntry, writeRecord } from '../store/index.ts';
import { linkEvent } from './chain.ts';
import { accessEvent, ersCallEvent, strangersEvent, withoutReferences } from './events.ts';

/** How long an event waits for others to be written with; with the write itself it is what a kill may lose. */
const GATHER_MS = 500;
/** Events of a transaction, its head left out: below a remote store's limit; the embedded one's writes hold up its reads. */
const BATCH = { embedded: 4, hapi: 35, medplum: 35 } as const;
/** Between two transactions, so that a decision on its way through the process meets one of them, not ten. */
const PAUSE_MS = 20;
/** More do not wait for that: a kill would lose them. */
const FEW = 100;
/** Events that wait at most. Then no more is shown; e-RS, which is paced, may be called as many times again. */
const MAX_WAITING = 10_000;
/** How long a store that fails is waited for when the process stops. */
const STOP_PATIENCE_MS = 5_000;
/** How often the trail tells of strangers. */
const STRANGERS_MS = 60_000;
const CHAINS = 'chains';
/** These leave a witness in the transaction of their decision. Source: E-3 */
const WITNESSED: ReadonlySet<string> = new Set(['A013', 'A014', 'A020', 'A022', 'A028']);

export interface AuditOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly key: Buffer;
}

/** The audit trail of one process. */
export interface AuditTrail extends Audit {
  /** Resolves when everything noted so far is in the store, or was lost. */
  settled(): Promise<void>;
  /** Writes what waits, for as long as a stopping process may take. */
  stop(): Promise<void>;
}

type Noted = { readonly at: string } & (
  | { readonly kind: 'access'; readonly access: NotedAccess }
  | { readonly kind: 'call'; readonly call: ErsCallEnd }
  | { readonly kind: 'strangers'; readonly strangers: NotedStrangers }
);

/**
 * Writes one AuditEvent for each access and e-RS call, in batches behind the answers, linked to a chain of this process's own
 * whose head is a record.
 * Source: decision 0021
 */
export function createAudit(options: AuditOptions): AuditTrail {
  const { store, clock, log, alerts } = options;
  const waiting: Noted[] = [];
  const stopping = new AbortController();
  let hurry = new AbortController();
  let chain: EngineRecord<AuditChainRecord> | undefined;
  let work: Promise<void> | undefined;
  let lost = 0;
  const strangers = new Map<string, { count: number; readonly since: string }>();
  let size: number = BATCH[store.capabilities.kind];

  function note(noted: Noted): void {
    waiting.push(noted);
    work ??= gather();
  }

  async function gather(): Promise<void> {
    const haste = AbortSignal.any([stopping.signal, hurry.signal]);
    await clock.sleep(GATHER_MS, haste);
    let failures = 0;
    while (waiting.length > 0) {
      const isWritten = await writeBatch().catch((error: unknown) => {
        log.error('audit.batch.failed', describeError(error));
        return false;
      });
      if (isWritten) {
        failures = 0;
        alerts.clear('audit-delayed', 'audit');
        // Requests have their turn between two batches, and while few wait, the whole way of one.
        const isUnhurried = waiting.length > 0 && waiting.length <= FEW && !haste.aborted;
        await (isUnhurried ? clock.sleep(PAUSE_MS, haste) : nextTurn());
        continue;
      }
      failures += 1;
      alerts.raise('audit-delayed', 'audit');
      if (failures === 1) log.warn('audit.batch.failed', { count: waiting.length, code: 'audit-delayed' });
      if (stopping.signal.aborted && failures > 3) break;
      await clock.sleep(stopping.signal.aborted ? 200 : backoffMs(failures - 1, options.random(), 10_000));
    }
    // In the same turn in which nothing waited: what is noted next begins anew.
    work = undefined;
  }

  /** Writes the oldest that wait; false: the store did not take them, and they wait on. */
  async function writeBatch(): Promise<boolean> {
    chain ??= await begin();
    if (chain === undefined) return false;
    const batch = waiting.slice(0, size);
    const events = batch.map(eventOf);
    let written = await append(chain, events);
    // What an event refers to may have been deleted since it was shown.
    if (!written.ok && written.code === 'invalid') written = await append(chain, events.map(withoutReferences));
    if (written.ok) {
      chain = written.value;
      waiting.splice(0, batch.length);
      size = Math.min(size * 2, BATCH[store.capabilities.kind]);
      return true;
    }
    // What is not a matter of time would stop the trail for ever; it is found out which of them it is.
    if (written.code === 'invalid' || written.code === 'not-supported') {
      if (size > 1) {
        size = 1;
        return true;
      }
      waiting.shift();
      lose(1);
      return true;
    }
    chain = await found(chain);
    return false;
  }

  async function append(
    from: EngineRecord<AuditChainRecord>,
    events: readonly AuditEvent[],
  ): Promise<StoreResult<EngineRecord<AuditChainRecord>>> {
    let head: AuditChainRecord = from.data;
    const creates = events.map((event): TransactionEntry => {
      const linked = linkEvent(options.key, from.key, head, event);
      head = { chain: from.key, ...linked.head };
      return { kind: 'create', resource: linked.event };
    });
    const written = await store.transaction([recordEntry(store, 'ers-audit', from.key, head, from), ...creates]);
    const expected = { key: from.key, data: head, id: from.id };
    if (written.ok)
      return { ok: true, value: { ...expected, versionId: written.value[0]?.meta.versionId ?? from.versionId } };
    if (written.code !== 'unknown-outcome' && written.code !== 'conflict') return written;
    // The answer may have been lost, and what was written not.
    const held = await readRecord<AuditChainRecord>(store, 'ers-audit', from.key);
    return held.ok && held.value !== undefined && held.value.data.hash === head.hash
      ? { ok: true, value: held.value }
      : written;
  }

  /** The head as the store has it; undefined: it is not where we left it, so that a new chain begins. */
  async function found(mine: EngineRecord<AuditChainRecord>): Promise<EngineRecord<AuditChainRecord> | undefined> {
    const held = await readRecord<AuditChainRecord>(store, 'ers-audit', mine.key);
    if (!held.ok) return mine;
    return held.value?.data.sequence === mine.data.sequence && held.value.data.hash === mine.data.hash
      ? held.value
      : undefined;
  }

  /** A chain with its head, named in the register before its first event. */
  async function begin(): Promise<EngineRecord<AuditChainRecord> | undefined> {
    const name = randomUUID();
    const head = await writeRecord<AuditChainRecord>(store, 'ers-audit', name, { chain: name, sequence: 0 });
    if (!head.ok) return undefined;
    for (let tries = 0; tries < 8; tries += 1) {
      const register = await readRecord<AuditChainsRecord>(store, 'ers-audit', CHAINS);
      if (!register.ok) return undefined;
      const chains = [...(register.value?.data.chains ?? []), name];
      const entered = await writeRecord<AuditChainsRecord>(store, 'ers-audit', CHAINS, { chains }, register.value);
      if (entered.ok) return head.value;
      if (entered.code !== 'conflict') return undefined;
    }
    return undefined;
  }

  function tellOfStrangers(): void {
    const at = clock.now().toISOString();
    for (const [code, { count, since }] of strangers)
      note({ kind: 'strangers', at, strangers: { code, count, since } });
    strangers.clear();
  }

  function lose(count: number): void {
    lost += count;
    alerts.raise('audit-lost', 'audit');
    log.error('audit.events.lost', { code: 'audit-lost', count: lost });
  }

  return {
    mayServe: () => waiting.length < MAX_WAITING,
    noteAccess: (access) => note({ kind: 'access', at: clock.now().toISOString(), access }),
    noteErsCall(call) {
      if (WITNESSED.has(call.operation)) return;
      if (waiting.length < MAX_WAITING * 2) note({ kind: 'call', at: clock.now().toISOString(), call });
      else lose(1);
    },
    noteStranger(code) {
      const known = strangers.get(code);
      if (known !== undefined) {
        known.count += 1;
        return;
      }
      const isFirst = strangers.size === 0;
      strangers.set(code, { count: 1, since: clock.now().toISOString() });
      if (isFirst) void clock.sleep(STRANGERS_MS, stopping.signal).then(tellOfStrangers);
    },
    async settled() {
      tellOfStrangers();
      hurry.abort();
      while (work !== undefined) await work;
      hurry = new AbortController();
    },
    async stop() {
      tellOfStrangers();
      stopping.abort();
      const patience = new AbortController();
      await Promise.race([work, clock.sleep(STOP_PATIENCE_MS, patience.signal)]);
      patience.abort();
      if (waiting.length > 0) lose(waiting.length);
    },
  };
}

function eventOf(noted: Noted): AuditEvent {
  switch (noted.kind) {
    case 'access':
      return accessEvent(noted.access, noted.at);
    case 'call':
      return ersCallEvent(noted.call, noted.at);
    case 'strangers':
      return strangersEvent(noted.strangers, noted.at);
  }
}
