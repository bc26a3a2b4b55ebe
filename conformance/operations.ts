import type { OperationDefinition, OperationDefinitionParameter } from '@medplum/fhirtypes';
import { artefact, canonicalOf } from './artefact.ts';
import type { ServedType } from './search-table.ts';

/** An operation that the facade carries out. */
export interface ServedOperation {
  /** Without the dollar sign. */
  readonly code: string;
  readonly type: ServedType;
  readonly level: 'type' | 'instance' | 'both';
  readonly definition: string;
}

const input = (name: string, type: string, documentation: string, min = 0): OperationDefinitionParameter =>
  ({ name, use: 'in', min, max: '1', documentation, type }) as OperationDefinitionParameter;
const output = (name: string, type: string, documentation: string, min = 0): OperationDefinitionParameter =>
  ({ name, use: 'out', min, max: '1', documentation, type }) as OperationDefinitionParameter;

function operation(
  code: string,
  resource: 'Task' | 'ServiceRequest',
  level: 'type' | 'instance',
  title: string,
  description: string,
  affectsState: boolean,
  parameter: OperationDefinitionParameter[],
): OperationDefinition {
  return {
    ...artefact('OperationDefinition', code, title, description),
    kind: 'operation',
    affectsState,
    code,
    resource: [resource],
    system: false,
    type: level === 'type',
    instance: level === 'instance',
    parameter,
  };
}

/** Those that are carried out here; the others of target-model 5 are published when they are. */
export const operationDefinitions: readonly OperationDefinition[] = [
  operation(
    'ers-send-decision',
    'Task',
    'instance',
    'Send a decision to e-RS as a signed-in clinician',
    'Sends the decision that waits on the Task. The session comes in the headers NHSD-User-Authorization (Bearer), NHSD-End-User-Organisation-ODS, NHSD-eRS-Business-Function and NHSD-eRS-On-Behalf-Of-User-ID; it is never stored. Answers the Task as it then is.',
    true,
    [output('return', 'Task', 'The Task as it then is.', 1)],
  ),
  operation(
    'ers-validate-decision',
    'Task',
    'instance',
    'Try a decision without making it',
    'Judges an update of the Task, or the Task as it is, by the rules that a PATCH or PUT meets. Stores nothing, calls nobody.',
    false,
    [
      input('patch', 'string', 'The JSON Patch that would be sent, as a string.'),
      input('task', 'Task', 'The Task that would be sent with PUT.'),
      output('outcome', 'OperationOutcome', 'Every rule that is broken, or that all is well.', 1),
      output('operation', 'code', 'The e-RS operation that would be called; absent if none would be.'),
      output('ersRequest', 'string', 'The very body that e-RS would get; absent if it gets none.'),
      output('ifMatch', 'string', 'The If-Match that e-RS would get.'),
    ],
  ),
  operation(
    'ers-refresh',
    'ServiceRequest',
    'instance',
    'Read the referral from e-RS now',
    'Answers the referral as it then is in the store.',
    true,
    [output('return', 'ServiceRequest', 'The referral.', 1)],
  ),
  operation(
    'ers-fetch',
    'ServiceRequest',
    'type',
    'Bring a referral in by its UBRN',
    'Lands a referral whether or not it is on a worklist.',
    true,
    [
      input('ubrn', 'string', 'The unique booking reference number, 12 digits.', 1),
      output('return', 'ServiceRequest', 'The referral.', 1),
    ],
  ),
];

const ours = (code: string, type: ServedType, level: ServedOperation['level']): ServedOperation => ({
  code,
  type,
  level,
  definition: canonicalOf('OperationDefinition', code),
});

/** What the CapabilityStatement names and the facade routes. */
export const servedOperations: readonly ServedOperation[] = [
  ours('ers-send-decision', 'Task', 'instance'),
  ours('ers-validate-decision', 'Task', 'instance'),
  ours('ers-refresh', 'ServiceRequest', 'instance'),
  ours('ers-fetch', 'ServiceRequest', 'type'),
  {
    code: 'expand',
    type: 'ValueSet',
    level: 'both',
    definition: 'http://hl7.org/fhir/OperationDefinition/ValueSet-expand',
  },
];
