import type { NamingSystem } from '@medplum/fhirtypes';
import { CANONICAL_BASE, SYSTEM } from '../mappings/index.ts';
import { CONFORMANCE_DATE, computableName } from './artefact.ts';

/** Source: target-model 2.1, 2.2 */
const MEANING: Readonly<Record<string, string>> = {
  'ers-request': 'A referral to which e-RS gave no request id: its UBRN, marked (I-3).',
  'ers-review-task': 'A request for review: e-RS request id and number of the review (I-4).',
  'ers-appointment': 'An appointment: e-RS request id and appointment id (I-6).',
  'ers-document': 'A document: e-RS request id and attachment id, or cri for the summary (I-7, I-8).',
  'ers-attachment': 'An attachment id as e-RS gave it.',
  'ers-binary': 'The bytes of a document (I-8, I-9).',
  'ers-shortlist': 'The shortlist of a referral, by its e-RS request id (I-5).',
  'ers-slot': 'A slot id as e-RS gave it.',
  device: 'Software that writes here: nhs-ers, engine (I-2).',
};

/** One for each identifier system of ours. Source: target-model 5 */
export const namingSystems: readonly NamingSystem[] = Object.values(SYSTEM)
  .filter((url) => url.startsWith(CANONICAL_BASE))
  .map((url) => {
    const id = url.slice(url.lastIndexOf('/') + 1);
    return {
      resourceType: 'NamingSystem',
      id,
      meta: { versionId: '1', lastUpdated: `${CONFORMANCE_DATE}T00:00:00Z` },
      name: computableName(id),
      status: 'draft',
      kind: 'identifier',
      date: CONFORMANCE_DATE,
      publisher: 'ers-fhir',
      description: MEANING[id] ?? id,
      uniqueId: [{ type: 'uri', value: url, preferred: true }],
    };
  });
