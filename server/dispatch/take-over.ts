import { randomUUID } from 'node:crypto';
import type { Task } from '@medplum/fhirtypes';
import { type DecisionCommand, isSameJson, reviewStatusOf } from '../../mappings/index.ts';
import type { DispatchRecord } from '../core/index.ts';
import {
  type AssessContext,
  assessFound,
  type DecisionIssue,
  invalid,
  type QueuedDecision,
  type StepResult,
  withClientNotes,
} from '../decisions/index.ts';

/** What the engine made of a Task as it found it. `step`: what has to be written first, if anything. */
export interface TakenOver {
  readonly step?: StepResult;
  /** Elements that were restored: somebody wrote what only the engine writes. */
  readonly repaired: readonly string[];
  readonly refused: readonly DecisionIssue[];
}

/**
 * Takes over what others wrote on a Task: adopts a valid decision into the record, notes a claim, a note or an owner,
 * gives an invalid decision back (E-9c), restores what was forged, and what was changed too late.
 * Source: architecture 4; E-2, E-9c, T-1..T-16
 */
export function takeOver(
  found: Task | undefined,
  given: DispatchRecord,
  context: AssessContext,
  now: string,
): TakenOver {
  const { deciding, ...record } = given;
  const { baseline } = record;
  if (found === undefined) return { step: { task: baseline, record }, repaired: ['Task'], refused: [] };
  const { assessment, forged } = assessFound({ baseline, task: found, offered: record.offered, context });
  const repaired = forged.length === 0 ? {} : { repaired: forged };
  const nothing: TakenOver = { repaired: [], refused: [] };
  switch (assessment.kind) {
    case 'unchanged':
      // What the facade noted of a decision that is no more is not the next one's.
      if (forged.length === 0 && deciding === undefined) return nothing;
      return { ...nothing, ...repaired, step: { task: baseline, record } };
    case 'annotated':
      return {
        ...nothing,
        ...repaired,
        step: { task: assessment.task, record: { ...record, baseline: assessment.task } },
      };
    case 'taken-back': {
      const { decision: _, ...rest } = record;
      return {
        ...nothing,
        ...repaired,
        step: { task: assessment.task, record: { ...rest, baseline: assessment.task } },
      };
    }
    case 'decided':
      return {
        ...nothing,
        ...repaired,
        step: {
          task: assessment.task,
          record: {
            ...record,
            baseline: assessment.task,
            decision: {
              id: randomUUID(),
              code: assessment.decision,
              command: assessment.command,
              queuedAt: now,
              ...(assessment.attachments.length === 0
                ? {}
                : { attachments: assessment.attachments.map((reference) => ({ reference })) }),
              ...(assessment.decider === undefined ? {} : { decider: assessment.decider }),
              ...howDecided(deciding, assessment.command),
              attempts: 0,
              resendUsed: false,
              probeUsed: false,
              wasUnknown: false,
              isUnknowable: false,
            },
          },
        },
      };
    case 'refused':
      return refuse(found, record, assessment.issues, forged);
  }
}

/** What the facade wrote beside a decision, if it is this one. */
function howDecided(
  deciding: DispatchRecord['deciding'],
  command: DecisionCommand,
): Pick<QueuedDecision, 'id' | 'user' | 'isInSession'> {
  if (deciding === undefined || !isSameJson(deciding.command, command)) return {};
  const { id, user, isInSession } = deciding;
  return {
    ...(id === undefined ? {} : { id }),
    ...(user === undefined ? {} : { user }),
    ...(isInSession ? { isInSession } : {}),
  };
}

/** A closed Task and one whose decision is being sent are restored; any other is given back with the reasons (E-9c). */
export function refuse(
  found: Task,
  record: DispatchRecord,
  issues: readonly DecisionIssue[],
  forged: readonly string[],
): TakenOver {
  const isBeingSent =
    record.decision?.wasUnknown ||
    record.decision?.lastAttempt?.outcome === 'unknown' ||
    reviewStatusOf(record.baseline) === 'decision-sending';
  if (record.ended !== undefined || isBeingSent) {
    return {
      step: { task: record.baseline, record },
      repaired: forged.length > 0 ? forged : ['status'],
      refused: issues,
    };
  }
  const { decision: _, ...rest } = record;
  return {
    step: invalid({ task: withClientNotes(record.baseline, found), record: rest }, issues),
    repaired: forged,
    refused: issues,
  };
}
