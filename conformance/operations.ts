import type { OperationDefinition, OperationDefinitionParameter } from '@medplum/fhirtypes';
import { artefact, canonicalOf } from './artefact.ts';
import type { ServedType } from './search-table.ts';

/** An operation that the facade carries out. */
export interface ServedOperation {
  /** Without the dollar sign. */
  readonly code: string;
  /** Absent at the level of the system. */
  readonly type?: ServedType;
  readonly level: 'system' | 'type' | 'instance' | 'both';
  readonly definition: string;
  /** Changes nothing and takes simple parameters, so that R4 lets it be called with GET. */
  readonly isSafe?: boolean;
  /** The body is the file itself, not FHIR. */
  readonly takesFile?: boolean;
}

const input = (name: string, type: string, documentation: string, min = 0): OperationDefinitionParameter =>
  ({ name, use: 'in', min, max: '1', documentation, type }) as OperationDefinitionParameter;
const output = (name: string, type: string, documentation: string, min = 0): OperationDefinitionParameter =>
  ({ name, use: 'out', min, max: '1', documentation, type }) as OperationDefinitionParameter;

function operation(
  code: string,
  resource: 'Task' | 'ServiceRequest' | undefined,
  level: 'system' | 'type' | 'instance',
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
    ...(resource === undefined ? {} : { resource: [resource] }),
    system: level === 'system',
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
    'ers-sign-and-send',
    'Task',
    'type',
    'Send all your waiting decisions to e-RS as a signed-in clinician',
    'Sends, in the one session that the headers carry (as ers-send-decision has them), every decision that waits as awaiting-user-authorisation and is that of the session’s user, or of the clinician acted for: by the user that this server authenticated when the decision was made, else by the author of the note or the owner of the Task. Decisions of nobody known are sent when their Tasks are named, and are taken over by it. What a session that ends on the way does not send waits on. Answers what became of each; 202 while e-RS has not answered for good on one of them.',
    true,
    [
      {
        ...input('task', 'Reference', 'A Task whose waiting decision to send; without any, all of the user’s own.'),
        max: '*',
      },
      output('sent', 'unsignedInt', 'How many e-RS has recorded.', 1),
      output('waiting', 'unsignedInt', 'How many wait on.', 1),
      {
        name: 'result',
        use: 'out',
        min: 0,
        max: '*',
        documentation: 'What became of one decision.',
        part: [
          output('task', 'Reference', 'The Task.', 1),
          output('outcome', 'code', 'sent, waiting, given-back (the Task says why), under-way or not-waiting.', 1),
          output('reason', 'Coding', 'Why it was not sent.'),
        ],
      },
    ],
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
      output(
        'ersRequest',
        'string',
        'The very body that e-RS would get, but for the URL of a file that is not uploaded yet; absent if it gets none.',
      ),
      output('ifMatch', 'string', 'The If-Match that e-RS would get.'),
    ],
  ),
  operation(
    'ers-attach',
    'Task',
    'instance',
    'Keep a file for the decision on a review',
    'The body is the file itself, of a type that e-RS takes, named in Content-Type; at most 5,242,880 bytes. What is said of it goes into headers, so that no free text stands in a URL. Answers 201 with the DocumentReference, which is bound to the Task and its patient: name it in an output of the type attachment in the deciding update. Any decision with an attachment is sent with the session of a signed-in clinician.',
    true,
    [
      input('file', 'Binary', 'The body of the request, raw; its media type is Content-Type.', 1),
      input('title', 'string', 'The file name, in Content-Disposition: attachment; filename="letter.pdf".', 1),
      input('description', 'string', 'At most 200 characters, in Content-Description.'),
      output('return', 'DocumentReference', 'The DocumentReference to name in Task.output.', 1),
    ],
  ),
  operation(
    'ers-reopen',
    'Task',
    'instance',
    'Give a stuck decision back to the reviewers',
    'For operators. Opens a review whose decision is stuck on its way, as requested with the businessStatus delivery-failed, where e-RS is known not to have recorded it: e-RS is read first if an attempt is in doubt. Otherwise 409 with the code that says why: outcome-unknown, task-closed (e-RS has recorded it) or nothing-to-reopen. As long as this server has no authentication it listens on loopback only, and whoever can reach it counts as an operator.',
    true,
    [output('return', 'Task', 'The Task as it then is.', 1)],
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
  operation(
    'ers-poll',
    undefined,
    'system',
    'Read a worklist of a service now',
    'Spends one of the polls that e-RS permits for the service in any 24 hours, from the same ledger as the polls that come by themselves; refused with 429 when none is left. What is new on the list is brought in afterwards.',
    true,
    [
      input('service', 'string', 'The number of the e-RS service.', 1),
      input(
        'list',
        'code',
        'REFERRALS_FOR_REVIEW or APPOINTMENT_SLOT_ISSUES; without it the list of the service whose turn it is.',
      ),
      output('list', 'code', 'The list that was read.', 1),
      output('listed', 'unsignedInt', 'How many referrals are on it.', 1),
      output('changed', 'boolean', 'Whether it says anything else than at the poll before.', 1),
      output(
        'pollsLeft',
        'unsignedInt',
        'How many polls of the service are left now; absent where the limit is lifted.',
      ),
      output('nextPollAt', 'instant', 'When the next one may be spent; absent where the limit is lifted.'),
    ],
  ),
  operation(
    'ers-reconciliation',
    undefined,
    'system',
    'Account for every referral that e-RS ever listed',
    'Made when it is asked for, and never stored: a MeasureReport with a group for each e-RS service. Its populations (ers-account) say how many referrals the worklists ever named (seen), and how many of those are open, decided and explained; seen = open + decided + explained, or some are missing. What a person should look at is in evaluatedResource, a page at a time, each with the extension ers-reconciliation-exception; where the store has nothing else of a referral it is named by its UBRN.',
    false,
    [
      input('service', 'string', 'The number of an e-RS service; without it all of them.'),
      input('count', 'unsignedInt', 'Exceptions on a page: 100 if nothing is said, 1000 at most.'),
      input(
        'offset',
        'unsignedInt',
        'Exceptions to leave out, as the extension ers-reconciliation says of the next page.',
      ),
      output('return', 'MeasureReport', 'The account.', 1),
    ],
  ),
];

const ours = (code: string, type: ServedType | undefined, level: ServedOperation['level']): ServedOperation => ({
  code,
  ...(type === undefined ? {} : { type }),
  level,
  definition: canonicalOf('OperationDefinition', code),
});

/** What the CapabilityStatement names and the facade routes. */
export const servedOperations: readonly ServedOperation[] = [
  ours('ers-send-decision', 'Task', 'instance'),
  ours('ers-sign-and-send', 'Task', 'type'),
  ours('ers-validate-decision', 'Task', 'instance'),
  ours('ers-reopen', 'Task', 'instance'),
  { ...ours('ers-attach', 'Task', 'instance'), takesFile: true },
  ours('ers-refresh', 'ServiceRequest', 'instance'),
  ours('ers-fetch', 'ServiceRequest', 'type'),
  ours('ers-poll', undefined, 'system'),
  { ...ours('ers-reconciliation', undefined, 'system'), isSafe: true },
  {
    code: 'expand',
    type: 'ValueSet',
    level: 'both',
    isSafe: true,
    definition: 'http://hl7.org/fhir/OperationDefinition/ValueSet-expand',
  },
];
