import { describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '@medplum/fhirtypes';
import fc from 'fast-check';
import { structureDefinition } from '../../mappings/index.ts';
import { chainKey, verifyAudit } from '../../server/audit/index.ts';
import type { AuditChainsRecord, Store, Stored } from '../../server/core/index.ts';
import { readRecord, writeRecord } from '../../server/store/index.ts';
import { access, eventsIn, KEY, openTrail } from './trail.ts';

const verdictOf = async (store: Store, key = KEY) => {
  const verified = await verifyAudit(store, key);
  if (!verified.ok) throw new Error(verified.code);
  return verified.value;
};

const LINK = structureDefinition('ers-audit-link');
const placeOf = (event: AuditEvent) => {
  const parts = event.extension?.find(({ url }) => url === LINK)?.extension ?? [];
  return parts.find(({ url }) => url === 'sequence')?.valuePositiveInt ?? 0;
};
const linkIn = (event: AuditEvent) => event.extension?.find(({ url }) => url === LINK) ?? { url: LINK };

/** Two processes' chains of `first` and `second` events. */
async function written(first: number, second: number) {
  const trail = await openTrail();
  for (const [process, count] of [first, second].entries()) {
    const audit = trail.begin();
    for (let index = 0; index < count; index += 1) audit.noteAccess(access({ id: `p-${process}-${index}` }));
    await audit.settled();
  }
  return trail.store;
}

const ok = <T>(result: { ok: true; value: T } | { ok: false; code: string }): T => {
  if (!result.ok) throw new Error(result.code);
  return result.value;
};

/** What somebody with all rights on the store, but without the installation's secret, might do to the trail. */
const TAMPERING: Readonly<
  Record<string, (store: Store, events: readonly Stored<AuditEvent>[], at: number) => Promise<string | undefined>>
> = {
  'delete one': async (store, events, at) => {
    const victim = events[at % events.length] as Stored<AuditEvent>;
    ok(await store.remove('AuditEvent', victim.id));
    return undefined;
  },
  'change what one says': async (store, events, at) => {
    const victim = events[at % events.length] as Stored<AuditEvent>;
    ok(await store.update({ ...victim, outcomeDesc: 'HTTP 200', outcome: '0' }));
    return victim.id;
  },
  'change when one was': async (store, events, at) => {
    const victim = events[at % events.length] as Stored<AuditEvent>;
    ok(await store.update({ ...victim, recorded: '2026-01-05T09:00:00.001Z' }));
    return victim.id;
  },
  'let two change places': async (store, events, at) => {
    const one = events[at % events.length] as Stored<AuditEvent>;
    const two = events[(at + 1) % events.length] as Stored<AuditEvent>;
    ok(await store.update({ ...one, extension: [linkIn(two)] }));
    ok(await store.update({ ...two, extension: [linkIn(one)] }));
    return undefined;
  },
  'insert one without a link': async (store, events, at) => {
    const { id: _, extension: __, ...copy } = events[at % events.length] as Stored<AuditEvent>;
    return ok(await store.create(copy as AuditEvent)).resource.id;
  },
  'insert a copy of one': async (store, events, at) => {
    const { id: _, ...copy } = events[at % events.length] as Stored<AuditEvent>;
    ok(await store.create(copy as AuditEvent));
    return undefined;
  },
  'insert one with a link of their own making': async (store, events, at) => {
    const { id: _, ...copy } = events[at % events.length] as Stored<AuditEvent>;
    const parts = [
      { url: 'chain', valueString: 'a chain of theirs' },
      { url: 'sequence', valuePositiveInt: 1 },
      { url: 'hash', valueString: 'A'.repeat(43) },
    ];
    return ok(await store.create({ ...copy, extension: [{ url: LINK, extension: parts }] } as AuditEvent)).resource.id;
  },
  'cut the end off': async (store, events, at) => {
    const from = 1 + (at % Math.max(...events.map(placeOf)));
    for (const event of events) if (placeOf(event) >= from) ok(await store.remove('AuditEvent', event.id));
    return undefined;
  },
  'delete a chain whole, with its head': async (store) => {
    const chains = ok(await readRecord<AuditChainsRecord>(store, 'ers-audit', 'chains'))?.data.chains ?? [];
    const head = ok(await readRecord(store, 'ers-audit', chains[0] ?? ''));
    ok(await store.remove('Basic', head?.id ?? ''));
    for (const event of await eventsIn(store))
      if (JSON.stringify(event).includes(chains[0] ?? '')) ok(await store.remove('AuditEvent', event.id));
    return undefined;
  },
};

describe('the chain of AuditEvents', () => {
  test('is whole as it was written, by every process, on each store', async () => {
    for (const dressedAs of [undefined, 'hapi', 'medplum'] as const) {
      const { store, begin } = await openTrail(dressedAs);
      const processes = [begin(), begin()];
      for (let index = 0; index < 90; index += 1) processes[index % 2]?.noteAccess(access());
      for (const one of processes) await one.settled();
      expect(await verdictOf(store)).toEqual({ events: 90, chains: 2, breaks: [] });
      await store.close();
    }
  });

  test('whatever is deleted, changed, reordered or inserted, is found, and the event is named', async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...Object.keys(TAMPERING)),
      fc.integer({ min: 2, max: 30 }),
      fc.integer({ min: 2, max: 30 }),
      fc.nat(60),
      async (name, first, second, at) => {
        const store = await written(first, second);
        expect((await verdictOf(store)).breaks).toEqual([]);
        const events = (await eventsIn(store)).toSorted((a, b) => placeOf(a) - placeOf(b));
        const id = await TAMPERING[name]?.(store, events, at);
        const { breaks } = await verdictOf(store);
        expect(breaks.length).toBeGreaterThan(0);
        if (id !== undefined) expect(breaks.map((one) => one.id)).toContain(id);
        await store.close();
      },
    );
    await fc.assert(property, { seed: 20261125, numRuns: 120 });
  }, 120_000);

  test('the first broken link is named by its place', async () => {
    const store = await written(40, 5);
    const all = await eventsIn(store);
    const last = all.find((event) => placeOf(event) === 40);
    const long = linkIn(last as AuditEvent).extension?.[0]?.valueString;
    const victim = (place: number) =>
      all.find((event) => placeOf(event) === place && linkIn(event).extension?.[0]?.valueString === long)?.id ?? '';
    ok(await store.remove('AuditEvent', victim(31)));
    ok(await store.remove('AuditEvent', victim(17)));
    expect((await verdictOf(store)).breaks).toEqual([{ kind: 'missing', chain: long, sequence: 17 }]);
    await store.close();
  });

  test('the links of another installation are none here: the secret is needed to make one', async () => {
    const store = await written(3, 1);
    expect((await verdictOf(store, chainKey('another secret altogether'))).breaks.map(({ kind }) => kind)).toEqual([
      'changed',
      'changed',
    ]);
    await store.close();
  });

  test('what is written while it is verified is beyond the heads and no break', async () => {
    const { store, begin } = await openTrail();
    const audit = begin();
    audit.noteAccess(access());
    await audit.settled();
    const register = ok(await readRecord<AuditChainsRecord>(store, 'ers-audit', 'chains'));
    const name = register?.data.chains[0] ?? '';
    const head = ok(await readRecord(store, 'ers-audit', name));
    audit.noteAccess(access());
    await audit.settled();
    // As the head was before the second event.
    const now = ok(await readRecord(store, 'ers-audit', name));
    ok(await writeRecord(store, 'ers-audit', name, head?.data, now));
    expect((await verdictOf(store)).breaks).toEqual([]);
    await store.close();
  });
});
