import type {
  CapabilityStatement,
  CapabilityStatementRestResource,
  CapabilityStatementRestSecurity,
} from '@medplum/fhirtypes';
import { ukCoreProfile } from '../mappings/index.ts';
import { artefact, CONFORMANCE_DATE, canonicalOf } from './artefact.ts';
import { interactionsOf, type StoreFeatures } from './interactions.ts';
import { servedOperations } from './operations.ts';
import {
  includesOf,
  isConformanceType,
  revIncludesOf,
  SERVED_TYPES,
  type ServedType,
  searchEntriesOf,
} from './search-table.ts';

/** Profiles that resources of a type claim (target-model 3). */
const PROFILES: Partial<Record<ServedType, readonly string[]>> = {
  Appointment: [ukCoreProfile('Appointment')],
  DocumentReference: [canonicalOf('StructureDefinition', 'ers-document-reference')],
  HealthcareService: [ukCoreProfile('HealthcareService')],
  List: [ukCoreProfile('List')],
  Patient: [ukCoreProfile('Patient')],
  Provenance: [ukCoreProfile('Provenance')],
  ServiceRequest: [
    canonicalOf('StructureDefinition', 'ers-service-request'),
    canonicalOf('StructureDefinition', 'ers-advice-request'),
  ],
  Task: [canonicalOf('StructureDefinition', 'ers-review-task')],
};

export interface StatementOptions {
  /** Origin, and path if any, under which `/fhir/R4` is reached. */
  readonly publicUrl: string;
  readonly capabilities: StoreFeatures;
  /** Of the software. */
  readonly version: string;
  /** How callers prove who they are; absent: nobody is asked. */
  readonly access?: { readonly tokenUrl: string | undefined };
}

/** What this server does, no more and no less; a test walks it. Source: target-model 5 (`ers-facade`) */
export function capabilityStatement({
  publicUrl,
  capabilities,
  version,
  access,
}: StatementOptions): CapabilityStatement {
  return {
    ...artefact(
      'CapabilityStatement',
      'ers-facade',
      'e-RS referrals in FHIR R4',
      'Referrals of the NHS e-Referral Service, read-only, and review Tasks that carry decisions back to it.',
    ),
    date: CONFORMANCE_DATE,
    kind: 'instance',
    software: { name: 'ers-fhir', version },
    implementation: { description: 'ers-fhir', url: `${publicUrl}/fhir/R4` },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    patchFormat: ['application/json-patch+json'],
    rest: [
      {
        mode: 'server',
        documentation:
          'Every update needs If-Match. Patient identifiers are best sent in the body of POST [type]/_search. An unknown search parameter is refused unless Prefer: handling=lenient is sent.',
        security: security(access),
        resource: SERVED_TYPES.map((type) => served(type, capabilities)),
        operation: servedOperations
          .filter(({ level }) => level === 'system')
          .map(({ code, definition, isSafe }) => ({
            name: code,
            definition,
            ...(isSafe
              ? { documentation: 'Can be called with GET. What it answers is computed and never stored.' }
              : {}),
          })),
      },
    ],
  };
}

/** Source: SMART App Launch 2.2, "Declaring support for OAuth2 endpoints" */
function security(access: StatementOptions['access']): CapabilityStatementRestSecurity {
  if (access === undefined)
    return { cors: false, description: 'Nobody is asked who they are: the server listens on loopback only.' };
  const { tokenUrl } = access;
  return {
    ...(tokenUrl === undefined
      ? {}
      : {
          extension: [
            {
              url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris',
              extension: [{ url: 'token', valueUri: tokenUrl }],
            },
          ],
        }),
    cors: false,
    service: [
      {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' }],
      },
    ],
    description:
      'Every request but for this statement and .well-known/smart-configuration carries a bearer token (SMART backend services) with the scope of what it does: system/[type].r to read, .s to search, system/Task.u to decide, ers/operator for AuditEvents and the operations of operators.',
  };
}

function served(type: ServedType, features: StoreFeatures): CapabilityStatementRestResource {
  const custom = features.customSearchParameters;
  const includes = includesOf(type, custom);
  const revIncludes = revIncludesOf(type, custom);
  const operations = servedOperations.filter((operation) => operation.type === type);
  const profiles = PROFILES[type];
  const entries = searchEntriesOf(type, custom);
  return {
    type,
    ...(profiles === undefined ? {} : { supportedProfile: [...profiles] }),
    interaction: interactionsOf(type, features).map((code) => ({ code })),
    versioning:
      type === 'Task' ? 'versioned-update' : isConformanceType(type) || type === 'Binary' ? 'no-version' : 'versioned',
    readHistory: interactionsOf(type, features).includes('history-instance'),
    updateCreate: false,
    conditionalCreate: false,
    conditionalRead: 'full-support',
    conditionalUpdate: false,
    conditionalDelete: 'not-supported',
    ...(includes.length > 0 && type !== 'Binary' ? { searchInclude: [...includes] } : {}),
    ...(entries.length > 0 && revIncludes.length > 0 ? { searchRevInclude: [...revIncludes] } : {}),
    ...(entries.length > 0
      ? { searchParam: entries.map(({ code, type: kind, definition }) => ({ name: code, definition, type: kind })) }
      : {}),
    ...(operations.length > 0
      ? { operation: operations.map(({ code, definition }) => ({ name: code, definition })) }
      : {}),
  };
}

/** What a client must do. Source: target-model 5 (`ers-facade-client`), 4.3, T-8 */
export const clientRequirements: CapabilityStatement = {
  ...artefact(
    'CapabilityStatement',
    'ers-facade-client',
    'What an EPR must do',
    'Requirements of a system that decides referrals through review Tasks.',
  ),
  kind: 'requirements',
  fhirVersion: '4.0.1',
  format: ['application/fhir+json'],
  patchFormat: ['application/json-patch+json'],
  rest: [
    {
      mode: 'client',
      documentation:
        'Treat a decision as recorded only when businessStatus is in ers-review-status-final. Watch for Tasks that return to requested: e-RS did not record the decision. Send patient identifiers in the body of POST [type]/_search.',
      resource: [
        {
          type: 'Task',
          profile: canonicalOf('StructureDefinition', 'ers-review-task'),
          documentation:
            'Send every update with the ETag of the Task as it was shown to the reviewer in If-Match. Decide with one update. On 412 read again and let the reviewer decide again. Change no element that the profile gives to the engine; add notes, never alter them.',
          interaction: [{ code: 'read' }, { code: 'search-type' }, { code: 'patch' }],
          searchParam: [
            { name: 'status', type: 'token' },
            { name: 'business-status', type: 'token' },
          ],
        },
        { type: 'ServiceRequest', interaction: [{ code: 'read' }] },
        { type: 'Patient', interaction: [{ code: 'read' }] },
        { type: 'DocumentReference', interaction: [{ code: 'read' }] },
        { type: 'Binary', interaction: [{ code: 'read' }] },
        {
          type: 'ValueSet',
          documentation: 'Offer the rejection reasons that $expand answers today.',
          operation: [{ name: 'expand', definition: 'http://hl7.org/fhir/OperationDefinition/ValueSet-expand' }],
        },
      ],
    },
  ],
};
