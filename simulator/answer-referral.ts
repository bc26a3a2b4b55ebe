import type { Answer } from './answers.ts';
import { jsonAnswer } from './answers.ts';
import { versionOf } from './referral-document.ts';
import type { Referral } from './world.ts';

/** The whole updated referral with its ETag: how A013, A014, A022 and A028 answer. Source: provider-api 6.1. */
export const answerReferral = ({ resource }: Referral): Answer =>
  jsonAnswer(200, resource, { ETag: `W/"${versionOf(resource)}"` });
