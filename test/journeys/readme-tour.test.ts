import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Process, startProcess, until } from './process.ts';

interface Request {
  readonly line: string;
  readonly isWithToken: boolean;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

/** Reads a curl line of the README as a shell would: single quotes only, and the token. */
function requestOf(line: string): Request {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const isWithToken = line.startsWith('curl --oauth2-bearer "$TOKEN" ');
  const after = (flag: string) => words.flatMap((word, at) => (words[at - 1] === flag ? [word] : []));
  const headers = Object.fromEntries(after('-H').map((header) => header.split(/:\s*(.*)/s, 2) as [string, string]));
  const [body] = after('-d');
  const url = words.find((word) => word.startsWith('http')) ?? '';
  return { line, url, headers, body, isWithToken, method: after('-X')[0] ?? (body === undefined ? 'GET' : 'POST') };
}

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const TOUR = [...README.matchAll(/```tour\n([\s\S]*?)```/g)]
  .flatMap(([, block]) => (block ?? '').trim().split('\n'))
  .map(requestOf);

let demo: Process;
let simulator: string;
let bearer: Record<string, string>;
beforeAll(async () => {
  demo = await startProcess(['demo'], { PORT: '0', SIMULATOR_PORT: '0' });
  simulator =
    /control door is (http:\S+)\/simulator/.exec(
      await until(async () => (demo.output().includes('control door') ? demo.output() : undefined)),
    )?.[1] ?? '';
  // The line that the demo prints, as it stands there.
  const [, line = ''] = /TOKEN=\$\(npm run -s ers -- (token .*)\)/.exec(demo.output()) ?? [];
  const { stdout } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'server/main.ts', ...line.split(' ')],
    {
      cwd: new URL('../..', import.meta.url).pathname,
      encoding: 'utf8',
    },
  );
  bearer = { Authorization: `Bearer ${stdout.trim()}` };
}, 60_000);
afterAll(async () => {
  await demo.end('SIGTERM');
});

async function run({
  url,
  method,
  headers: given,
  body,
  isWithToken,
}: Request): Promise<{ status: number; text: string }> {
  const there = url.replace('http://127.0.0.1:8080', demo.url).replace('http://127.0.0.1:9100', simulator);
  const headers = isWithToken ? { ...given, ...bearer } : given;
  const answer = await fetch(there, { method, headers, ...(body === undefined ? {} : { body }) });
  return { status: answer.status, text: await answer.text() };
}

describe('the tour of the README', () => {
  test('its lines do what it says, in its order, against the demo as a process of its own', async () => {
    // A reader takes longer than this test: the Tasks that the tour names have to be there.
    for (const id of new Set(TOUR.flatMap(({ url }) => /Task\/([0-9a-f-]{36})/.exec(url)?.[1] ?? []))) {
      await until(async () =>
        (await fetch(`${demo.url}/fhir/R4/Task/${id}`, { headers: bearer })).ok ? true : undefined,
      );
    }
    const answers: { line: string; status: number; text: string }[] = [];
    for (const request of TOUR) {
      const isSecondLook = answers.some(({ line }) => line === request.line);
      const answer = isSecondLook
        ? await until(async () => {
            const again = await run(request);
            return again.text.includes('recorded-version') ? again : undefined;
          })
        : await run(request);
      answers.push({ line: request.line, ...answer });
    }
    expect(answers.map(({ status }) => status)).toEqual([...Array(6).fill(200), 422, ...Array(6).fill(200)]);
    expect(answers[0]?.text).toContain('"resourceType":"Patient"');
    expect(answers[1]?.text).toContain('"resourceType":"ServiceRequest"');
    expect(answers[1]?.text).toContain('"value":"9993886947"');
    expect(answers[5]?.text).toContain('"endpoint":"A013"');
    expect(answers[6]?.text).toContain('Task.statusReason');
    expect(answers[7]?.text).toContain('SERVICE_INAPPROPRIATE');
    expect(answers[12]?.text).toContain('"severity":"error"');
    const recorded = (id: string) =>
      until(async () => {
        const task = await (await fetch(`${demo.url}/fhir/R4/Task/${id}`, { headers: bearer })).text();
        return task.includes('recorded-version') ? task : undefined;
      });
    expect(await recorded('72276452-c83d-5104-b145-f4ca2d41666d')).toContain('"status":"rejected"');
    for (const [id, status] of [
      ['7f78ea65-c3e4-5edc-a5d3-6c9814cbd37d', 'redirected'],
      ['f8dfd544-d145-5f15-b339-5a96c3d6f2d6', 'accepted-book-later'],
      ['01915e8b-8e56-5c96-8777-44e8ef7d5fb8', 'returned-with-advice'],
    ] as const) {
      expect(await recorded(id)).toContain(`"code":"${status}"`);
    }
    const calls = (await (await fetch(`${simulator}/simulator/calls`)).json()) as {
      calls: { endpoint: string; status: number }[];
    };
    const statusesOf = (wanted: string) =>
      calls.calls.filter(({ endpoint }) => endpoint === wanted).map(({ status }) => status);
    expect([statusesOf('A014'), statusesOf('A022'), statusesOf('A028')]).toEqual([[200], [200], [200, 200]]);
  }, 90_000);

  test('SIGTERM ends the demo within seconds, and its port is free again', async () => {
    const startedMs = performance.now();
    expect(await demo.end('SIGTERM')).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await expect(fetch(`${demo.url}/health/live`)).rejects.toThrow();
  });
});
