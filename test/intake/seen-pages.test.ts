import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type SeenRecord, systemClock } from '../../server/core/index.ts';
import { Seen } from '../../server/intake/seen.ts';
import { listRecords, openEmbeddedStore } from '../../server/store/index.ts';

test.each([undefined, 'hapi', 'medplum'] as const)(
  'K1: thousands are kept on pages of a thousand, in one transaction, and found again (store dressed as %s)',
  async (dressedAs) => {
    const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-seen-'));
    const store = await openEmbeddedStore({ directory, clock: systemClock, ...(dressedAs && { dressedAs }) });
    try {
      const seen = new Seen();
      const poll = async (first: number, count: number) => {
        const ubrns = Array.from({ length: count }, (_, index) => String(first + index).padStart(12, '0'));
        const writes = seen.writes(store, '1', { list: 'REFERRALS_FOR_REVIEW', polledAt: 'then', ubrns });
        if (writes.entries.length === 0) return 0;
        const written = await store.transaction(writes.entries);
        if (!written.ok) throw new Error(written.code);
        writes.note(written.value);
        return writes.entries.length;
      };
      expect(await poll(0, 2_500)).toBe(3);
      expect(await poll(0, 2_500)).toBe(0);
      // The last page has room for 500: it is filled, and another begun.
      expect(await poll(2_000, 1_200)).toBe(2);
      expect(await poll(3_200, 1)).toBe(1);
      const records = await listRecords<SeenRecord>(store, 'ers-seen');
      const pages = records.ok ? records.value.map(({ data }) => data).toSorted((a, b) => a.page - b.page) : [];
      expect(pages.map(({ page, polls }) => [page, polls.flatMap(({ ubrns }) => ubrns).length])).toEqual([
        [1, 1_000],
        [2, 1_000],
        [3, 1_000],
        [4, 201],
      ]);
      const again = new Seen();
      await again.load(store);
      expect(again.of({ id: '1', lists: [], unattended: [] }).size).toBe(3_201);
      const writes = again.writes(store, '1', {
        list: 'REFERRALS_FOR_REVIEW',
        polledAt: 'then',
        ubrns: ['000000009999'],
      });
      expect((await store.transaction(writes.entries)).ok).toBe(true);
    } finally {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
