import type { Express } from 'express';
import { Gauge, type Registry } from 'prom-client';
import type { Alerts, Engine } from '../core/index.ts';
import { notePattern } from './trace.ts';

/** Whether the process lives, whether it may be used, and how it fares: counts and codes only, no patient data. */
export function serveHealth(app: Express, options: { engine: Engine; alerts: Alerts; registry: Registry }): void {
  const { engine, alerts, registry } = options;
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
  app.get('/health/live', (_req, res) => {
    notePattern(res, '/health/live');
    res.json({ live: true });
  });
  app.get('/health/ready', (_req, res) => {
    notePattern(res, '/health/ready');
    const readiness = engine.readiness();
    const standing = [...countByCode(alerts)].map(([code, count]) => ({ code, count }));
    res.status(readiness.ready ? 200 : 503).json({ ...readiness, alerts: standing });
  });
  app.get('/metrics', async (_req, res) => {
    notePattern(res, '/metrics');
    const text = await registry.metrics();
    res.type(registry.contentType).send(text);
  });
}

function countByCode(alerts: Alerts): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { code } of alerts.standing()) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}
