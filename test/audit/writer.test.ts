import { describe, expect, test } from '@jest/globals';
import { verifyAudit } from '../../server/audit/index.ts';
import type { Store, TransactionEntry } from '../../server/core/index.ts';
import { otherwise } from '../store-otherwise.ts';
import { access, eventsIn, KEY, openTrail } from './trail.ts';

const breaksOf = async (store: Store) => {
  const verified = await verifyAudit(store, KEY);
  return verified.ok ? verified.value.breaks : [verified.code];
};

describe('the audit trail of a process', () => {
  test('is written in batches that every store takes, in the order of what happened', async () => {
    const { store, begin } = await openTrail('medplum');
    const sizes: number[] = [];
    const audit = begin(
      otherwise(store, {
        transaction: (entries: readonly TransactionEntry[]) => {
          sizes.push(entries.length);
          return store.transaction(entries);
        },
      }),
    );
    for (let index = 0; index < 103; index += 1) audit.noteAccess(access({ id: `p${index}` }));
    await audit.settled();
    expect(Math.max(...sizes)).toBeLessThan(40);
    expect(sizes.length).toBeLessThan(12);
    expect((await eventsIn(store)).length).toBe(103);
    expect(await breaksOf(store)).toEqual([]);
  });

  test('a store that fails for a while is waited for, and an operator told; nothing is lost or written twice', async () => {
    const { store, alerts, begin } = await openTrail();
    let calls = 0;
    const seen: string[] = [];
    const failing = otherwise(store, {
      transaction: async (entries: readonly TransactionEntry[]) => {
        calls += 1;
        seen.push(...alerts.standing().map(({ code }) => code));
        if (calls === 3) return { ok: false, code: 'unavailable' };
        const written = await store.transaction(entries);
        // Carried out, and the answer lost.
        return calls === 5 ? { ok: false, code: 'unknown-outcome' } : written;
      },
    });
    const audit = begin(failing);
    for (let index = 0; index < 150; index += 1) audit.noteAccess(access());
    await audit.settled();
    expect(seen).toContain('audit-delayed');
    expect(alerts.standing()).toEqual([]);
    expect((await eventsIn(store)).length).toBe(150);
    expect(await breaksOf(store)).toEqual([]);
  });

  test('what was shown and then deleted is named without a reference, so that its event is kept', async () => {
    const { store, begin } = await openTrail();
    const audit = begin();
    audit.noteAccess(access({ status: 200, subjects: [{ reference: 'Patient/p', ubrns: [] }] }));
    await audit.settled();
    const [event] = await eventsIn(store);
    expect(event?.entity?.[0]?.what).toEqual({ display: 'Patient/p', type: 'Patient' });
    expect(await breaksOf(store)).toEqual([]);
  });

  test('an event that no store takes is the only one that is lost, and an operator is told', async () => {
    const { store, alerts, begin } = await openTrail();
    const audit = begin();
    for (let index = 0; index < 30; index += 1) audit.noteAccess(access({ requestId: index === 13 ? '' : 'r' }));
    await audit.settled();
    expect((await eventsIn(store)).length).toBe(29);
    expect(alerts.standing().map(({ code }) => code)).toEqual(['audit-lost']);
    expect(await breaksOf(store)).toEqual([]);
  });

  test('when too much waits nothing more may be shown; e-RS calls go on, and what is lost at last is counted', async () => {
    const { store, alerts, lines, begin } = await openTrail();
    const audit = begin(
      otherwise(store, {
        transaction: async () => ({ ok: false, code: 'unavailable' }),
      }),
    );
    for (let index = 0; index < 10_000; index += 1) {
      expect(audit.mayServe()).toBe(true);
      audit.noteAccess(access());
    }
    expect(audit.mayServe()).toBe(false);
    for (let index = 0; index < 10_003; index += 1)
      audit.noteErsCall({ operation: 'A005', correlationId: 'c', isOk: true, status: 200 });
    expect(alerts.standing().map(({ code }) => code)).toEqual(['audit-lost']);
    expect(lines.at(-1)).toContain('"count":3');
    await audit.stop();
  }, 60_000);

  test('a decision call is left to the transaction of its decision', async () => {
    const { store, begin } = await openTrail();
    const audit = begin();
    for (const operation of ['A013', 'A014', 'A020', 'A022', 'A028', 'A005'])
      audit.noteErsCall({ operation, ubrn: '000000700001', correlationId: 'c', isOk: true, status: 200 });
    await audit.settled();
    const events = await eventsIn(store);
    expect(events.map(({ subtype }) => subtype?.[0]?.code)).toEqual(['A005']);
    expect(events[0]?.entity?.[0]?.what?.identifier?.value).toBe('000000700001');
  });
});
