import { ID_NAMESPACE } from '../ids.ts';
import type { MappedReferral, WorklistName } from '../model.ts';
import { type TracedReferral, traceCancelAnswer, traceReferral } from './referral.ts';
import { leaves, type Source } from './source.ts';
import { type Unmapped, unmappedOf } from './unmapped.ts';
import { ENTRY, type TracedWorklist, traceWorklist } from './worklist.ts';

/** Which mapping a source goes through. */
export type SourceKind = 'referral' | 'cancel-answer' | WorklistName;

/** Paths of every leaf of a source, by what became of it. `unaccounted` must be empty (K3). */
export interface LeafAccount {
  /** By a rule, into a resource or a field. */
  readonly mapped: readonly string[];
  /** Says only how the source is built (rows marked S). */
  readonly structural: readonly string[];
  /** Carried in `ers-unmapped`, found there again, with the same value. */
  readonly kept: readonly string[];
  readonly unaccounted: readonly string[];
}

/**
 * Accounts for each leaf of a source. What is kept is read back from the result, not from the mapping's own notes; a source
 * that cannot be mapped accounts for nothing.
 * Source: G-2
 */
export function accountForLeaves(source: unknown, kind: SourceKind): LeafAccount {
  const { read, kept } = run(source, kind);
  const fates = new Map<string, Exclude<keyof LeafAccount, 'unaccounted'>>();
  for (const fate of ['mapped', 'structural'] as const)
    for (const path of read?.accounted(fate) ?? []) fates.set(path, fate);
  const all = new Map(leaves(source, rootOf(kind)));
  for (const { path, json } of kept)
    for (const [at, value] of leaves(JSON.parse(json), path)) if (all.get(at) === value) fates.set(at, 'kept');
  const having = (fate: keyof LeafAccount) =>
    [...all.keys()].filter((path) => (fates.get(path) ?? 'unaccounted') === fate);
  return {
    mapped: having('mapped'),
    structural: having('structural'),
    kept: having('kept'),
    unaccounted: having('unaccounted'),
  };
}

const rootOf = (kind: SourceKind): string =>
  kind === 'referral' ? 'ReferralRequest' : kind === 'cancel-answer' ? 'Parameters' : 'List';

function run(source: unknown, kind: SourceKind): { read?: Source; kept: readonly Unmapped[] } {
  if (kind === 'referral' || kind === 'cancel-answer') {
    const options = { ids: { patientNamespace: ID_NAMESPACE } };
    const traced: TracedReferral = (kind === 'referral' ? traceReferral : traceCancelAnswer)(source, options);
    return traced.mapped.ok ? { read: traced.source, kept: keptIn(traced.mapped.value) } : { kept: [] };
  }
  const traced = traceWorklist(source, kind);
  return traced.mapped.ok ? { read: traced.source, kept: keptInList(traced) } : { kept: [] };
}

const keptIn = ({ serviceRequest, shortlist, appointment, documents }: MappedReferral): Unmapped[] =>
  [serviceRequest, shortlist, appointment, ...documents.map(({ resource }) => resource)].flatMap((resource) =>
    resource ? unmappedOf(resource) : [],
  );

function keptInList({ mapped, places }: TracedWorklist): Unmapped[] {
  if (!mapped.ok) return [];
  const ofItems = mapped.value.items.flatMap(({ unmapped }, index) =>
    unmapped.map(({ path, json }) => ({ path: `${places[index]}${path.slice(ENTRY.length)}`, json })),
  );
  return [...ofItems, ...mapped.value.unmapped];
}
