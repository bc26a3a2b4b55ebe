import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import {
  decisionAttachment,
  fileNameOf,
  headerText,
  isNameOfType,
  reviewStatusOf,
  UPLOAD_LIMITS,
  UPLOADABLE_TYPES,
} from '../../mappings/index.ts';
import type { StoreFailure } from '../core/index.ts';
import { groupOf, takesAttachments } from '../decisions/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { versionHeadersOf } from './etag.ts';
import { refuse, refuseForStore } from './outcome.ts';
import { loadReview, type Review } from './review.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

/** What a client says of the file that it sends. */
interface About {
  readonly contentType: string;
  readonly title: string;
  readonly description?: string;
}

/**
 * `$ers-attach`: keeps a file for the decision on a review, as a Binary with a DocumentReference that is bound to the
 * Task and its patient; nothing else comes into being. The file is streamed into the store.
 * Issues: media-type-unsupported, parameter-invalid, body-too-large, each with its element; attachment-not-allowed,
 * task-in-flight, task-closed
 * Source: T-6; docs/decisions/0012
 */
export async function attachFile(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const review = await loadReview(room, call.route.id ?? '');
  if (isRefusal(review)) return review;
  const barred = barredBy(review);
  if (barred) return barred;
  const about = readAbout(call);
  if (isRefusal(about)) return about;
  if (call.file === undefined) return empty();
  return keep(room, review, call.file, about);
}

/** A file is taken only while a decision that may carry it can still be made. */
function barredBy({ task, record }: Review): Refusal | undefined {
  const { offered, decision, ended } = record.data;
  const group = groupOf(reviewStatusOf(task) ?? 'awaiting-review');
  const expression = 'Task.businessStatus';
  if (ended !== undefined || group === 'final') return refuse('task-closed', { expression });
  if (decision !== undefined || group === 'in-flight') {
    const text = 'This review is decided: where the decision can still be taken back, do that first, then attach.';
    return refuse('task-in-flight', { text, expression });
  }
  if (offered.some(takesAttachments)) return undefined;
  const text = `This Task offers ${offered.join(', ') || 'no decision'}: none of that takes an attachment.`;
  return refuse('attachment-not-allowed', { text, expression: 'Task.code' });
}

function readAbout({ headers, query }: Call): About | Refusal {
  const named = [...query.keys()].find((name) => name !== '_format' && name !== '_pretty');
  if (named !== undefined) {
    return refuse('parameter-unknown', {
      text: 'Nothing about the file goes into the URL: send the title in Content-Disposition (filename), the description in Content-Description.',
    });
  }
  const contentType = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const extensions = UPLOADABLE_TYPES.get(contentType);
  if (extensions === undefined) {
    return refuse('media-type-unsupported', {
      text: `e-RS takes files of the types ${[...UPLOADABLE_TYPES.keys()].join(', ')}: name one of them in Content-Type.`,
      expression: 'DocumentReference.content.attachment.contentType',
    });
  }
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    return refuse('media-type-unsupported', {
      text: 'Send the file as it is, without Content-Encoding.',
      expression: 'DocumentReference.content.attachment.contentType',
    });
  }
  if (headers['content-length'] === '0') return empty();
  // A length that is known beforehand saves the client the sending.
  if (Number(headers['content-length'] ?? 0) > UPLOAD_LIMITS.maxBytes) return tooLarge();
  return readNames(headers, contentType, extensions);
}

function readNames(headers: IncomingHttpHeaders, contentType: string, extensions: readonly string[]): About | Refusal {
  const title = fileNameOf(headerText(headers['content-disposition']));
  const max = UPLOAD_LIMITS.maxNameLength;
  if (title === undefined || title.length > max || !isNameOfType(title, contentType)) {
    return refuse('parameter-invalid', {
      text: `Name the file in Content-Disposition: attachment; filename="letter.${extensions[0]}". The name of a file of this type ends with .${extensions.join(' or .')} and has at most ${max} characters.`,
      expression: 'DocumentReference.content.attachment.title',
    });
  }
  const said = headers['content-description'];
  const description = headerText([said].flat()[0])?.trim();
  if ((description ?? '').length > UPLOAD_LIMITS.maxDescriptionLength) {
    return refuse('parameter-invalid', {
      text: `e-RS takes ${UPLOAD_LIMITS.maxDescriptionLength} characters of description: shorten Content-Description.`,
      expression: 'DocumentReference.description',
    });
  }
  return { contentType, title, ...(description ? { description } : {}) };
}

async function keep(room: FacadeRoom, { task }: Review, file: Readable, about: About): Promise<Answer> {
  const { store, clock } = room;
  const patient = task.for?.reference;
  const stored = await store.putBinary(file, {
    contentType: about.contentType,
    maxBytes: UPLOAD_LIMITS.maxBytes,
    ...(patient === undefined ? {} : { securityContext: patient }),
  });
  if (!stored.ok) {
    // Nothing was kept. Of what a store may call invalid here only the size is the client's to mend.
    return stored.code === 'invalid' ? tooLarge() : refuseForStore(stored);
  }
  const { id: binaryId, size, sha1 } = stored.value;
  const forget = () => store.remove('Binary', binaryId);
  if (size === 0) {
    await forget();
    return empty();
  }
  const at = clock.now().toISOString();
  const document = decisionAttachment(task, { ...about, binaryId, size, sha1 }, { serial: randomUUID(), at });
  const created = await store.create(document);
  if (!created.ok) {
    if (NOTHING_DONE.has(created.code)) await forget();
    return refuseForStore(created);
  }
  const { resource } = created.value;
  room.log.info('facade.file.attached', { taskId: task.id, bytes: size });
  return {
    status: 201,
    body: resource,
    headers: { ...versionHeadersOf(resource), Location: `${room.baseUrl}/DocumentReference/${resource.id}` },
  };
}

/**
 * What says for certain that no DocumentReference was created. After any other failure there may be one, and its file stays:
 * a file that nothing names harms nobody, a document without its file does.
 */
const NOTHING_DONE: ReadonlySet<StoreFailure['code']> = new Set([
  'invalid',
  'conflict',
  'multiple-matches',
  'not-supported',
]);

const tooLarge = (): Refusal =>
  refuse('body-too-large', {
    text: `e-RS takes files of at most ${UPLOAD_LIMITS.maxBytes} bytes (5 MB): send a smaller one.`,
    expression: 'DocumentReference.content.attachment.size',
  });

const empty = (): Refusal =>
  refuse('body-unreadable', {
    text: 'The body is empty: send the bytes of the file as the body.',
    expression: 'DocumentReference.content.attachment.size',
  });
