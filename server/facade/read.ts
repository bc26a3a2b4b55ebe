import { isConformanceType } from '../../conformance/index.ts';
import type { Stored } from '../core/index.ts';
import type { Answer, Refusal } from './answer.ts';
import { readBinary } from './binary.ts';
import { isUnmodified, versionHeaders, versionHeadersOf } from './etag.ts';
import { readPreferences } from './negotiate.ts';
import { refuse, refuseForStore } from './outcome.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

/** Source: R4 http.html read */
export async function read(room: FacadeRoom, call: Call<RouteOf<'read'>>): Promise<Answer> {
  const { type, id } = call.route;
  const unknown = refuseParameters(call);
  if (unknown) return unknown;
  if (type === 'Binary') return readBinary(room, call);
  const published = isConformanceType(type) ? room.published.find(type, id) : undefined;
  if (published) return answerPublished(call, published);
  // Of conformance resources the store holds A004's code systems only.
  if (isConformanceType(type) && type !== 'CodeSystem') return refuse('resource-not-found');
  const found = await room.store.read(type, id);
  return found.ok ? answerRead(call, found.value) : refuseForStore(found);
}

/** Source: R4 http.html vread */
export async function readVersion(room: FacadeRoom, call: Call<RouteOf<'vread'>>): Promise<Answer> {
  const { type, id, versionId } = call.route;
  const unknown = refuseParameters(call);
  if (unknown) return unknown;
  const found = await room.store.readVersion(type, id, versionId);
  return found.ok ? answerRead(call, found.value) : refuseForStore(found);
}

/** The running server's own statement. */
export async function readMetadata(room: FacadeRoom, call: Call): Promise<Answer> {
  const mode = call.query.get('mode');
  if (mode !== null && mode !== 'full') return refuse('parameter-invalid', { text: 'Only mode=full is offered.' });
  return answerPublished(call, room.published.statement);
}

/** A parameter that is passed over would let a client believe that it was obeyed. */
function refuseParameters({ query, headers }: Call): Refusal | undefined {
  const isPassedOver = [...query.keys()].some((name) => name !== '_format' && name !== '_pretty');
  return isPassedOver && !readPreferences(headers).isLenient
    ? refuse('parameter-unknown', {
        text: 'A read takes _format and _pretty. For _elements or _summary search by _id.',
      })
    : undefined;
}

/** By its version only: no date tells when a release changed an artefact. */
function answerPublished({ headers }: Call, resource: Stored): Answer {
  const { versionId } = resource.meta;
  const version = versionHeaders(versionId, undefined);
  const isKept = headers['if-none-match'] !== undefined && isUnmodified(headers, versionId, resource.meta.lastUpdated);
  return isKept ? { status: 304, headers: version } : { status: 200, body: resource, headers: version };
}

function answerRead({ headers }: Call, resource: Stored): Answer {
  const { versionId, lastUpdated } = resource.meta;
  return isUnmodified(headers, versionId, lastUpdated)
    ? { status: 304, headers: versionHeadersOf(resource) }
    : { status: 200, body: resource, headers: versionHeadersOf(resource) };
}
