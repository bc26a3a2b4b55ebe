import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Agent } from 'undici';
import type { Clock, Engine, UserSession } from '../../server/core/index.ts';
import { createHandOver, type HandOverOptions } from '../../server/hand-over/index.ts';

const SECRET = 'a secret of this installation';
const SESSION: UserSession = {
  token: 'a-synthetic-token-of-a-clinician',
  organisation: 'R69',
  businessFunction: 'SERVICE_PROVIDER_CLINICIAN',
};
const START = Date.parse('2026-01-02T09:30:00Z');

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const clockAt = (clock: { nowMs: number }): Clock => ({
  now: () => new Date(clock.nowMs),
  monotonicMs: () => clock.nowMs,
  sleep: async () => undefined,
});

/** A standby, the line, and an active process whose engine answers as it is told. */
async function startPair(given: { standby?: Partial<HandOverOptions>; active?: Partial<HandOverOptions> } = {}) {
  const sent: unknown[] = [];
  const wire: string[] = [];
  const log: string[] = [];
  const time = { nowMs: START };
  const engine = {
    isAtHand: async () => true,
    send: async (...all: unknown[]) => {
      sent.push(all);
      return { ok: true, value: undefined };
    },
    signAndSend: async (...all: unknown[]) => {
      sent.push(all);
      return { ok: true, value: [] };
    },
  } as unknown as Engine;
  const dispatcher = new Agent({ allowH2: false });
  closing.push(() => dispatcher.close());
  const note = (event: string, fields?: object) => log.push(JSON.stringify([event, fields]));
  const common = {
    secret: SECRET,
    clock: clockAt(time),
    log: { info: note, warn: note, error: note },
    dispatcher,
    instance: () => 'active',
    holder: async () => undefined,
    own: () => engine as Engine | undefined,
  };
  const active = createHandOver({ ...common, ...given.active });
  /** How the line fails, if it does. */
  const line: { cut?: 'before' | 'after' } = {};
  const server: Server = createServer(async (req, res) => {
    const message = await text(req);
    wire.push(message);
    if (line.cut === 'before') return void res.writeHead(401).end();
    const answer = await active.receive(message);
    if (line.cut === 'after') return void req.socket.destroy();
    if (answer !== undefined) wire.push(answer);
    res.writeHead(answer === undefined ? 401 : 200).end(answer);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const standby = createHandOver({
    ...common,
    instance: () => 'standby',
    holder: async () => ({ instance: 'active', address }),
    own: () => undefined,
    ...given.standby,
  });
  return { standby, active, sent, wire, log, time, line, address };
}

const UNAVAILABLE = { ok: false, code: 'engine-unavailable' };

describe('a session that is handed over', () => {
  test('reaches the active engine as it was given, and what became of it comes back', async () => {
    const { standby, sent } = await startPair();
    expect(await standby.engine.isAtHand()).toBe(true);
    expect(await standby.engine.send('task-1', { ...SESSION, onBehalfOf: '555000000102' })).toEqual({ ok: true });
    expect(sent).toEqual([['task-1', { ...SESSION, onBehalfOf: '555000000102' }, undefined]]);
  });

  test('4.7: is for the decisions that it was given for there, too', async () => {
    const { standby, sent } = await startPair();
    await standby.engine.send('task-1', SESSION, 'the-first');
    const wish = { taskIds: ['task-1'], shown: { 'task-1': 'the-first' }, waitMs: 1_000 };
    await standby.engine.signAndSend(SESSION, wish);
    expect(sent).toEqual([
      ['task-1', SESSION, 'the-first'],
      [SESSION, wish],
    ]);
  });

  test('P1: can be read by nobody on the way, and is in no log line', async () => {
    const { standby, wire, log } = await startPair();
    await standby.engine.send('task-1', SESSION);
    expect(wire).toHaveLength(2);
    for (const said of [...wire, ...log]) {
      expect(said).not.toContain(SESSION.token);
      for (const part of said.split('.')) expect(Buffer.from(part, 'base64url').toString()).not.toContain('R69');
    }
  });

  test('of another installation is refused, and nothing is done', async () => {
    const { standby, sent } = await startPair({ standby: { secret: 'a secret of another installation' } });
    expect(await standby.engine.isAtHand()).toBe(false);
    expect(await standby.engine.send('task-1', SESSION)).toEqual(UNAVAILABLE);
    expect(sent).toEqual([]);
  });

  test('for another process is refused, also when this one now has its address', async () => {
    const { sent, address } = await startPair();
    const holder = async () => ({ instance: 'the one before', address });
    const { standby } = await startPair({ standby: { holder } });
    expect(await standby.engine.send('task-1', SESSION)).toEqual(UNAVAILABLE);
    expect(sent).toEqual([]);
  });

  test('is good once: who has caught the message cannot send it again, now or later', async () => {
    const { standby, active, wire, sent, time } = await startPair();
    await standby.engine.send('task-1', SESSION);
    const [message = ''] = wire;
    expect(await active.receive(message)).toBeUndefined();
    time.nowMs += 119_000;
    expect(await active.receive(message)).toBeUndefined();
    time.nowMs += 3_600_000;
    expect(await active.receive(message)).toBeUndefined();
    expect(sent).toHaveLength(1);
  });

  test.each(['', 'x', 'a.b.c.d.e', 'eyJhbGciOiJub25lIn0.e30.', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0....'])(
    'a message that is none (%j) is nobody’s',
    async (message) => {
      const { active } = await startPair();
      expect(await active.receive(message)).toBeUndefined();
    },
  );

  test('one bit that was changed on the way makes it nobody’s', async () => {
    const { standby, active, wire, line } = await startPair();
    line.cut = 'before';
    await standby.engine.send('task-1', SESSION);
    const [message = ''] = wire;
    const parts = message.split('.');
    const body = Buffer.from(parts[3] ?? '', 'base64url');
    body[0] = (body[0] ?? 0) ^ 1;
    parts[3] = body.toString('base64url');
    expect(await active.receive(parts.join('.'))).toBeUndefined();
    expect(await active.receive(message)).toBeDefined();
  });

  test('does not leave this machine in the clear, and goes nowhere when nobody has the lease', async () => {
    for (const holder of [
      async () => ({ instance: 'active', address: 'http://engine.example:8080' }),
      async () => undefined,
    ]) {
      const { standby, wire } = await startPair({ standby: { holder } });
      expect(await standby.engine.send('task-1', SESSION)).toEqual(UNAVAILABLE);
      expect(wire).toEqual([]);
    }
  });

  test('where nobody listens any more, nothing was handed over; where the answer is lost, it was', async () => {
    const gone = await startPair({
      standby: { holder: async () => ({ instance: 'x', address: 'http://127.0.0.1:9' }) },
    });
    expect(await gone.standby.engine.send('task-1', SESSION)).toEqual(UNAVAILABLE);
    const { standby, line, sent } = await startPair();
    line.cut = 'after';
    expect(await standby.engine.send('task-1', SESSION)).toEqual({ ok: false, code: 'engine-answer-lost' });
    expect(sent).toHaveLength(1);
  });

  test('is not handed on by a process whose engine has ended', async () => {
    const { standby } = await startPair({ active: { own: () => undefined } });
    expect(await standby.engine.isAtHand()).toBe(false);
    expect(await standby.engine.send('task-1', SESSION)).toEqual(UNAVAILABLE);
  });

  test('a call that there is not, or with what it does not take, is refused', async () => {
    const { standby, sent } = await startPair();
    expect(await standby.engine.send('', SESSION)).toEqual(UNAVAILABLE);
    expect(await standby.engine.signAndSend(SESSION, { waitMs: 3_600_000 })).toEqual(UNAVAILABLE);
    expect(sent).toEqual([]);
  });
});
