import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { request } from 'undici';
import type { OpenBinary, StoredBinary, StoreFailure, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { Meter } from '../remote/meter.ts';
import { isTurnedAway } from '../remote/quiet.ts';
import { bear, sizeOf } from '../remote/recorder.ts';
import { leftAlone, unknownOutcome } from '../remote/wire.ts';
import type { MedplumWire } from './client.ts';
import { refusalOf } from './refusals.ts';
import { storedOf } from './resources.ts';

/**
 * Streams bytes into a new Binary and reads them back: Medplum says 201 before it has them for good (stores.md 1). A Binary
 * that does not hold what was sent is taken away again.
 */
export async function putBinary(
  wire: MedplumWire,
  source: Readable,
  about: { contentType: string; securityContext?: string; maxBytes?: number },
): Promise<StoreResult<StoredBinary>> {
  const sent = await send(wire, source, about);
  if (!sent.ok) return sent;
  const { id, size, sha1 } = sent.value;
  const opened = await openBinary(wire, id);
  if (!opened.ok) return unknownOutcome;
  const hash = createHash('sha1');
  try {
    for await (const chunk of opened.value.stream) hash.update(chunk as Uint8Array);
  } catch {
    // The line broke: whether the bytes are there is not known.
    return unknownOutcome;
  }
  if (hash.digest('base64') === sha1) return { ok: true, value: { id, contentType: about.contentType, size, sha1 } };
  await wire.ask('repeatable-write', (client, options) => client.delete(client.fhirUrl('Binary', id), options));
  return failure('unavailable', 'The store did not keep the bytes of the file as they were sent');
}

async function send(
  wire: MedplumWire,
  source: Readable,
  about: { contentType: string; securityContext?: string; maxBytes?: number },
): Promise<StoreResult<{ id: string; size: number; sha1: string }>> {
  const line = await wire.openLine();
  if (!line.ok) {
    source.destroy();
    return line;
  }
  const { dispatcher, heard, headers, signal, done } = line.value;
  const meter = new Meter(about.maxBytes);
  try {
    const answer = await request(`${wire.baseUrl}/Binary`, {
      method: 'POST',
      dispatcher,
      signal,
      body: Readable.from(meter.through(source)),
      headers: {
        ...headers,
        'content-type': typeOf(about.contentType),
        accept: 'application/fhir+json',
        ...(about.securityContext === undefined ? {} : { 'x-security-context': about.securityContext }),
      },
    });
    const body: unknown = await answer.body.json().catch(() => undefined);
    wire.heed(heard);
    if (isTurnedAway(heard)) return leftAlone();
    if (answer.statusCode >= 300) return refused(answer.statusCode, body);
    const stored = storedOf(body);
    return stored ? { ok: true, value: { id: stored.id, size: meter.size, sha1: meter.sha1() } } : unknownOutcome;
  } catch (error) {
    if (meter.fault !== undefined) return meter.fault;
    if (!Error.isError(error)) throw error;
    return heard.isSent ? unknownOutcome : failure('unavailable', 'The store does not answer');
  } finally {
    source.destroy();
    done();
  }
}

/**
 * Of this one type, written so, Medplum reads the bytes whole, and takes them for the Binary itself where they are one. The
 * parameter adds nothing: JSON is UTF-8.
 */
const typeOf = (contentType: string): string =>
  contentType.trim().toLowerCase() === 'application/fhir+json' ? `${contentType.trim()}; charset=utf-8` : contentType;

const refused = (status: number, body: unknown): StoreFailure =>
  refusalOf({ status, body, header: () => undefined }, 'Binary');

/** Opens the bytes of a Binary; what it is comes from its resource, since the file itself does not say. */
export async function openBinary(wire: MedplumWire, id: string): Promise<StoreResult<OpenBinary>> {
  const about = await wire.ask('read', (client, options) => client.get(client.fhirUrl('Binary', id), options));
  if (!about.ok) return about;
  if (about.value.status >= 300) return refusalOf(about.value, 'Binary');
  const stored = storedOf(about.value.body);
  if (stored?.resourceType !== 'Binary') return failure('unavailable', 'The store does not give the file now');
  const line = await wire.openLine();
  if (!line.ok) return line;
  const { dispatcher, heard, headers, signal, done } = line.value;
  try {
    const answer = await request(`${wire.baseUrl}/Binary/${encodeURIComponent(id)}`, {
      dispatcher,
      signal,
      headers: { ...headers, accept: '*/*' },
    });
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      done();
      wire.heed(heard);
      return answer.statusCode < 500 && answer.statusCode !== 429
        ? refused(answer.statusCode, undefined)
        : failure('unavailable', 'The store does not give the file now');
    }
    bear(answer.body);
    answer.body.once('close', done);
    const { versionId, lastUpdated } = stored.meta;
    return {
      ok: true,
      value: {
        id,
        contentType: stored.contentType,
        // Medplum 5.1.29 streams a file without saying its length; what stands in front of it may.
        ...sizeOf(heard),
        stream: answer.body as Readable,
        lastUpdated,
        versionId,
      },
    };
  } catch (error) {
    done();
    if (!Error.isError(error)) throw error;
    return failure('unavailable', 'The store does not answer');
  }
}
