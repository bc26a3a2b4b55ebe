import { searchParameters } from '../../conformance/index.ts';
import { systemClock } from '../../server/core/index.ts';
import { connectHapiStore } from '../../server/store/index.ts';
import { type StoreUnderContract, storeContract } from '../contract/store.ts';
import { startHapi } from './server.ts';

async function open(): Promise<StoreUnderContract> {
  const server = await startHapi();
  const connect = () =>
    connectHapiStore({ baseUrl: server.url, clock: systemClock, random: Math.random, searchParameters });
  let store = await connect();
  const probed = await store.probe();
  if (!probed.ok) throw new Error(JSON.stringify(probed));
  return {
    store,
    async reopen() {
      await store.close();
      await server.restart();
      store = await connect();
      return store;
    },
    async close() {
      await store.close();
      await server.stop();
    },
  };
}

storeContract('HAPI', open);
