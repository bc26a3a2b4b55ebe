import base from './jest.config.js';

/** The official e-RS examples, read from ERS_SHARED (default ../shared). Not part of `npm test`: a fresh clone has none. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/official/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
