import { type StoreUnderContract, storeContract } from '../contract/store.ts';
import { emptyProject } from './project.ts';

async function open(): Promise<StoreUnderContract> {
  const { connect } = await emptyProject();
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
