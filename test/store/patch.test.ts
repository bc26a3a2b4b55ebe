import { expect, test } from '@jest/globals';
import type { Stored } from '../../server/core/index.ts';
import { patchInPlace } from '../../server/store/fhir/json-patch.ts';

test('a patch that doubles a list with every operation is invalid, before it exhausts the memory', () => {
  const patient = { resourceType: 'Patient', id: '1', name: [{ family: 'A' }] } as unknown as Stored;
  const doubling = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/name', path: '/name/-' }));
  expect(patchInPlace(patient, doubling)).toMatchObject({ ok: false, code: 'invalid' });
});
