import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { request } from 'undici';
import type { StoredBinary, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { Meter } from '../remote/meter.ts';
import { isTurnedAway } from '../remote/quiet.ts';
import { bear, headerOf, sizeOf } from '../remote/recorder.ts';
import { leftAlone, unknownOutcome } from '../remote/wire.ts';
import type { HapiWire } from './client.ts';
import { refusalOf } from './refusals.ts';
import { versionOf } from './resources.ts';

/**
 * Streams bytes into a Binary under an id of our choice, so that a lost answer can be asked after. What HAPI does with
 * them is its own affair: it reads a file whole before it stores it.
 */
export async function putBinary(
  wire: HapiWire,
  source: Readable,
  about: { contentType: string; id?: string; securityContext?: string; maxBytes?: number },
): Promise<StoreResult<StoredBinary>> {
  const line = await wire.openLine();
  if (!line.ok) {
    source.destroy();
    return line;
  }
  const { dispatcher, heard, headers, signal, done } = line.value;
  const id = about.id ?? randomUUID();
  const meter = new Meter(about.maxBytes);
  // Bytes of a FHIR media type (raw answers of e-RS) HAPI would read as the Binary resource itself.
  const isWrapped = /\bfhir\b/i.test(about.contentType);
  try {
    const answer = await request(`${wire.baseUrl}/Binary/${encodeURIComponent(id)}`, {
      method: 'PUT',
      dispatcher,
      signal,
      body: Readable.from(isWrapped ? wrapped(id, about, meter.through(source)) : meter.through(source)),
      headers: {
        ...headers,
        'content-type': isWrapped ? 'application/fhir+json' : about.contentType,
        accept: 'application/fhir+json',
        prefer: 'return=minimal',
        ...(about.securityContext === undefined || isWrapped ? {} : { 'x-security-context': about.securityContext }),
      },
    });
    await answer.body.dump();
    wire.heed(heard);
    if (isTurnedAway(heard)) return leftAlone();
    if (answer.statusCode >= 300) return refusalOf(answered(answer.statusCode), 'Binary');
    return { ok: true, value: { id, contentType: about.contentType, size: meter.size, sha1: meter.sha1() } };
  } catch (error) {
    if (meter.fault !== undefined) return meter.fault;
    if (!isOutside(error)) throw error;
    return heard.isSent ? unknownOutcome : failure('unavailable', 'The store does not answer');
  } finally {
    source.destroy();
    done();
  }
}

/** Opens the bytes of a Binary, uncompressed, so that their length is known before they come. */
export async function openBinary(wire: HapiWire, id: string) {
  const line = await wire.openLine();
  if (!line.ok) return line;
  const { dispatcher, heard, headers, signal, done } = line.value;
  try {
    const answer = await request(`${wire.baseUrl}/Binary/${encodeURIComponent(id)}`, {
      dispatcher,
      signal,
      headers: { ...headers, accept: '*/*', 'cache-control': 'no-cache' },
    });
    const stream = answer.body;
    const versionId = versionOf(headerOf(heard, 'etag'));
    const modified = Date.parse(headerOf(heard, 'last-modified') ?? '');
    if (answer.statusCode !== 200 || versionId === undefined) {
      await stream.dump();
      done();
      wire.heed(heard);
      if (answer.statusCode === 200 || answer.statusCode >= 500 || answer.statusCode === 429)
        return failure('unavailable', 'The store does not give the file now');
      return refusalOf(answered(answer.statusCode), 'Binary');
    }
    bear(stream);
    stream.once('close', done);
    return {
      ok: true as const,
      value: {
        id,
        contentType: headerOf(heard, 'content-type') ?? 'application/octet-stream',
        ...sizeOf(heard),
        stream: stream as Readable,
        lastUpdated: new Date(Number.isNaN(modified) ? 0 : modified).toISOString(),
        versionId,
      },
    };
  } catch (error) {
    done();
    if (!isOutside(error)) throw error;
    return failure('unavailable', 'The store does not answer');
  }
}

/** The JSON of a Binary, its data as Base64 while the bytes come. */
async function* wrapped(
  id: string,
  { contentType, securityContext }: { contentType: string; securityContext?: string },
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const context = securityContext === undefined ? {} : { securityContext: { reference: securityContext } };
  const head = JSON.stringify({ resourceType: 'Binary', id, contentType, ...context });
  yield Buffer.from(`${head.slice(0, -1)},"data":"`);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const pending = Buffer.concat([rest, chunk]);
    const whole = pending.length - (pending.length % 3);
    yield Buffer.from(pending.toString('base64', 0, whole));
    rest = pending.subarray(whole);
  }
  yield Buffer.from(`${rest.toString('base64')}"}`);
}

const answered = (status: number) => ({ status, body: undefined, header: () => undefined });

/** What the network does to a call is expected; anything else is a bug. */
const isOutside = (error: unknown): boolean =>
  Error.isError(error) && ('code' in error || error.name === 'AbortError' || error.name === 'Error');
