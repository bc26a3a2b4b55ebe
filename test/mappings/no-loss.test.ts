import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  accountForLeaves,
  mapCancelAnswer,
  mapReferral,
  mapWorklist,
  type SourceKind,
  unmappedOf,
} from '../../mappings/index.ts';
import { ersFixture, ids } from './fixtures.ts';
import { faultsOf, resourcesOf } from './r4.ts';

type Path = readonly (string | number)[];

/** Every place in a document, its members and elements included. */
const placesOf = (value: unknown, path: Path = []): Path[] => [
  path,
  ...(typeof value === 'object' && value !== null
    ? Object.keys(value).flatMap((key) =>
        placesOf((value as Record<string, unknown>)[key], [...path, Array.isArray(value) ? Number(key) : key]),
      )
    : []),
];

/** The document with the value at a path put in place of what stood there; undefined takes a member away. */
function replaced(document: unknown, path: Path, value: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (Array.isArray(document))
    return document.map((item, index) => (index === head ? replaced(item, rest, value) : item));
  if (typeof document !== 'object' || document === null) return document;
  const member = replaced((document as Record<string, unknown>)[head], rest, value);
  return { ...document, [head]: member };
}

const SOURCES: readonly [name: string, kind: SourceKind][] = [
  ['a005-booked', 'referral'],
  ['a005-triage', 'referral'],
  ['a036-cancelled', 'cancel-answer'],
  ['a008-referrals-for-review', 'REFERRALS_FOR_REVIEW'],
  ['a008-appointment-slot-issues', 'APPOINTMENT_SLOT_ISSUES'],
];

/** Values that break a reader: wrong types, empty ones, text that R4 refuses, and whole foreign trees. */
const odd = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom<unknown>(null, '', ' ', [], {}, 0, -1, 1.5, true, 'a b', '2026-13-01', '#nowhere', '__proto__'),
  fc.string({ unit: 'grapheme' }),
  fc.jsonValue({ maxDepth: 3 }),
);

const mutations = (document: unknown) =>
  fc.array(fc.tuple(fc.constantFrom(...placesOf(document)), odd), { minLength: 1, maxLength: 4 }).map((changes) =>
    // As JSON, since that is all that e-RS can send.
    JSON.parse(
      JSON.stringify(changes.reduce((sofar, [path, value]) => replaced(sofar, path, value), document)) ?? 'null',
    ),
  );

/** Everything that came out of a mapping, or nothing where the source was refused. */
function outputOf(source: unknown, kind: SourceKind) {
  if (kind === 'referral') return mapReferral(source, { ids });
  if (kind === 'cancel-answer') return mapCancelAnswer(source, { ids });
  return mapWorklist(source, kind);
}

describe.each(SOURCES)('%s', (name, kind) => {
  const source = ersFixture(name);

  test('K3, G-2: every leaf is mapped, structural or kept', () => {
    const account = accountForLeaves(source, kind);
    expect(account.unaccounted).toEqual([]);
    expect(account.mapped.length).toBeGreaterThan(account.kept.length);
  });

  test('G-1, K3: however a source is broken, mapping it never throws and never loses a leaf of what it accepts', () => {
    fc.assert(
      fc.property(mutations(source), (broken) => {
        const output = outputOf(broken, kind);
        if (!output.ok) return output.issues.length > 0;
        expect(accountForLeaves(broken, kind).unaccounted).toEqual([]);
        return true;
      }),
      { numRuns: 400 },
    );
  });

  test('K3: a text that nobody expects can be found again in what came out, wherever it stood', () => {
    const leaves = placesOf(source).filter((path) => typeof at(source, path) === 'string');
    const lost = leaves.filter((path) => {
      const output = outputOf(replaced(source, path, 'Xyzzy-7'), kind);
      return output.ok && !JSON.stringify(output.value).includes('Xyzzy-7');
    });
    expect(lost.filter((path) => !isInternalName(path))).toEqual([]);
  });
});

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((here, key) => (here as Record<string | number, unknown> | undefined)?.[key], value);

/** Ids of contained resources: they hold the document together and mean nothing outside it (M-4). */
const isInternalName = (path: Path): boolean =>
  path.includes('contained') && path.at(-1) === 'id' && path.at(-2) !== 'attachment';

describe('R4 of broken sources', () => {
  test('G-6: whatever a source holds, what is made of it passes the R4 base definitions', () => {
    const source = ersFixture('a005-booked');
    fc.assert(
      fc.property(mutations(source), (broken) => {
        const output = mapReferral(broken, { ids });
        if (!output.ok) return;
        expect(resourcesOf(output.value).flatMap(faultsOf)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  test('G-2: what is kept names its place and its JSON, and is reported', () => {
    const source = ersFixture('a005-booked');
    source.contained[2].minutesDuration = 20;
    source.newMember = { deep: ['a', 1] };
    const output = mapReferral(source, { ids });
    if (!output.ok) throw new Error('refused');
    expect(output.value.appointment && unmappedOf(output.value.appointment)).toEqual([
      { path: 'ReferralRequest.contained[2].minutesDuration', json: '20' },
    ]);
    expect(unmappedOf(output.value.serviceRequest)).toContainEqual({
      path: 'ReferralRequest.newMember',
      json: '{"deep":["a",1]}',
    });
    expect(output.issues).toContainEqual({ code: 'VALUE_UNMAPPED', at: 'ReferralRequest.newMember' });
  });
});
