import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { searchParameters } from '../../conformance/index.ts';
import { systemClock } from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { type StoreUnderContract, storeContract } from './store.ts';

async function open(dressedAs?: 'hapi' | 'medplum'): Promise<StoreUnderContract> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-contract-'));
  const again = () =>
    openEmbeddedStore({
      directory,
      clock: systemClock,
      searchParameters,
      ...(dressedAs === undefined ? {} : { dressedAs }),
    });
  let store = await again();
  return {
    store,
    async reopen() {
      await store.close();
      store = await again();
      return store;
    },
    async close() {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

storeContract('the embedded store', () => open());
storeContract('the embedded store dressed as HAPI', () => open('hapi'));
storeContract('the embedded store dressed as Medplum', () => open('medplum'));
