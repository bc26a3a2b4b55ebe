import base from './jest.config.js';

/** In a real browser, where there is one: CHROMIUM, or Debian's chromium. Not part of `npm test`. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/browser/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  testTimeout: 120_000,
};
