import base from './jest.config.js';

/** Against a real HAPI, which takes a while to start: `npm run test:hapi` builds it first. Not part of `npm test`. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/hapi/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  modulePathIgnorePatterns: ['<rootDir>/test/hapi/target/'],
  // One server at a time: it wants a gigabyte.
  maxWorkers: 1,
  testTimeout: 180_000,
};
