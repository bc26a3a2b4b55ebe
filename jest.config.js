export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '/test/official/',
    '/test/ers-contract/',
    '/test/hapi/',
    '/test/medplum/',
    '/test/validate/',
  ],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/strip-types.js' },
  globalSetup: '<rootDir>/test/safety/begin-run.ts',
  globalTeardown: '<rootDir>/test/safety/judge-run.ts',
  maxWorkers: 2,
  testTimeout: 20_000,
};
