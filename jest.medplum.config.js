import base from './jest.config.js';

/** Against a live Medplum named by STORE_URL, STORE_CLIENT_ID and STORE_CLIENT_SECRET. Not part of `npm test`. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/medplum/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  testTimeout: 120_000,
};
