import { type Answer, isRefusal } from './answer.ts';
import { readJson } from './body.ts';
import { changeTask } from './change-task.ts';
import { proposePatched } from './propose.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

/** Source: R4 http.html patch; RFC 6902 */
export async function patchTask(room: FacadeRoom, call: Call<RouteOf<'patch'>>): Promise<Answer> {
  const read = readJson(call, ['application/json-patch+json']);
  if (isRefusal(read)) return read;
  return changeTask(room, call, proposePatched(read.json, room.limits));
}
