import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import { Histogram, type Registry } from 'prom-client';
import type { Clock, Log } from '../core/index.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A header that is a UUID; any other text could name a patient, and would then be logged (P1). */
function uuidHeader(req: Request, name: string): string | undefined {
  const value = req.get(name);
  return value !== undefined && UUID.test(value) ? value : undefined;
}

/** The pattern that a request matched, without ids, for log and metrics. */
export function notePattern(res: Response, pattern: string): void {
  res.locals['pattern'] = pattern;
}

/** The ids that an answer carries. */
export function idsOf(res: Response): { requestId: string; correlationId: string | undefined } {
  const correlationId = res.getHeader('X-Correlation-ID');
  return {
    requestId: String(res.getHeader('X-Request-Id')),
    correlationId: typeof correlationId === 'string' ? correlationId : undefined,
  };
}

interface Traced {
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly publicUrl: string;
}

/** Gives every answer its ids and security headers, and every request one log line and one observation. */
export function traceRequests({ clock, log, registry, publicUrl }: Traced) {
  const isByTls = publicUrl.startsWith('https:');
  const seconds = new Histogram({
    name: 'facade_request_seconds',
    help: 'Time to answer a request at the facade, by route pattern.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  return (req: Request, res: Response, next: NextFunction): void => {
    const startedAt = clock.monotonicMs();
    const correlationId = uuidHeader(req, 'X-Correlation-ID');
    res.setHeader('X-Request-Id', uuidHeader(req, 'X-Request-Id') ?? randomUUID());
    if (correlationId !== undefined) res.setHeader('X-Correlation-ID', correlationId);
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox");
    res.setHeader('Referrer-Policy', 'no-referrer');
    if (isByTls) res.setHeader('Strict-Transport-Security', 'max-age=31536000');
    res.on('close', () => {
      const tookMs = Math.round(clock.monotonicMs() - startedAt);
      const route = typeof res.locals['pattern'] === 'string' ? res.locals['pattern'] : '/:unknown';
      const method = METHODS.has(req.method) ? req.method : 'OTHER';
      seconds.observe({ method, route, status: res.statusCode }, tookMs / 1000);
      log.info('facade.request.answered', {
        method,
        route,
        status: res.statusCode,
        tookMs,
        ...(correlationId === undefined ? {} : { correlationId }),
      });
    });
    next();
  };
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
