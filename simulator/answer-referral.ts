import type { Answer } from './answers.ts';
import { jsonAnswer } from './answers.ts';
import { versionOf } from './referral-document.ts';
import type { ReferralRequest } from './wire.ts';
import type { Referral } from './world.ts';

/** The resource as e-RS shows it, in every answer that holds it. */
export const shownOf = ({ resource, shownAsNull = [] }: Referral): ReferralRequest => ({
  ...resource,
  ...Object.fromEntries(shownAsNull.map((member) => [member, null])),
});

/** The whole updated referral with its ETag: how A005, A013, A014, A022 and A028 answer. Source: provider-api 5, 6.1. */
export const answerReferral = (referral: Referral): Answer =>
  jsonAnswer(200, shownOf(referral), { ETag: `W/"${versionOf(referral.resource)}"` });
