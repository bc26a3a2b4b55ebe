import { systemClock } from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';

/** Writes for ever, and says each id once its write was acknowledged: a process to be killed. */
const store = await openEmbeddedStore({ directory: process.argv[2] ?? '', clock: systemClock });
for (let index = 0; ; index += 1) {
  const answer = await store.create({
    resourceType: 'Patient',
    identifier: [{ system: 'https://kill.example', value: `${index}` }],
  });
  if (answer.ok) process.stdout.write(`${answer.value.resource.id}\n`);
}
