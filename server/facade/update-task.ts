import { type Answer, isRefusal } from './answer.ts';
import { readResource } from './body.ts';
import { changeTask } from './change-task.ts';
import { proposeReplaced } from './propose.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';

/** Source: R4 http.html update; a Task that is not there is never made */
export async function updateTask(room: FacadeRoom, call: Call<RouteOf<'update'>>): Promise<Answer> {
  const read = readResource(call, 'Task');
  if (isRefusal(read)) return read;
  return changeTask(room, call, proposeReplaced(read.resource, room.limits));
}
