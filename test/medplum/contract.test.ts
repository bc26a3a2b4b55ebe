import { systemClock } from '../../server/core/index.ts';
import { connectMedplumStore } from '../../server/store/index.ts';
import { type StoreUnderContract, storeContract } from '../contract/store.ts';

/** A Medplum of an empty Project, which the contract fills. */
async function open(): Promise<StoreUnderContract> {
  const { STORE_URL: baseUrl, STORE_CLIENT_ID: id, STORE_CLIENT_SECRET: secret } = process.env;
  if (!baseUrl || !id || !secret)
    throw new Error(
      'test:medplum needs STORE_URL, STORE_CLIENT_ID and STORE_CLIENT_SECRET of a Medplum that it may fill.',
    );
  const connect = () =>
    connectMedplumStore({ baseUrl, credentials: { id, secret }, clock: systemClock, random: Math.random });
  let store = await connect();
  return {
    store,
    // The server is not ours to restart: what is opened again is the connection.
    async reopen() {
      await store.close();
      store = await connect();
      return store;
    },
    close: () => store.close(),
  };
}

storeContract('Medplum', open);
