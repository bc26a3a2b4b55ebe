import { isConformanceType } from '../../conformance/index.ts';
import type { Stored } from '../core/index.ts';
import type { Answer } from './answer.ts';
import { readBinary } from './binary.ts';
import { isUnmodified, versionHeadersOf } from './etag.ts';
import { refuse, refuseForStore } from './outcome.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

/** Source: R4 http.html read */
export async function read(room: FacadeRoom, call: Call<RouteOf<'read'>>): Promise<Answer> {
  const { type, id } = call.route;
  if (type === 'Binary') return readBinary(room, call);
  const published = isConformanceType(type) ? room.published.find(type, id) : undefined;
  if (published) return answerRead(call, published);
  // Of conformance resources the store holds A004's code systems only.
  if (isConformanceType(type) && type !== 'CodeSystem') return refuse('resource-not-found');
  const found = await room.store.read(type, id);
  return found.ok ? answerRead(call, found.value) : refuseForStore(found);
}

/** Source: R4 http.html vread */
export async function readVersion(room: FacadeRoom, call: Call<RouteOf<'vread'>>): Promise<Answer> {
  const { type, id, versionId } = call.route;
  const found = await room.store.readVersion(type, id, versionId);
  return found.ok ? answerRead(call, found.value) : refuseForStore(found);
}

/** The running server's own statement. */
export async function readMetadata(room: FacadeRoom, call: Call): Promise<Answer> {
  const mode = call.query.get('mode');
  if (mode !== null && mode !== 'full') return refuse('parameter-invalid', { text: 'Only mode=full is offered.' });
  return answerRead(call, room.published.statement as Stored);
}

function answerRead({ headers }: Call, resource: Stored): Answer {
  const { versionId, lastUpdated } = resource.meta;
  return isUnmodified(headers, versionId, lastUpdated)
    ? { status: 304, headers: versionHeadersOf(resource) }
    : { status: 200, body: resource, headers: versionHeadersOf(resource) };
}
