import type { Express } from 'express';
import { Gauge, type Registry } from 'prom-client';
import type { Access, Alerts, Engine, Readiness } from '../core/index.ts';
import { watchers } from './may-watch.ts';
import { respond } from './respond.ts';
import { notePattern } from './trace.ts';

type FirstLoad = NonNullable<Readiness['firstLoad']>;

interface HealthOptions {
  readonly engine: Engine;
  readonly alerts: Alerts;
  readonly registry: Registry;
  readonly access?: Access;
  readonly metricsSecret?: string;
}

/**
 * Whether the process lives, and whether it may be used: for everybody. How it fares, in counts and codes and without patient data: for
 * who may watch all services.
 */
export function serveHealth(app: Express, options: HealthOptions): void {
  const { engine, alerts, registry } = options;
  const mayNotWatch = watchers(options);
  new Gauge({
    name: 'standing_alerts',
    help: 'Alerts that stand now, by code.',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [code, count] of countByCode(alerts)) this.set({ code }, count);
    },
  });
  const firstLoad = (name: string, help: string, read: (load: FirstLoad) => number | undefined) =>
    new Gauge({
      name: `first_load_${name}`,
      help,
      registers: [registry],
      collect() {
        const load = engine.readiness().firstLoad;
        this.set((load && read(load)) ?? 0);
      },
    });
  firstLoad('done', 'Referrals brought in by the first load that is under way; 0: none is.', ({ done }) => done);
  firstLoad('left', 'Referrals that the first load has still to bring in.', ({ left }) => left);
  firstLoad('estimated_end_seconds', 'When the first load will be done, in seconds since 1970.', ({ estimatedEnd }) =>
    estimatedEnd === undefined ? undefined : Date.parse(estimatedEnd) / 1000,
  );
  measureAccount(engine, registry);
  app.get('/health/live', (_req, res) => {
    notePattern(res, '/health/live');
    res.json({ live: true });
  });
  app.get('/health/ready', async (req, res) => {
    notePattern(res, '/health/ready');
    const readiness = engine.readiness();
    if (await mayNotWatch(req.headers)) {
      res.status(readiness.ready ? 200 : 503).json({ ready: readiness.ready, engine: readiness.engine });
      return;
    }
    const standing = [...countByCode(alerts)].map(([code, count]) => ({ code, count }));
    res.status(readiness.ready ? 200 : 503).json({ ...readiness, alerts: standing });
  });
  app.get('/metrics', async (req, res) => {
    notePattern(res, '/metrics');
    const refusal = await mayNotWatch(req.headers);
    if (refusal) return respond(req, res, refusal, false);
    const text = await registry.metrics();
    res.type(registry.contentType).send(text);
  });
}

/** The account by service, so that whoever watches the metrics sees that it does not balance. */
function measureAccount(engine: Engine, registry: Registry): void {
  new Gauge({
    name: 'account_referrals',
    help: 'Referrals that worklists ever named (seen), by service, and what became of them; missing: they are not accounted for.',
    labelNames: ['service', 'standing'],
    registers: [registry],
    collect() {
      this.reset();
      for (const one of engine.readiness().account?.services ?? []) {
        const { service, seen, open, decided, explained, missing } = one;
        for (const [standing, count] of Object.entries({ seen, open, decided, explained, missing }))
          this.set({ service, standing }, count);
      }
    },
  });
  new Gauge({
    name: 'account_exceptions',
    help: 'What a person should look at in the account, by code.',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { code, count } of engine.readiness().account?.exceptions ?? []) this.set({ code }, count);
    },
  });
  new Gauge({
    name: 'account_time_seconds',
    help: 'When the account was last made, in seconds since 1970; absent until it is.',
    registers: [registry],
    collect() {
      const at = engine.readiness().account?.at;
      if (at === undefined) this.remove();
      else this.set(Date.parse(at) / 1000);
    },
  });
}

function countByCode(alerts: Alerts): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { code } of alerts.standing()) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}
