import base from './jest.config.js';

/** The simulator's traffic against e-RS's own OpenAPI, read from ERS_SHARED (default ../shared). Not part of `npm test`: a fresh clone has none. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/ers-contract/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
