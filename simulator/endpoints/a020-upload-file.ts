import { emptyAnswer, stu3Outcome, textAnswer } from '../answers.ts';
import type { CheckedCall, PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { UPLOADABLE } from '../sample-files.ts';
import { addFile } from '../world.ts';

const LARGEST_BYTES = 5_242_880;
const LONGEST_NAME = 255;
const SCAN_MS = 120_000;

const headerOf = (call: CheckedCall, name: string): string | undefined => {
  const value = call.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Takes a file, to be linked soon to the referral that it names. Source: A020; provider-api 3, 6.7. */
export const uploadFile: PlainEndpoint = {
  id: 'A020',
  method: 'POST',
  path: /^\/STU3\/Binary$/,
  fhir: 'STU3',
  isOpenToApplications: false,
  roles: CLINICAL,
  body: 'raw',
  answers: '*/*',
  isWrite: false,
  subject: 'none',
  answer(call, world) {
    const contentType = call.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
    if (!contentType) return textAnswer(415, 'Unsupported Media Type');
    const title = headerOf(call, 'nhsd-ers-file-name');
    if (!title) return stu3Outcome(422, 'MISSING_VALUE', "'NHSD-eRS-File-Name' is missing");
    if (title.length > LONGEST_NAME)
      return stu3Outcome(422, 'INVALID_VALUE', `'NHSD-eRS-File-Name' exceeds ${LONGEST_NAME} characters`);
    const extensions = UPLOADABLE[contentType];
    if (!extensions) return stu3Outcome(422, 'INAPPROPRIATE_VALUE', 'This type of file is not supported');
    const extension = /\.([^.]+)$/.exec(title)?.[1]?.toLowerCase();
    if (extension === undefined) return stu3Outcome(422, 'INVALID_VALUE', "'NHSD-eRS-File-Name' has no extension");
    if (!extensions.includes(extension))
      return stu3Outcome(422, 'CONFLICTING_VALUES', 'The extension does not belong to the type');
    if (call.body.length === 0 || call.body.length > LARGEST_BYTES)
      return stu3Outcome(422, 'FILE_SIZE_ERROR', 'The file is empty or exceeds 5 MB');
    const ubrn = headerOf(call, 'nhsd-ers-referral-id');
    const binaryId = world.dice.uuid();
    addFile(world, {
      binaryId,
      title,
      contentType,
      size: call.body.length,
      content: call.body,
      availability: 'PENDING',
      settlesAt: call.at.getTime() + SCAN_MS,
      upload: {
        ...(ubrn !== undefined && { ubrn }),
        at: call.at.getTime(),
        linked: false,
        userId: call.caller.userId,
        odsCode: call.caller.organisation,
      },
    });
    return emptyAnswer(201, { Location: `Binary/${binaryId}` });
  },
};
