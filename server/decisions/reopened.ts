import type { CodeableConcept, OperationOutcomeIssue, Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, type DecisionCode, makeOutput, type OpenStatus, withReviewStatus } from '../../mappings/index.ts';
import { withOutputs, withoutDecision } from './task-elements.ts';

/** Why a decision was not recorded: what the Task shows of it. */
export interface Failure {
  readonly businessStatus: OpenStatus;
  /** Shown as statusReason: the first coding's code is what an engineer looks up in docs/errors.md. */
  readonly reason: CodeableConcept;
  readonly issues: readonly OperationOutcomeIssue[];
  /** Absent where no decision could be read at all. */
  readonly failed?: DecisionCode;
}

/**
 * The Task open again after a decision that e-RS did not record: back in every worklist query, with the reason, the
 * failed decision and a contained OperationOutcome; the decision's parameters are gone, its notes stay.
 * Source: target-model E-5, E-6, E-9; 4.8 "Not recorded"
 */
export function reopened(task: Task, offered: readonly DecisionCode[], failure: Failure): Task {
  const open = withoutDecision(task, offered);
  const failed =
    failure.failed === undefined
      ? []
      : [
          makeOutput('failed-decision', {
            valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.decision, code: failure.failed }] },
          }),
        ];
  return withReviewStatus(
    withOutputs(
      {
        ...open,
        contained: [
          ...(open.contained ?? []),
          { resourceType: 'OperationOutcome', id: 'outcome', issue: [...failure.issues] },
        ],
        status: 'requested',
        statusReason: failure.reason,
      },
      [...failed, makeOutput('outcome', { valueReference: { reference: '#outcome' } })],
    ),
    failure.businessStatus,
  );
}
