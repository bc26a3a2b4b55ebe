import { isConformanceType, type ServedType } from './search-table.ts';

export type Interaction = 'read' | 'vread' | 'history-instance' | 'history-type' | 'search-type' | 'update' | 'patch';

/** What the capabilities of the store decide about the facade. */
export interface StoreFeatures {
  readonly typeHistory: boolean;
  readonly customSearchParameters: boolean;
}

/** What may be done with a type: the CapabilityStatement says it, and the facade allows just that. Source: target-model 5 */
export function interactionsOf(type: ServedType, features: StoreFeatures): readonly Interaction[] {
  if (type === 'Binary') return ['read'];
  if (isConformanceType(type)) return ['read', 'search-type'];
  const reads: Interaction[] = ['read', 'vread', 'history-instance'];
  if (features.typeHistory) reads.push('history-type');
  reads.push('search-type');
  return type === 'Task' ? [...reads, 'update', 'patch'] : reads;
}
