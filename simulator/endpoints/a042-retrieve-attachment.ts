import { emptyAnswer, r4Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { findFile } from '../find-file.ts';
import type { ObjectStore } from '../object-store.ts';

const ID = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|att-\d+-\d+)$/i;

const WHY: Record<string, string> = {
  PENDING:
    'The file is being scanned and cannot be retrieved. Wait at least 5 minutes before checking its availability again.',
  THREATS_FOUND: 'Threats were found in the file and it cannot be retrieved.',
  VALIDATION_FAILED: 'The file failed validation and cannot be retrieved.',
};

/** Sends the caller to the object store for a file, by a link that lives a minute. Source: A042; provider-api 3, 6.7. */
export const retrieveAttachment = (objectStore: ObjectStore): PlainEndpoint => ({
  id: 'A042',
  method: 'GET',
  path: /^\/R4\/Binary\/(?<id>[^/]+)$/,
  fhir: 'R4',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: '*/*',
  isWrite: false,
  subject: 'none',
  answer({ path, caller, url, at }, world) {
    const id = path['id'] ?? '';
    if (!ID.test(id)) return r4Outcome(400, 'REC_BAD_REQUEST', at, 'The id is not that of a file');
    const found = findFile(world, caller, id);
    if (found === 'unknown') return r4Outcome(404, 'REC_NOT_FOUND', at);
    if (found === 'unrelated')
      return r4Outcome(403, 'NO_RELATIONSHIP', at, 'No legitimate relationship with the referral of this file');
    if (found.availability !== 'AVAILABLE') {
      const code = found.availability.replace(' ', '_');
      return r4Outcome(422, code, at, WHY[code]);
    }
    return emptyAnswer(307, { Location: `${url.origin}${objectStore.link(found)}` });
  },
});
