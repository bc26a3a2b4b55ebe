import { CODE_SYSTEM } from '../mappings/index.ts';

/** The body with which e-RS refuses by one of its codes (eRS-APIErrorCode-1), for a fault of the simulator. */
export const refusal = (code: string) => ({
  resourceType: 'OperationOutcome',
  issue: [
    { severity: 'error', code: 'business-rule', details: { coding: [{ system: CODE_SYSTEM.apiErrorCode, code }] } },
  ],
});
