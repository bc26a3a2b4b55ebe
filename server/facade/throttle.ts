import type { Response } from 'express';
import { ANYBODY, type Caller, type Clock } from '../core/index.ts';
import type { Refusal } from './answer.ts';
import type { FacadeLimits } from './options.ts';
import { refuse } from './outcome.ts';

interface Client {
  /** Requests that it may still send at once; grows with time. */
  credit: number;
  sinceMs: number;
  inHand: number;
  /** Asks nothing before, since a search of its own has held up the others. */
  waitsUntilMs?: number;
}

type Limits = Pick<FacadeLimits, 'requestsInHand' | 'clientRequestsInHand' | 'clientRequestsPerSecond'>;

/** Bounds what is asked at the same time, of all and of each client, and how fast a client asks. Who is nobody is not counted as one. */
export class Throttle {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #clients = new Map<string, Client>();
  #inHand = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Takes a place among all requests, until the answer is out. */
  enter(res: Response): Refusal | undefined {
    if (this.#inHand >= this.#limits.requestsInHand) return tooMany(1);
    this.#inHand += 1;
    res.once('close', () => {
      this.#inHand -= 1;
    });
    return undefined;
  }

  /** A client that has cost the others so much time asks nothing for as long. */
  makeWait({ clientId }: Caller, ms: number): void {
    const client = this.#clients.get(clientId);
    if (client !== undefined) client.waitsUntilMs = this.#clock.monotonicMs() + ms;
  }

  refuseWhoWaits({ clientId }: Caller): Refusal | undefined {
    const client = this.#clients.get(clientId);
    const leftMs = (client?.waitsUntilMs ?? 0) - this.#clock.monotonicMs();
    return leftMs > 0 ? tooMany(Math.ceil(leftMs / 1000)) : undefined;
  }

  /** Takes a place among the client's requests, and one of those that it may send in this second. */
  admit({ clientId }: Caller, res: Response): Refusal | undefined {
    if (clientId === ANYBODY.clientId) return undefined;
    const { clientRequestsPerSecond: perSecond, clientRequestsInHand: most } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const client = this.#clients.get(clientId) ?? { credit: perSecond, sinceMs: nowMs, inHand: 0 };
    this.#clients.set(clientId, client);
    client.credit = Math.min(perSecond, client.credit + ((nowMs - client.sinceMs) / 1000) * perSecond);
    client.sinceMs = nowMs;
    if (client.credit < 1 || client.inHand >= most) return tooMany(1);
    client.credit -= 1;
    client.inHand += 1;
    res.once('close', () => {
      client.inHand -= 1;
    });
    return undefined;
  }
}

const tooMany = (seconds: number): Refusal =>
  refuse('too-many-requests', { headers: { 'Retry-After': String(seconds) } });
