import { expect, test } from '@jest/globals';
import { fuzz } from './fuzz.ts';

test('a short run of npm run fuzz: whatever comes over a socket is answered, never by 500, with and without authentication', async () => {
  const lines: string[] = [];
  const say = (line: string) => {
    lines.push(line);
  };
  const { failures, statuses } = await fuzz({ requests: 1_000, seed: 20261125, parallel: 8, say });
  expect(failures).toEqual([]);
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([0, 200, 400, 401, 404, 405, 413]));
}, 120_000);
