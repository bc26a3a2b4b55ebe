import type { Provenance } from '@medplum/fhirtypes';
import {
  deviceKey,
  ersDeviceReference,
  type IdSpace,
  type ReferralFacts,
  referenceTo,
  requestKey,
  ukCoreProfile,
} from '../../mappings/index.ts';

const participant = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code }],
});

/**
 * Where a version of a referral came from: e-RS is its author, this engine assembled it.
 * Source: model on one page; I-9b
 */
export function importProvenance(facts: ReferralFacts, ids: IdSpace, isNew: boolean, recorded: string): Provenance {
  const { system, value } = requestKey(facts.requestId);
  const engine = deviceKey('engine');
  return {
    resourceType: 'Provenance',
    meta: { profile: [ukCoreProfile('Provenance')] },
    target: [referenceTo('ServiceRequest', ids, { system, value })],
    recorded,
    activity: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/v3-DataOperation',
          code: isNew ? 'CREATE' : 'UPDATE',
        },
      ],
    },
    agent: [
      { type: participant('author'), who: ersDeviceReference(ids) },
      {
        type: participant('assembler'),
        who: referenceTo('Device', ids, engine, { identifier: { system: engine.system, value: engine.value } }),
      },
    ],
    entity: [{ role: 'source', what: { identifier: { system, value: `${value}/_history/${facts.version}` } } }],
  };
}
