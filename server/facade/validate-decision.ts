import type { OperationOutcome, Parameters, ParametersParameter } from '@medplum/fhirtypes';
import {
  buildDecisionRequest,
  CODE_SYSTEM,
  type DecisionCommand,
  type UploadedAttachment,
} from '../../mappings/index.ts';
import { assessFound } from '../decisions/index.ts';
import type { Rules } from '../reviews/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { etagOf } from './etag.ts';
import { refuseForeignReferences } from './limited.ts';
import { decisionOutcome, refuse, successOutcome } from './outcome.ts';
import { readParameters } from './parameters.ts';
import { type Propose, proposePatched, proposeReplaced } from './propose.ts';
import { assess, loadReview, type Review, rulesFor } from './review.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { readStrictJson } from './strict-json.ts';

/** What a Task, or an update of it, means to e-RS. */
interface Verdict {
  readonly outcome: OperationOutcome;
  readonly command?: DecisionCommand;
  readonly attachments?: readonly { readonly reference: string; readonly uploaded?: UploadedAttachment }[];
}

/** e-RS names a file when it is uploaded, just before the decision. */
const URL_BEFORE_UPLOAD = 'Binary/named-by-e-RS-at-upload';

/**
 * `$ers-validate-decision`: what a PATCH (`patch`) or PUT (`task`) would do, or what the Task as it is means to e-RS.
 * Nothing is stored and nobody is called.
 * Source: target-model 5; 4.3
 */
export async function validateDecision(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const propose = readProposal(room, call);
  if (propose !== undefined && isRefusal(propose)) return propose;
  const review = await loadReview(room, call.route.id ?? '');
  if (isRefusal(review)) return review;
  const proposed = propose?.(review.task);
  if (proposed !== undefined && isRefusal(proposed)) return parameters([{ name: 'outcome', resource: proposed.body }]);
  const foreign = proposed && (await refuseForeignReferences(room, call, review.task, proposed.task));
  if (foreign) return parameters([{ name: 'outcome', resource: foreign.body }]);
  const rules = await rulesFor(room, review, proposed?.task ?? review.task);
  if (isRefusal(rules)) return rules;
  const verdict = proposed ? verdictOf(assess(review, proposed.task, rules)) : judgeAsItIs(review, rules);
  const { outcome, command } = verdict;
  const attachments = await shown(room, verdict.attachments ?? []);
  const about = command ? requestParameters(review, command, rules, attachments) : [];
  return parameters([{ name: 'outcome', resource: outcome }, ...about]);
}

function parameters(parameter: ParametersParameter[]): Answer {
  return { status: 200, body: { resourceType: 'Parameters', parameter } satisfies Parameters };
}

function readProposal({ limits }: FacadeRoom, call: Call): Propose | Refusal | undefined {
  const given = readParameters(call, '$ers-validate-decision', ['patch', 'task']);
  if (isRefusal(given)) return given;
  const [patch, task] = [given.get('patch')?.valueString, given.get('task')?.resource];
  if ((given.has('patch') && patch === undefined) || (given.has('task') && task === undefined)) {
    return refuse('parameter-invalid', {
      text: '$ers-validate-decision takes patch, a JSON Patch as valueString, or task, a Task as resource; or neither.',
    });
  }
  if (patch !== undefined && task !== undefined) {
    return refuse('parameter-invalid', { text: 'Give patch or task, not both.' });
  }
  if (task !== undefined) return proposeReplaced(task, limits);
  if (patch === undefined) return undefined;
  const parsed = readStrictJson(patch);
  return parsed.ok
    ? proposePatched(parsed.json, limits)
    : refuse('parameter-invalid', {
        text: `The parameter patch is a JSON Patch as a valueString; this one ${parsed.fault}`,
      });
}

/** A decision that the engine has taken over already is what e-RS will be told, whatever the Task says by now. */
function judgeAsItIs({ task, record }: Review, { context }: Rules): Verdict {
  const { baseline, offered, decision } = record.data;
  if (decision) return decided(decision.command, decision.attachments);
  return verdictOf(assessFound({ baseline, task, offered, context }).assessment);
}

function verdictOf(assessment: ReturnType<typeof assessFound>['assessment']): Verdict {
  switch (assessment.kind) {
    case 'refused':
      return { outcome: decisionOutcome(assessment.issues) };
    case 'decided':
      return decided(
        assessment.command,
        assessment.attachments.map((reference) => ({ reference })),
      );
    default:
      return { outcome: successOutcome('All is well. e-RS would not be called: this is no decision.') };
  }
}

const decided = (command: DecisionCommand, attachments: Verdict['attachments'] = []): Verdict => ({
  attachments,
  outcome: successOutcome(`All is well. e-RS would be told: ${command.decision}.`),
  command,
});

/** The files of a decision as e-RS will be told of them. */
async function shown(
  { store, clock }: FacadeRoom,
  attachments: NonNullable<Verdict['attachments']>,
): Promise<readonly UploadedAttachment[]> {
  const indexed = clock.now().toISOString();
  return Promise.all(
    attachments.map(async ({ reference, uploaded }) => {
      if (uploaded) return uploaded;
      const document = await store.read('DocumentReference', reference.slice('DocumentReference/'.length));
      const { description } = document.ok ? document.value : {};
      return { url: URL_BEFORE_UPLOAD, indexed, ...(description === undefined ? {} : { description }) };
    }),
  );
}

function requestParameters(
  { record }: Review,
  command: DecisionCommand,
  { context: { currentPriority }, reference }: Rules,
  attachments: readonly UploadedAttachment[],
): ParametersParameter[] {
  const { operation, body } = buildDecisionRequest(command, {
    rejectionReasonSystem: reference.system ?? CODE_SYSTEM.appointmentCancellationReason,
    ...(currentPriority === undefined ? {} : { currentPriority }),
    attachments,
  });
  return [
    { name: 'operation', valueCode: operation },
    ...(body === undefined ? [] : [{ name: 'ersRequest', valueString: JSON.stringify(body) }]),
    { name: 'ifMatch', valueString: etagOf(String(record.data.sendable.version)) },
  ];
}
