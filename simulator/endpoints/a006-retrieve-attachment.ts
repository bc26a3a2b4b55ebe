import { emptyAnswer, stu3Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { findFile } from '../find-file.ts';
import { dispositionOf } from '../object-store.ts';
import { chunksOf, lengthOf } from '../sample-files.ts';
import { isOtherwise } from '../world.ts';

const LARGEST_BYTES = 5_242_880;

/** Serves a file of at most 5 MB; deprecated for A042. Source: A006; provider-api 6.7. */
export const retrieveSmallAttachment: PlainEndpoint = {
  id: 'A006',
  method: 'GET',
  path: /^\/STU3\/Binary\/(?<id>[^/]+)$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: '*/*',
  isWrite: false,
  subject: 'none',
  answer(call, world) {
    // Its retirement was announced [F]; whether it is still served is not known
    if (isOtherwise(world, 'A006 is retired')) return emptyAnswer(404);
    const found = findFile(world, call.caller, call.path['id'] ?? '');
    if (found === 'unknown') return emptyAnswer(404);
    if (found === 'unrelated')
      return stu3Outcome(422, 'NO_RELATIONSHIP', 'No legitimate relationship with the referral of this file');
    if (found.availability !== 'AVAILABLE') return stu3Outcome(422, found.availability.replace(' ', '_'));
    const length = lengthOf(found);
    if (length > LARGEST_BYTES) return stu3Outcome(422, 'FILE_SIZE_ERROR', 'The file exceeds 5 MB');
    return {
      status: 200,
      headers: {
        'Content-Type': found.contentType,
        'Content-Disposition': dispositionOf(found.title),
        'Content-Length': String(length),
      },
      body: chunksOf(found),
    };
  },
};
