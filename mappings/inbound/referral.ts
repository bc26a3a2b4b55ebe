import type { MappingIssue } from '../issues.ts';
import type { Mapped, MappedReferral } from '../model.ts';
import { Findings, readStructure } from './elements.ts';
import { readIdentity } from './identity.ts';
import { mapParts, type ReferralOptions, type ReferralSource } from './parts.ts';
import { Source } from './source.ts';

/** A mapping with the source that it read, which knows what became of each leaf. */
export interface TracedReferral {
  readonly mapped: Mapped<MappedReferral>;
  readonly source: Source;
}

/**
 * Maps a ReferralRequest: A005, or the body of A013, A014, A022, A028.
 * Issues: REQUIRED_ELEMENT_MISSING forbids a value (G-1); every other one goes with it
 * Source: target-model 1.1, 1.2, 1.4..1.6
 */
export function mapReferral(source: unknown, options: ReferralOptions): Mapped<MappedReferral> {
  return traceReferral(source, options).mapped;
}

/**
 * Maps the answer of A036: Parameters with the updated referral and, if its appointment was cancelled with it, that.
 * Source: A036; I-13
 */
export function mapCancelAnswer(source: unknown, options: ReferralOptions): Mapped<MappedReferral> {
  return traceCancelAnswer(source, options).mapped;
}

export function traceCancelAnswer(source: unknown, options: ReferralOptions): TracedReferral {
  const answer = new Source(source, 'Parameters');
  const resource = (name: string) =>
    answer
      .get('parameter')
      .items()
      .find((one) => one.get('name').peek() === name)
      ?.get('resource');
  const referral = resource('updatedReferralRequest');
  if (!referral) return { mapped: failed('Parameters.parameter'), source: answer };
  readStructure(answer, 'Parameters', ['eRS-CancelReferral-Response-Parameters-1']);
  for (const one of answer.get('parameter').items())
    one.get('name').structuralIf((name) => name === 'updatedReferralRequest' || name === 'updatedAppointment');
  const updatedAppointment = resource('updatedAppointment');
  return trace({ root: answer, referral, ...(updatedAppointment && { updatedAppointment }) }, options);
}

export function traceReferral(source: unknown, options: ReferralOptions): TracedReferral {
  const root = new Source(source, 'ReferralRequest');
  return trace({ root, referral: root }, options);
}

function trace(source: ReferralSource, options: ReferralOptions): TracedReferral {
  const findings = new Findings();
  const identity = readIdentity(source.referral, findings);
  if (!identity) return { mapped: { ok: false, issues: findings.issues }, source: source.root };
  const value = mapParts(source, identity, findings, options);
  return { mapped: { ok: true, value, issues: distinct(findings.issues) }, source: source.root };
}

const failed = (at: string): Mapped<never> => ({ ok: false, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at }] });

const distinct = (issues: readonly MappingIssue[]): MappingIssue[] => [
  ...new Map(issues.map((issue) => [`${issue.code} ${issue.at}`, issue])).values(),
];
