import type { AuditEvent, Basic } from '@medplum/fhirtypes';
import type {
  AuditChainRecord,
  AuditChainsRecord,
  AuditHead,
  DispatchRecord,
  Store,
  Stored,
  StoreResult,
} from '../core/index.ts';
import { readRecord, recordOf, recordsQuery } from '../store/index.ts';
import { isAsLinked, linkOf, NOTHING_YET } from './chain.ts';
import { reviewChain } from './witnessed-store.ts';

/**
 * How a chain is broken. `changed`: an event says something else than when it was linked, or was never linked by this
 * installation; `missing`: there is none at that place; `twice`: two claim it; `unhinged`: it does not follow the one before;
 * `cut`: the chain ends before its head, or there is no head; `unlinked`: an event belongs to no chain.
 */
export type BreakKind = 'changed' | 'missing' | 'twice' | 'unhinged' | 'cut' | 'unlinked';

export interface Break {
  readonly kind: BreakKind;
  readonly chain: string;
  /** The place in the chain, from 1; 0 where there is none. */
  readonly sequence: number;
  /** The event's id, where there is one. */
  readonly id?: string;
}

export interface Verdict {
  readonly events: number;
  readonly chains: number;
  /** The first break of each broken chain, and every event without one; in the order in which they were found. */
  readonly breaks: readonly Break[];
}

interface Strand {
  next: number;
  hash: string | undefined;
  /** Events that came before their turn. */
  readonly ahead: Map<number, { readonly id: string; readonly previous: string | undefined; readonly hash: string }>;
  broken: Break | undefined;
  /** Whether the hash at the head's place is the head's. */
  isHeadMet: boolean;
}

const PAGE = '500';

/**
 * Follows every chain of AuditEvents from its first event to its head. While the server works, what is written meanwhile is
 * beyond the heads, which are read first.
 * Source: decision 0021
 */
export async function verifyAudit(store: Store, key: Buffer): Promise<StoreResult<Verdict>> {
  const heads = await readHeads(store);
  if (!heads.ok) return heads;
  const strands = new Map<string, Strand>();
  const unlinked: Break[] = [];
  let events = 0;
  for await (const page of pagesOf(store, 'AuditEvent', new URLSearchParams({ _count: PAGE }).toString())) {
    if (!page.ok) return page;
    for (const event of page.value as readonly Stored<AuditEvent>[]) {
      events += 1;
      const link = linkOf(event);
      if (link === undefined) {
        unlinked.push({ kind: 'unlinked', chain: '', sequence: 0, id: event.id });
        continue;
      }
      const strand = strandOf(strands, link.chain);
      const at = { chain: link.chain, sequence: link.sequence, id: event.id };
      if (!isAsLinked(key, event, link)) note(strand, { kind: 'changed', ...at });
      if (link.sequence < strand.next || strand.ahead.has(link.sequence)) note(strand, { kind: 'twice', ...at });
      else strand.ahead.set(link.sequence, { id: event.id, previous: link.previous, hash: link.hash });
      advance(link.chain, strand, heads.value.get(link.chain));
    }
  }
  // A chain that began meanwhile has a head now.
  const isLate = [...strands.keys()].some((chain) => !heads.value.has(chain));
  const later = isLate ? await readHeads(store) : heads;
  if (!later.ok) return later;
  for (const chain of new Set([...heads.value.keys(), ...strands.keys()]))
    conclude(chain, strandOf(strands, chain), heads.value.get(chain), later.value.has(chain));
  const broken = [...strands.values()].flatMap(({ broken: one }) => one ?? []);
  return { ok: true, value: { events, chains: strands.size, breaks: [...broken, ...unlinked] } };
}

function strandOf(strands: Map<string, Strand>, chain: string): Strand {
  const known = strands.get(chain);
  if (known !== undefined) return known;
  const strand: Strand = { next: 1, hash: undefined, ahead: new Map(), broken: undefined, isHeadMet: false };
  strands.set(chain, strand);
  return strand;
}

/** Keeps the break that stands first in the chain. */
function note(strand: Strand, found: Break): void {
  if (strand.broken === undefined || found.sequence < strand.broken.sequence) strand.broken = found;
}

function advance(chain: string, strand: Strand, head: AuditHead | undefined): void {
  for (let one = strand.ahead.get(strand.next); one !== undefined; one = strand.ahead.get(strand.next)) {
    strand.ahead.delete(strand.next);
    if (one.previous !== strand.hash) note(strand, { kind: 'unhinged', chain, sequence: strand.next, id: one.id });
    if (strand.next === head?.sequence) strand.isHeadMet = one.hash === head.hash;
    strand.hash = one.hash;
    strand.next += 1;
  }
}

function conclude(chain: string, strand: Strand, head: AuditHead | undefined, isKnown: boolean): void {
  const at = { chain, sequence: strand.next };
  const end = head?.sequence ?? 0;
  if (strand.ahead.size > 0 && strand.next <= end) note(strand, { kind: 'missing', ...at });
  else if (strand.next <= end) note(strand, { kind: 'cut', ...at });
  else if (end > 0 && !strand.isHeadMet) note(strand, { kind: 'cut', chain, sequence: end });
  if (!isKnown) note(strand, { kind: 'cut', ...at });
}

/** Where each chain must have come to, at least. */
async function readHeads(store: Store): Promise<StoreResult<ReadonlyMap<string, AuditHead>>> {
  const register = await readRecord<AuditChainsRecord>(store, 'ers-audit', 'chains');
  if (!register.ok) return register;
  const heads = new Map<string, AuditHead>();
  for (const chain of register.value?.data.chains ?? []) {
    const head = await readRecord<AuditChainRecord>(store, 'ers-audit', chain);
    if (!head.ok) return head;
    // A registered chain has a head from its first moment on.
    heads.set(chain, head.value?.data ?? { sequence: Number.MAX_SAFE_INTEGER });
  }
  for await (const page of pagesOf(store, 'Basic', recordsQuery('ers-dispatch', Number(PAGE)))) {
    if (!page.ok) return page;
    for (const basic of page.value as readonly Stored<Basic>[]) {
      const record = recordOf<DispatchRecord>(basic);
      if (!record.ok) return record;
      const { audited = NOTHING_YET } = record.value.data;
      if (audited.sequence > 0) heads.set(reviewChain(record.value.key), audited);
    }
  }
  return { ok: true, value: heads };
}

async function* pagesOf(
  store: Store,
  type: 'AuditEvent' | 'Basic',
  query: string,
): AsyncGenerator<StoreResult<readonly Stored[]>> {
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await store.search(type, query, next);
    if (!page.ok) {
      yield page;
      return;
    }
    yield { ok: true, value: page.value.matches };
    next = page.value.next;
  }
}
