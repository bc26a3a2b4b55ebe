import { Readable } from 'node:stream';
import type { Answer } from './answer.ts';
import { isUnmodified, versionHeaders } from './etag.ts';
import { wantsFhirBinary } from './negotiate.ts';
import { refuse, refuseForStore } from './outcome.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

/**
 * A file: its bytes, or a Binary resource when FHIR JSON is asked for; streamed either way. Files that belong to no
 * patient's record (raw answers of e-RS, kept for the engine) are not shown.
 * Source: R4 binary.html; M-117
 */
export async function readBinary({ store }: FacadeRoom, call: Call<RouteOf<'read'>>): Promise<Answer> {
  const { id } = call.route;
  const about = await store.read('Binary', id);
  if (!about.ok) return refuseForStore(about);
  if (about.value.securityContext === undefined) return refuse('resource-not-found');
  const opened = await store.openBinary(id);
  if (!opened.ok) return refuseForStore(opened);
  const { stream, contentType, size, versionId, lastUpdated } = opened.value;
  const headers = { ...versionHeaders(versionId, lastUpdated), Vary: 'Accept' };
  if (isUnmodified(call.headers, versionId, lastUpdated)) {
    stream.destroy();
    return { status: 304, headers };
  }
  if (!wantsFhirBinary(call.query, call.headers)) {
    const asFile = { ...headers, 'Content-Disposition': 'attachment' };
    return {
      status: 200,
      headers: asFile,
      stream: { bytes: stream, contentType, ...(size === undefined ? {} : { length: size }) },
    };
  }
  const { data: _, ...resource } = about.value;
  return {
    status: 200,
    headers,
    stream: {
      bytes: Readable.from(asFhirJson({ ...resource, contentType }, stream)),
      contentType: 'application/fhir+json; charset=utf-8',
    },
  };
}

/** The JSON of a Binary, its data written as Base64 while it is read: 100 MB never stand in memory. */
async function* asFhirJson(resource: object, bytes: Readable): AsyncGenerator<string> {
  yield `${JSON.stringify(resource).slice(0, -1)},"data":"`;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const pending = Buffer.concat([rest, chunk as Buffer]);
    const whole = pending.length - (pending.length % 3);
    yield pending.toString('base64', 0, whole);
    rest = pending.subarray(whole);
  }
  yield `${rest.toString('base64')}"}`;
}
