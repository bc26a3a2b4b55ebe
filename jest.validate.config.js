import base from './jest.config.js';

/** HL7's own validator over what a journey wrote: `npm run test:validate` builds it first. Not part of `npm test`. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/validate/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  modulePathIgnorePatterns: ['<rootDir>/test/hapi/target/'],
  testTimeout: 180_000,
};
