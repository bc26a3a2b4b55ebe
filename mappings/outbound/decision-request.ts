import type { DecisionCommand, DecisionOperation, ErsPriority, UploadedAttachment } from '../model.ts';
import { CODE_SYSTEM, ersProfile } from '../systems.ts';
import { DECISION_OPERATION, OPERATION_PATH, REVIEW_OUTCOME } from '../tables/operations.ts';

/** What a decision needs to know of the e-RS environment that it goes to, and of the referral. */
export interface DecisionEnvironment {
  /** The `url` of APPOINTMENT-CANCELLATION-REASON in that environment's A004 answer (G-3: never a constant). */
  readonly rejectionReasonSystem: string;
  /** Sent with accept, refer/book later when the reviewer named none (4.3). */
  readonly currentPriority?: ErsPriority;
  readonly attachments: readonly UploadedAttachment[];
}

/** A decision as e-RS takes it; `path` goes below `ReferralRequest/{ubrn}/`. A013 has no body. */
export interface DecisionRequest {
  readonly operation: DecisionOperation;
  readonly path: string;
  readonly body?: object;
}

interface Parameter {
  readonly name: string;
  readonly valueString?: string;
  readonly valueBoolean?: boolean;
  readonly valueCoding?: { readonly system: string; readonly code: string };
  readonly resource?: object;
}

/**
 * Builds the e-RS call for a decision; STU3 Parameters for A014, A022 and A028.
 * Source: A013, A014, A022, A028; target-model 4.3; provider-api 6.1
 */
export function buildDecisionRequest(command: DecisionCommand, environment: DecisionEnvironment): DecisionRequest {
  const operation = DECISION_OPERATION[command.decision];
  const path = OPERATION_PATH[operation];
  switch (command.decision) {
    case 'accept':
      return { operation, path };
    case 'reject':
      return {
        operation,
        path,
        body: parameters('eRS-RejectReferral-Parameters-1', [
          coding('rejectionReason', environment.rejectionReasonSystem, command.reason),
          text('rejectionComments', command.comment),
          flag('appointmentCancelledInPAS', command.appointmentCancelledInPas),
        ]),
      };
    case 'redirect':
      return {
        operation,
        path,
        body: parameters('eRS-cancelAppointmentActionLater-Parameters-1', [
          text('comments', command.comment),
          coding('priority', CODE_SYSTEM.priority, command.priority),
          flag('appointmentCancelledInPAS', command.appointmentCancelledInPas),
          ...files('providerAttachmentFile', environment.attachments),
        ]),
      };
    case 'accept-book-later':
      return {
        operation,
        path,
        body: reviewOutcome(command, command.priority ?? environment.currentPriority, environment.attachments),
      };
    case 'return-with-advice':
      // The priority is left out: e-RS takes only the current one here, and its own examples send none (6.1).
      return { operation, path, body: reviewOutcome(command, undefined, environment.attachments) };
  }
}

function reviewOutcome(
  command: Extract<DecisionCommand, { decision: 'accept-book-later' | 'return-with-advice' }>,
  priority: ErsPriority | undefined,
  attachments: readonly UploadedAttachment[],
): object {
  return parameters('eRS-RecordReviewOutcome-Parameters-1', [
    coding('reviewOutcome', CODE_SYSTEM.reviewOutcome, REVIEW_OUTCOME[command.decision]),
    text('reviewComments', command.comment),
    coding('reviewPriority', CODE_SYSTEM.priority, priority),
    ...files('reviewAttachmentFile', attachments),
  ]);
}

const parameters = (profile: string, parameter: readonly (Parameter | undefined)[]) => ({
  resourceType: 'Parameters',
  meta: { profile: [ersProfile(profile)] },
  parameter: parameter.filter((one) => one !== undefined),
});

const text = (name: string, value: string | undefined): Parameter | undefined =>
  value === undefined ? undefined : { name, valueString: value };

const flag = (name: string, value: boolean | undefined): Parameter | undefined =>
  value === undefined ? undefined : { name, valueBoolean: value };

const coding = (name: string, system: string, code: string | undefined): Parameter | undefined =>
  code === undefined ? undefined : { name, valueCoding: { system, code } };

const files = (name: string, attachments: readonly UploadedAttachment[]): Parameter[] =>
  attachments.map(({ url, description, indexed }) => ({
    name,
    resource: {
      meta: { profile: [ersProfile('eRS-DocumentReference-1')] },
      resourceType: 'DocumentReference',
      type: { coding: [{ system: CODE_SYSTEM.attachmentType, code: 'PROVIDER' }] },
      status: 'current',
      indexed,
      ...(description === undefined ? {} : { description }),
      content: [{ attachment: { url } }],
    },
  }));
